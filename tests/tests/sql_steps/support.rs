//! A depot with a few items.

use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::PgPool;

pub(crate) type Outcome = anyhow::Result<()>;

/// The database of `depot.yaml`.
pub(crate) struct Depot {
    database: TestDatabase,
    /// The public id of the only depot.
    pub(crate) id: String,
}

impl Depot {
    /// With these items in the depot: sku, stock, state.
    pub(crate) async fn with(items: &[(&str, i32, &str)]) -> anyhow::Result<Self> {
        let project = compiled::files(&[("entities/depot.yaml", include_str!("depot.yaml"))])?;
        let database = compiled::database(&project).await?;
        sqlx::raw_sql(include_str!("functions.sql")).execute(database.pool()).await?;
        let id: String = sqlx::query_scalar("INSERT INTO depot.tb_depot DEFAULT VALUES RETURNING id::text")
            .fetch_one(database.pool())
            .await?;
        for (sku, stock, state) in items {
            sqlx::query(
                "INSERT INTO depot.tb_item (sku, stock, state, fk_depot, tags) VALUES ($1, $2, $3, 1, '{b,a,stop,c}')",
            )
            .bind(sku)
            .bind(stock)
            .bind(state)
            .execute(database.pool())
            .await?;
        }
        Ok(Self { database, id })
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Calls an action; the whole result as JSON.
    pub(crate) async fn call(&self, action: &str, input: Value) -> anyhow::Result<Value> {
        let sql = format!("SELECT to_jsonb(r) FROM app.{action}(NULL, NULL, $1) AS r");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(input).fetch_one(self.pool()).await?)
    }

    /// Calls an action that must succeed.
    pub(crate) async fn succeed(&self, action: &str, input: Value) -> anyhow::Result<Value> {
        let result = self.call(action, input).await?;
        if result["status"] != "success" {
            let log =
                self.rows("SELECT error_sqlstate, error_message, error_context FROM app.tb_mutation_audit_log").await?;
            anyhow::bail!("{action}: {result}, {log}");
        }
        Ok(result)
    }

    /// What a query gives, as JSON: its rows, each an array.
    pub(crate) async fn rows(&self, select: &str) -> anyhow::Result<Value> {
        let sql = format!("SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM ({select}) AS q");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(self.pool()).await?)
    }

    pub(crate) async fn count(&self, table: &str) -> anyhow::Result<i64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(self.pool()).await?)
    }

    /// The items that are live: sku to stock and state.
    pub(crate) async fn items(&self) -> anyhow::Result<Value> {
        let sql = "SELECT coalesce(jsonb_object_agg(sku, jsonb_build_array(stock, state)), '{}') \
                   FROM depot.tb_item WHERE deleted_at IS NULL";
        Ok(sqlx::query_scalar(sql).fetch_one(self.pool()).await?)
    }

    /// The public id of an item.
    pub(crate) async fn item(&self, sku: &str) -> anyhow::Result<String> {
        Ok(sqlx::query_scalar("SELECT id::text FROM depot.tb_item WHERE sku = $1")
            .bind(sku)
            .fetch_one(self.pool())
            .await?)
    }

    /// The input of an action that works on this item.
    pub(crate) async fn id_of(&self, sku: &str) -> anyhow::Result<Value> {
        Ok(json!({"id": self.item(sku).await?}))
    }
}
