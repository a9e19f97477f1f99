//! Operations and workers make themselves known.

use serde_json::{Value, json};
use specql_registry::{
    Registry,
    service::{Configuration, policy_hash},
};
use sqlx::{FromRow, Row, postgres::PgRow, query, query_as};
use uuid::Uuid;

use super::{Link, QueueError};
use crate::database::migrate::compatible::Breaking;

/// SQLSTATE of a function that is not there.
const UNDEFINED_FUNCTION: &str = "42883";

/// An operation as the database knows it.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the columns of `jobs.register_operations`
pub struct Registered {
    pub code: i32,
    pub service: String,
    pub operation: String,
    /// The limit of its service, where it has one.
    pub limit_code: Option<i32>,
    /// The registry as a whole, by the database's code for it.
    pub registry: i32,
}

impl FromRow<'_, PgRow> for Registered {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            code: row.try_get(0)?,
            service: row.try_get(1)?,
            operation: row.try_get(2)?,
            limit_code: row.try_get(3)?,
            registry: row.try_get(4)?,
        })
    }
}

/// What `jobs.register_operations` is told of a registry: one object for each operation that `environment` configures.
///
/// Configuration and policy are a record for people. No worker reads them back.
#[must_use]
pub fn operation_records(registry: &Registry, environment: Option<&str>) -> Value {
    let mut records = Vec::new();
    for service in registry.services.values() {
        let Some(configuration) = service.configuration(environment) else { continue };
        let (runner_config, security_context) = split_policy(configuration);
        for operation in service.operations.values() {
            records.push(json!({
                "service": service.name,
                "operation": operation.name,
                "execution_type": service.execution_type.name(),
                "timeout_seconds": operation.timeout_seconds,
                "max_attempts": operation.max_attempts,
                "give_up_seconds": operation.give_up_after_seconds,
                "unique": operation.unique.name(),
                "idempotent": operation.idempotent,
                "breaker": operation.circuit_breaker.is_some(),
                "fallback": service.fallback.is_some(),
                "concurrency": service.limits.concurrency,
                "rate_starts": service.limits.rate.map(|rate| rate.starts),
                "rate_period_ms": service.limits.rate.map(|rate| rate.period_ms),
                "environment": environment,
                "policy_hash": policy_hash(configuration, operation),
                "hashes_schemas": true,
                "runner_config": runner_config,
                "security_context": security_context,
            }));
        }
    }
    Value::Array(records)
}

/// Configuration and security policy, apart. Credentials are references in both.
fn split_policy(configuration: &Configuration) -> (Value, Value) {
    match configuration {
        Configuration::Http(http) => {
            let mut config = serde_json::to_value(http).unwrap_or_default();
            let policy = config.as_object_mut().and_then(|fields| fields.remove("policy")).unwrap_or_default();
            (config, policy)
        }
        Configuration::Handler => (json!({}), json!({})),
    }
}

impl Link {
    /// Records the operations of [`operation_records`]. Answers the database's codes of each.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn register_operations(&mut self, records: &Value) -> Result<Vec<Registered>, QueueError> {
        let query =
            query_as("SELECT code, service_name, operation, limit_code, registry FROM jobs.register_operations($1)")
                .bind(records);
        self.rows("jobs.register_operations", query).await
    }

    /// The last migration that broke with older binaries. None, too, where the database is from before there were such.
    pub(crate) async fn last_breaking(&mut self) -> Result<Option<Breaking>, QueueError> {
        let query = query_as("SELECT version, reason FROM jobs.breaking_migration()");
        match self.rows::<(i64, String)>("jobs.breaking_migration", query).await {
            Ok(rows) => Ok(rows.into_iter().next().map(|(version, reason)| Breaking { version, reason })),
            Err(error) if error.is(UNDEFINED_FUNCTION) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a worker known, before its first claim. `registry` is what [`Registered`] says of it.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn register_worker(
        &mut self,
        worker: Uuid,
        name: &str,
        version: &str,
        capabilities: &Value,
        registry: Option<i32>,
    ) -> Result<(), QueueError> {
        let query = query("SELECT jobs.register_worker($1, $2, $3, $4, $5)")
            .bind(worker)
            .bind(name)
            .bind(version)
            .bind(capabilities)
            .bind(registry);
        self.execute("jobs.register_worker", query).await
    }

    /// Says anew what a worker is and serves. Nothing where it is off the list.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn announce_worker(
        &mut self,
        worker: Uuid,
        name: &str,
        version: &str,
        capabilities: &Value,
        registry: Option<i32>,
    ) -> Result<(), QueueError> {
        let query = query("SELECT jobs.announce_worker($1, $2, $3, $4, $5)")
            .bind(worker)
            .bind(name)
            .bind(version)
            .bind(capabilities)
            .bind(registry);
        self.execute("jobs.announce_worker", query).await
    }

    /// Takes a worker off the list. Jobs it still holds are rescued by others.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn unregister_worker(&mut self, worker: Uuid) -> Result<(), QueueError> {
        self.execute("jobs.unregister_worker", query("SELECT jobs.unregister_worker($1)").bind(worker)).await
    }
}
