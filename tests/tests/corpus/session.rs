//! One case: a transaction in which things happen, and which nobody will see.

use anyhow::{Context as _, Result, bail, ensure};
use indexmap::IndexMap;
use serde_json::{Value, json};
use specql_compiler::internals::model::{Entity, Model};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::cases::{After, Case, Cases, Later, OneOrMany};

/// A transaction, and the rows that have names in it.
pub(crate) struct Session<'a> {
    pub(crate) connection: &'a mut PgConnection,
    model: &'a Model,
    cases: &'a Cases,
    tenant: Option<String>,
    /// Fixture and tenant → its id.
    named: IndexMap<(String, Option<String>), Value>,
    it: Value,
    worker: Option<Uuid>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(connection: &'a mut PgConnection, model: &'a Model, cases: &'a Cases, case: &Case) -> Self {
        let tenant = case.tenant.clone().or_else(|| cases.tenants.keys().next().cloned());
        Self { connection, model, cases, tenant, named: IndexMap::new(), it: Value::Null, worker: None }
    }

    /// Carries the case out; `good` says whether it must succeed.
    pub(crate) async fn run(&mut self, action: &str, case: &Case, good: bool) -> Result<()> {
        let tenant = self.tenant.clone();
        for name in &case.needs {
            self.fixture(name).await?;
        }
        for given in &case.given {
            self.happen(given, tenant.as_deref()).await.context("given")?;
        }
        let input = self.resolve(&case.input).await?;
        let input = if input.is_null() { json!({}) } else { input };
        let before = self.state().await?;
        let result = self.call(action, tenant.as_deref(), &input).await?;
        let status = case.status.as_deref().unwrap_or("success");
        ensure!(result["status"] == status, "answered {} instead of `{status}`: {result}", result["status"]);
        ensure!((status == "success") == good, "`{status}` stands in the wrong list");
        if let Some(words) = &case.message {
            let message = result["message"].as_str().unwrap_or_default();
            ensure!(message.contains(words.as_str()), "says `{message}` instead of `{words}`");
        }
        if good {
            self.it = result["id"].clone();
            self.check_report(&result).await?;
        } else {
            ensure!(self.state().await? == before, "left something behind: {result}");
            ensure!(result["object_data"].is_null() && result["id"].is_null(), "reports a row: {result}");
        }
        if let Some(expected) = &case.returns {
            let expected = self.resolve(expected).await?;
            ensure!(fits(&expected, &result["object_data"]), "reported {}", result["object_data"]);
        }
        if let Some(expected) = &case.metadata {
            let expected = self.resolve(expected).await?;
            ensure!(fits(&expected, &result["extra_metadata"]), "says {}", result["extra_metadata"]);
        }
        self.check(&case.after).await?;
        for later in &case.then {
            self.later(later).await?;
        }
        sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *self.connection).await?;
        Ok(())
    }

    /// What is reported of a live row is what the view shows of it.
    async fn check_report(&mut self, result: &Value) -> Result<()> {
        let Some(id) = result["object_data"]["id"].as_str() else { return Ok(()) };
        ensure!(result["id"] == id, "another row than its id: {result}");
        let id: Uuid = id.parse()?;
        for entity in &self.model.entities {
            let sql = format!("SELECT data FROM {}.{} WHERE id = $1", quoted(&entity.schema), quoted(&entity.view()));
            let shown: Option<Value> =
                sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut *self.connection).await?;
            if let Some(shown) = shown {
                ensure!(shown == result["object_data"], "the view shows {shown}, reported {}", result["object_data"]);
            }
        }
        Ok(())
    }

    /// One of the calls and ends that a case or a fixture begins with; the id that it reports.
    async fn happen(&mut self, what: &IndexMap<String, Value>, tenant: Option<&str>) -> Result<Value> {
        if what.contains_key("complete") || what.contains_key("fail") {
            let later: Later = serde_json::from_value(serde_json::to_value(what)?)?;
            Box::pin(self.later(&later)).await?;
            return Ok(self.it.clone());
        }
        let (action, input) = what.first().context("an empty step")?;
        let input = self.resolve(input).await?;
        let result = self.call(action, tenant, &input).await?;
        ensure!(result["status"] == "success", "{action}: {result}");
        if !result["id"].is_null() {
            self.it = result["id"].clone();
        }
        Ok(result["id"].clone())
    }

    async fn call(&mut self, action: &str, tenant: Option<&str>, input: &Value) -> Result<Value> {
        let tenant = self.tenant_id(tenant)?;
        let sql = format!("SELECT to_jsonb(r) FROM app.{}($1, $2, $3) AS r", quoted(action));
        let user = Uuid::from_u128(7);
        let result: Value = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(user)
            .bind(input)
            .fetch_one(&mut *self.connection)
            .await
            .with_context(|| format!("{action}({input})"))?;
        let unexpected = result["status"] == "failed:unexpected_error";
        let (logged, why): (i64, Option<String>) = sqlx::query_as(
            "SELECT count(*), max(error_message) FROM app.tb_mutation_audit_log WHERE status = $1 AND user_id = $2",
        )
        .bind(result["status"].as_str())
        .bind(user)
        .fetch_one(&mut *self.connection)
        .await?;
        ensure!(logged > 0, "{action} left no line in the audit log");
        ensure!(!unexpected, "{action}({input}): unexpected: {}", why.unwrap_or_default());
        Ok(result)
    }

    fn tenant_id(&self, tenant: Option<&str>) -> Result<Option<Uuid>> {
        let Some(tenant) = tenant else { return Ok(None) };
        Ok(Some(*self.cases.tenants.get(tenant).with_context(|| format!("no tenant `{tenant}`"))?))
    }

    /// The value with `$names` replaced by ids.
    pub(crate) async fn resolve(&mut self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$').filter(|rest| !rest.is_empty()) {
                Some("it") => self.it.clone(),
                Some("nobody") => json!(Uuid::from_u128(0xdead)),
                Some(entity) if entity.contains('.') => {
                    let rows = self.rows(entity).await?;
                    rows.last().with_context(|| format!("no row of {entity}"))?["id"].clone()
                }
                Some(name) => Box::pin(self.fixture(name)).await?,
                None => value.clone(),
            },
            Value::Array(items) => {
                let mut resolved = Vec::new();
                for item in items {
                    resolved.push(Box::pin(self.resolve(item)).await?);
                }
                resolved.into()
            }
            Value::Object(members) => {
                let mut resolved = serde_json::Map::new();
                for (key, member) in members {
                    resolved.insert(key.clone(), Box::pin(self.resolve(member)).await?);
                }
                resolved.into()
            }
            other => other.clone(),
        })
    }

    async fn fixture(&mut self, written: &str) -> Result<Value> {
        let (name, tenant) = match written.split_once('@') {
            Some((name, tenant)) => (name, Some(tenant.to_owned())),
            None => (written, self.tenant.clone()),
        };
        let key = (name.to_owned(), tenant.clone());
        if let Some(id) = self.named.get(&key) {
            return Ok(id.clone());
        }
        let fixture = self.cases.fixtures.get(name).with_context(|| format!("no fixture `{name}`"))?.clone();
        let calls = match fixture {
            OneOrMany::One(call) => vec![call],
            OneOrMany::Many(calls) => calls,
        };
        // What the fixture names in its turn is of the same tenant.
        let (outer_tenant, outer) = (self.tenant.clone(), self.it.clone());
        self.tenant.clone_from(&tenant);
        let mut id = Value::Null;
        for call in &calls {
            let reported = self.happen(call, tenant.as_deref()).await.with_context(|| format!("fixture `{name}`"))?;
            if id.is_null() {
                id = reported;
            }
            self.it = id.clone();
        }
        (self.tenant, self.it) = (outer_tenant, outer);
        self.named.insert(key, id.clone());
        Ok(id)
    }

    async fn later(&mut self, later: &Later) -> Result<()> {
        match (&later.complete, &later.fail) {
            (Some(operation), None) => {
                let output = self.resolve(&later.output).await?;
                let output = if output.is_null() { json!({}) } else { output };
                self.end(operation, Ok(output)).await.with_context(|| format!("complete {operation}"))?;
            }
            (None, Some(operation)) => {
                let message = later.error.as_deref().unwrap_or("refused");
                self.end(operation, Err(message)).await.with_context(|| format!("fail {operation}"))?;
            }
            _ => bail!("`then` wants `complete` or `fail`"),
        }
        self.check(&later.after).await
    }

    /// Ends the oldest job of an operation, as a worker would.
    async fn end(&mut self, operation: &str, how: Result<Value, &str>) -> Result<()> {
        let worker = match self.worker {
            Some(worker) => worker,
            None => {
                let worker = Uuid::new_v4();
                sqlx::query("SELECT jobs.register_worker($1, 'corpus', '1', '{}')")
                    .bind(worker)
                    .execute(&mut *self.connection)
                    .await?;
                self.worker = Some(worker);
                worker
            }
        };
        // Whatever waits for a time is due.
        sqlx::raw_sql("UPDATE jobs.tb_job_scheduled SET run_at = now(); SELECT jobs.promote()")
            .execute(&mut *self.connection)
            .await?;
        let (service, name) = operation.split_once('.').context("an operation is written `service.operation`")?;
        let claimed: Option<(i64, i32)> = sqlx::query_as(
            "SELECT pk_job_run, epoch FROM jobs.claim($1,
                ARRAY(SELECT code FROM jobs.tb_operation WHERE service_name = $2 AND operation = $3), 1, true)",
        )
        .bind(worker)
        .bind(service)
        .bind(name)
        .fetch_optional(&mut *self.connection)
        .await?;
        let (pk, epoch) = claimed.context("no such job is ready")?;
        let (sql, wanted) = match &how {
            Ok(_) => (
                "SELECT result FROM jobs.complete($1, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[NULL::jsonb])",
                "completed",
            ),
            Err(_) => (
                "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], ARRAY['permanent_reported'], ARRAY[$4 ->> 0],
                    ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])",
                "failed",
            ),
        };
        let payload = how.unwrap_or_else(|message| json!([message]));
        let ended: String = sqlx::query_scalar(sql)
            .bind(worker)
            .bind(pk)
            .bind(epoch)
            .bind(payload)
            .fetch_one(&mut *self.connection)
            .await?;
        if ended != wanted {
            let why: Option<String> =
                sqlx::query_scalar("SELECT last_error FROM jobs.tb_job_callback WHERE pk_job_run = $1")
                    .bind(pk)
                    .fetch_optional(&mut *self.connection)
                    .await?
                    .flatten();
            bail!("the job is {ended}: {}", why.unwrap_or_default());
        }
        Ok(())
    }

    async fn check(&mut self, after: &After) -> Result<()> {
        for (name, expected) in &after.rows {
            let expected = self.resolve(&Value::from(expected.clone())).await?;
            let found = Value::from(self.rows(name).await?);
            ensure!(fits(&expected, &found), "{name}: expected {expected}, found {found:#}");
        }
        if let Some(expected) = &after.jobs {
            let expected = self.resolve(&serde_json::to_value(expected)?).await?;
            let found: Value = sqlx::query_scalar(
                "SELECT coalesce(jsonb_agg(jsonb_build_object(service_name || '.' || operation, input_data)
                    ORDER BY pk_job_run), '[]')
                FROM jobs.v_job_run WHERE status NOT IN ('completed', 'failed', 'cancelled')",
            )
            .fetch_one(&mut *self.connection)
            .await?;
            ensure!(fits(&expected, &found), "jobs: expected {expected}, found {found:#}");
        }
        if let Some(expected) = &after.notifications {
            let expected = self.resolve(&Value::from(expected.clone())).await?;
            let found: Value = sqlx::query_scalar(
                "SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY n.pk_notification), '[]') FROM app.tb_notification AS n",
            )
            .fetch_one(&mut *self.connection)
            .await?;
            ensure!(fits(&expected, &found), "notifications: expected {expected}, found {found:#}");
        }
        Ok(())
    }

    /// The live rows of an entity as the tenant sees them, oldest first.
    async fn rows(&mut self, name: &str) -> Result<Vec<Value>> {
        self.look_as(self.tenant_id(self.tenant.as_deref())?).await?;
        let entity = self
            .model
            .entities
            .iter()
            .find(|entity| format!("{}.{}", entity.schema, entity.snake) == name)
            .with_context(|| format!("no entity `{name}`"))?;
        let (schema, view, table) = (quoted(&entity.schema), quoted(&entity.view()), quoted(&entity.table()));
        let pk = quoted(&entity.pk());
        let sql =
            format!("SELECT v.data FROM {schema}.{view} AS v JOIN {schema}.{table} AS t USING (id) ORDER BY t.{pk}");
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *self.connection).await?)
    }

    async fn look_as(&mut self, tenant: Option<Uuid>) -> Result<()> {
        let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)").bind(tenant).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// All that an action might leave behind, of all tenants.
    async fn state(&mut self) -> Result<Vec<String>> {
        let rows = |entity: &Entity| {
            let (schema, table, pk) = (quoted(&entity.schema), quoted(&entity.table()), quoted(&entity.pk()));
            format!("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t.{pk}), '') FROM {schema}.{table} AS t")
        };
        let mut queries: Vec<String> = self.model.entities.iter().map(rows).collect();
        let counted = ["jobs.tb_job_run", "jobs.tb_job_key", "app.tb_notification"];
        let there: Vec<bool> = sqlx::query_scalar("SELECT to_regclass(t) IS NOT NULL FROM unnest($1) AS t")
            .bind(counted.map(str::to_owned).to_vec())
            .fetch_all(&mut *self.connection)
            .await?;
        let tables = counted.iter().zip(there).filter(|(_, there)| *there);
        queries.extend(tables.map(|(table, _)| format!("SELECT count(*)::text FROM {table}")));
        let sql = queries.join(" UNION ALL ");
        let mut state = Vec::new();
        let tenants: Vec<Option<Uuid>> = self.cases.tenants.values().copied().map(Some).chain([None]).collect();
        for tenant in tenants {
            self.look_as(tenant).await?;
            let seen: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_all(&mut *self.connection).await?;
            state.extend(seen);
        }
        Ok(state)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether what was found has all that is expected: members of objects, elements of lists, `"*"` for anything but null.
pub(crate) fn fits(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), found) if any == "*" => !found.is_null(),
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|member| fits(value, member)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| fits(expected, found))
        }
        (Value::Number(expected), Value::Number(found)) => expected.as_f64() == found.as_f64(),
        _ => expected == found,
    }
}
