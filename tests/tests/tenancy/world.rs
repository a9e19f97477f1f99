//! A shop of two tenants, and what stands between them.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use specql_compiler::{Compilation, internals::sql};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// What stands between the tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layers {
    /// As the compiler makes it.
    Both,
    /// Row level security is switched off.
    Predicates,
    /// The predicates are taken out of the generated statements.
    Policies,
    /// Neither.
    None,
}

/// A database with two tenants, each with a customer and an order of its own, and a product of nobody's.
pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) ann: Tenant,
    pub(crate) bob: Tenant,
    pub(crate) product: Uuid,
}

/// A tenant and its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    pub(crate) customer: Uuid,
    pub(crate) order: Uuid,
}

/// The project.
pub(crate) fn project() -> Result<Compilation> {
    compiled::files(&[
        ("entities/shop.yaml", include_str!("shop.yaml")),
        ("registry/domain_registry.yaml", include_str!("domain_registry.yaml")),
    ])
}

impl World {
    pub(crate) async fn new(layers: Layers) -> Result<Self> {
        let project = project()?;
        let mut text = sql::schema(&project.model).render();
        if matches!(layers, Layers::Policies | Layers::None) {
            text = without_predicates(&text);
        }
        if matches!(layers, Layers::Predicates | Layers::None) {
            text = text.replace("FORCE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY");
        }
        let db = TestDatabase::from_sql(&text).await?;
        compiled::register(db.pool(), &project).await?;
        let product = act(&db, None, "create_product", json!({"name": "Soap"})).await?;
        let product = id(&product)?;
        let ann = Tenant::new(&db, "Alice", product).await?;
        let bob = Tenant::new(&db, "Bert", product).await?;
        Ok(Self { db, ann, bob, product })
    }

    /// Calls an action in the name of a tenant.
    pub(crate) async fn act(&self, tenant: Tenant, action: &str, input: Value) -> Result<Value> {
        act(&self.db, Some(tenant.id), action, input).await
    }

    /// A value, read by plain SQL in the name of a tenant, or of nobody.
    pub(crate) async fn ask<T>(&self, tenant: Option<Tenant>, sql: &str) -> Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut tx = self.db.begin().await?;
        become_tenant(&mut tx, tenant).await?;
        let value = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *tx).await.with_context(|| sql.to_owned());
        // Now, and not some time after the drop: its locks would be in the way of what follows.
        tx.rollback().await?;
        value
    }

    /// How many rows plain SQL changes in the name of a tenant, or of nobody.
    pub(crate) async fn run(&self, tenant: Option<Tenant>, sql: &str) -> Result<u64> {
        let mut tx = self.db.begin().await?;
        become_tenant(&mut tx, tenant).await?;
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await.with_context(|| sql.to_owned())?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// A column of a tenant's own order, as the tenant sees it.
    pub(crate) async fn order(&self, tenant: Tenant, column: &str) -> Result<Option<String>> {
        let sql = format!("SELECT {column}::text FROM sales.tb_order WHERE id = '{}'", tenant.order);
        self.ask(Some(tenant), &sql).await
    }

    /// Queues the charge of a tenant's own order; the job.
    pub(crate) async fn pay(&self, tenant: Tenant) -> Result<Uuid> {
        let result = self.act(tenant, "pay_order", json!({"id": tenant.order})).await?;
        let job = result["extra_metadata"]["job_id"].as_str().with_context(|| result.to_string())?;
        Ok(job.parse()?)
    }

    /// Carries a job out, as a worker would.
    pub(crate) async fn complete(&self, job: Uuid) -> Result<()> {
        self.run(None, &format!("SELECT jobs.mark_job_started('{job}')")).await?;
        self.run(None, &format!("SELECT jobs.complete_job_successfully('{job}', '{{\"id\": \"ch_1\"}}')")).await?;
        Ok(())
    }
}

impl Tenant {
    async fn new(db: &TestDatabase, name: &str, product: Uuid) -> Result<Self> {
        let tenant = Uuid::new_v4();
        let customer = act(db, Some(tenant), "create_customer", json!({"name": name, "code": "1"})).await?;
        let customer = id(&customer)?;
        let order = json!({"customer": customer, "total": 7, "product": product});
        let order = id(&act(db, Some(tenant), "create_order", order).await?)?;
        Ok(Self { id: tenant, customer, order })
    }
}

/// Acts in the name of a tenant until the transaction ends.
pub(crate) async fn become_tenant(tx: &mut PgConnection, tenant: Option<Tenant>) -> Result<()> {
    let tenant = tenant.map(|tenant| tenant.id.to_string()).unwrap_or_default();
    sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant).execute(tx).await?;
    Ok(())
}

async fn act(db: &TestDatabase, tenant: Option<Uuid>, action: &str, input: Value) -> Result<Value> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).bind(tenant).bind(input).fetch_one(db.pool()).await?)
}

/// The id of a success.
pub(crate) fn id(result: &Value) -> Result<Uuid> {
    anyhow::ensure!(result["status"] == "success", "{result}");
    Ok(result["id"].as_str().context("no id")?.parse()?)
}

/// Takes ` AND t.tenant_id = …` out of every statement.
fn without_predicates(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(place) = rest.find(".tenant_id = ") {
        let before = &rest[..place];
        let start = before.rfind("AND ").filter(|start| {
            before[start + 4..].chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        });
        let after = &rest[place + ".tenant_id = ".len()..];
        let value = [
            "nullif(current_setting('app.tenant_id', true), '')::uuid",
            "auth_tenant_id",
            "_context.tenant_id",
            "t.tenant_id",
        ]
        .into_iter()
        .find(|value| after.starts_with(value));
        match (start, value) {
            (Some(start), Some(value)) => {
                out.push_str(&before[..start]);
                out.push_str("AND true");
                rest = &after[value.len()..];
            }
            _ => {
                out.push_str(&rest[..place + 1]);
                rest = &rest[place + 1..];
            }
        }
    }
    out + rest
}

#[test]
fn the_predicates_are_taken_out() -> Result<()> {
    let text = sql::schema(&project()?.model).render();
    let bare = without_predicates(&text);
    assert!(text.matches(".tenant_id = auth_tenant_id").count() > 10);
    assert!(!bare.contains("auth_tenant_id;") && !bare.contains(".tenant_id = auth_tenant_id"), "one is left");
    assert!(!bare.contains("AND t.tenant_id = nullif"));
    Ok(())
}
