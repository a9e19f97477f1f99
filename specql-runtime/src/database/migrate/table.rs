//! The table in which migrations are recorded, sqlx's own or the one that its configuration names, and every statement about it.
//!
//! Which table a bare name means is decided by `search_path`, and may be another one after a migration than before it: a role `app` finds
//! its own schema first, as soon as there is one. So the table is looked for in the catalog and always named with its schema.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection, migrate::Migrate as _};

use super::{MigrateError, applied::Row};

/// Where it is made, if its name has no schema: where sqlx-cli makes it, too, unless a role's `search_path` says otherwise.
const USUAL_SCHEMA: &str = "public";

/// Where a database records what was applied.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Its name with its schema, quoted where that is needed.
    name: String,
}

impl Table {
    /// The database's own of that name, in that schema, or wherever it is; made where there is none.
    pub(super) async fn find_or_make(connection: &mut PgConnection, name: &str) -> Result<Self, MigrateError> {
        let parts: Vec<String> =
            sqlx::query_scalar("SELECT pg_catalog.parse_ident($1)").bind(name).fetch_one(&mut *connection).await?;
        let mut found: Vec<String> = sqlx::query_scalar(FIND).bind(&parts).fetch_all(&mut *connection).await?;
        match (found.pop(), found.pop()) {
            (None, _) => Self::make(connection, &parts).await,
            (Some(name), None) => Ok(Self { name }),
            (Some(last), Some(other)) => {
                let mut tables = found;
                tables.extend([other, last]);
                Err(MigrateError::SeveralTables { tables: described(connection, tables).await })
            }
        }
    }

    async fn make(connection: &mut PgConnection, parts: &[String]) -> Result<Self, MigrateError> {
        let (schema, table) = match parts {
            [schema, table] => (schema.as_str(), table.as_str()),
            _ => (USUAL_SCHEMA, parts.last().map(String::as_str).unwrap_or_default()),
        };
        let (schema, table): (String, String) =
            sqlx::query_as("SELECT pg_catalog.quote_ident($1), pg_catalog.quote_ident($2)")
                .bind(schema)
                .bind(table)
                .fetch_one(&mut *connection)
                .await?;
        let name = format!("{schema}.{table}");
        let made = async {
            // Even IF NOT EXISTS wants the right to make one.
            let there: bool = sqlx::query_scalar("SELECT pg_catalog.to_regnamespace($1) IS NOT NULL")
                .bind(&schema)
                .fetch_one(&mut *connection)
                .await?;
            if !there {
                connection.create_schema_if_not_exists(&schema).await?;
            }
            connection.ensure_migrations_table(&name).await
        };
        match made.await {
            Ok(()) => Ok(Self { name }),
            Err(cause) => Err(MigrateError::NoTable { table: name, cause }),
        }
    }

    /// Its name, as sqlx's own statements want it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its rows, by version.
    pub(super) async fn rows(&self, connection: &mut PgConnection) -> Result<BTreeMap<i64, Row>, sqlx::Error> {
        let statement = format!("SELECT version, description, checksum, success FROM {}", self.name);
        let rows: Vec<(i64, String, Vec<u8>, bool)> =
            sqlx::query_as(AssertSqlSafe(statement)).fetch_all(connection).await?;
        let row = |(version, description, checksum, success)| (version, Row { description, checksum, success });
        Ok(rows.into_iter().map(row).collect())
    }

    /// Version, description and checksum of those of these that were applied, in their order.
    pub(super) async fn applied(
        &self,
        connection: &mut PgConnection,
        versions: &[i64],
    ) -> Result<Vec<(i64, String, Vec<u8>)>, sqlx::Error> {
        let statement = format!(
            "SELECT version, description, checksum FROM {} WHERE success AND version = ANY ($1) ORDER BY version",
            self.name
        );
        sqlx::query_as(AssertSqlSafe(statement)).bind(versions).fetch_all(connection).await
    }

    /// Removes the rows of these.
    pub(super) async fn forget(&self, connection: &mut PgConnection, versions: &[i64]) -> Result<(), sqlx::Error> {
        let statement = format!("DELETE FROM {} WHERE version = ANY ($1)", self.name);
        sqlx::query(AssertSqlSafe(statement)).bind(versions).execute(connection).await.map(|_| ())
    }

    /// Removes the rows of what was begun and not ended.
    pub(super) async fn forget_failed(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let statement = format!("DELETE FROM {} WHERE NOT success", self.name);
        sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map(|_| ())
    }

    /// Records a migration that was not carried out, because all of it is there.
    pub(super) async fn record(
        &self,
        connection: &mut PgConnection,
        (version, description, checksum): (i64, &str, &[u8]),
    ) -> Result<(), sqlx::Error> {
        let statement = format!(
            "INSERT INTO {} (version, description, success, checksum, execution_time) VALUES ($1, $2, TRUE, $3, -1)",
            self.name
        );
        sqlx::query(AssertSqlSafe(statement))
            .bind(version)
            .bind(description)
            .bind(checksum)
            .execute(connection)
            .await
            .map(|_| ())
    }
}

/// The tables with what tells them apart: `public._sqlx_migrations` (3 migrations).
async fn described(connection: &mut PgConnection, tables: Vec<String>) -> Vec<String> {
    let mut described = Vec::new();
    for table in tables {
        let statement = format!("SELECT pg_catalog.count(*) FROM {table}");
        let rows: Result<i64, _> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *connection).await;
        // Another application's may not be for this role to read.
        let holds = match rows {
            Ok(1) => "1 migration".to_owned(),
            Ok(rows) => format!("{rows} migrations"),
            Err(_) => "which this role may not read".to_owned(),
        };
        described.push(format!("`{table}` ({holds})"));
    }
    described
}

/// Every table of the name `$1` (with its schema, or without) that this role can reach. Another application's, in a schema that is closed to it, is none of its business.
const FIND: &str = "
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = ($1::text[])[pg_catalog.cardinality($1)] AND (pg_catalog.cardinality($1) = 1 OR n.nspname = ($1::text[])[1]) AND c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'
        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    ORDER BY 1";
