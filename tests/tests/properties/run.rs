//! Many projects in one database: compiled, loaded, checked and called.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use specql_compiler::{
    Compilation, SourceFile, SourceKind, Sources, compile,
    internals::model::{Action, Entity, Model, Step, StepKind},
    render,
};
use specql_runtime::testing::TestDatabase;
use specql_tests::{compiled, plpgsql_check, random::Random};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    input::{self, Rows},
    project::{Project, SERVICES},
    steps::CODES,
};

/// Who calls, and who has no business here.
const TENANT: Uuid = Uuid::from_u128(0x7e1);
const STRANGER: Uuid = Uuid::from_u128(0x7e2);

/// What went wrong with one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) schema: String,
    pub(crate) what: String,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) actions: usize,
    pub(crate) good: usize,
    pub(crate) succeeded: usize,
    pub(crate) bad: usize,
    pub(crate) callbacks: usize,
    pub(crate) functions: usize,
}

/// Compiles projects together.
pub(crate) fn compiled(projects: &[Project]) -> std::result::Result<Compilation, String> {
    let mut files: Vec<SourceFile> = projects
        .iter()
        .map(|project| {
            SourceFile::new(format!("entities/{}.yaml", project.schema), project.yaml(), SourceKind::Entities)
        })
        .collect();
    files.push(SourceFile::new("registry/service_registry.yaml", SERVICES, SourceKind::Registry));
    let domains: String = projects
        .iter()
        .map(|project| format!("  {}: {{multi_tenant: {}}}\n", project.schema, project.multi_tenant))
        .collect();
    if projects.iter().any(|project| project.multi_tenant) {
        let text = format!("domains:\n{domains}");
        files.push(SourceFile::new("registry/domain_registry.yaml", text, SourceKind::Registry));
    }
    let sources = Sources::new(files);
    let compilation = compile(&sources);
    if compilation.has_errors() {
        let said = compilation.diagnostics.iter().filter(|found| found.is_error());
        return Err(said.map(|found| render(found, &sources, false)).collect::<Vec<_>>().join("\n"));
    }
    Ok(compilation)
}

/// Loads the projects, and calls every action.
pub(crate) async fn run(projects: &[Project], project: &Compilation) -> Result<(Figures, Vec<Failure>)> {
    let database = compiled::database(project).await?;
    let mut failures = Vec::new();
    let mut figures = Figures::default();
    let report = plpgsql_check::check(&database).await?;
    figures.functions = report.functions;
    for remark in report.remarks {
        let schema = projects.iter().map(|project| &project.schema);
        // Longer names first: `s11` is not `s1`.
        let owner = schema.filter(|schema| mentions(&remark, schema)).max_by_key(|schema| schema.len());
        failures.push(Failure { schema: owner.cloned().unwrap_or_default(), what: format!("plpgsql_check: {remark}") });
    }
    let mut connection = database.pool().acquire().await?;
    for one in projects {
        if let Err(error) = call_all(&mut connection, &project.model, one, &mut figures).await {
            failures.push(Failure { schema: one.schema.clone(), what: format!("{error:#}") });
        }
    }
    drop(connection);
    close(database).await;
    Ok((figures, failures))
}

fn mentions(remark: &str, schema: &str) -> bool {
    remark.starts_with(&format!("{schema}.")) || remark.starts_with(&format!("app.{schema}_"))
}

async fn close(database: TestDatabase) {
    // Dropping waits for the server: not in a task's thread.
    let _ = tokio::task::spawn_blocking(move || drop(database)).await;
}

/// Makes a row of each entity, then calls every action with good and with bad input.
async fn call_all(
    connection: &mut PgConnection,
    model: &Model,
    project: &Project,
    figures: &mut Figures,
) -> Result<()> {
    let mut random = Random::new(project.seed ^ 0xca11);
    let tenant = project.multi_tenant.then_some(TENANT);
    let mut rows = Rows::new();
    // Entities refer to themselves and to earlier ones, and are sorted by name.
    let entities: Vec<(usize, &Entity)> =
        model.entities.iter().enumerate().filter(|(_, entity)| entity.schema == project.schema).collect();
    for (index, entity) in &entities {
        let Some(create) = entity.actions.iter().find(|action| action.name.starts_with("create_")) else { continue };
        let Some(input) = input::good(&mut random, create, None, &rows) else { continue };
        let result = call(connection, create, tenant, &input).await?;
        ensure!(result["status"] == "success", "{}({}): {result}", create.wrapper, Value::from(input));
        let id = result["id"].as_str().context("no id")?.parse()?;
        rows.insert(specql_compiler::internals::model::EntityId(*index), id);
    }
    for (index, entity) in &entities {
        let own = rows.get(&specql_compiler::internals::model::EntityId(*index)).copied();
        for action in &entity.actions {
            figures.actions += 1;
            let Some(input) = input::good(&mut random, action, own, &rows) else { continue };
            let mut transaction = connection.begin().await?;
            good_call(&mut transaction, project, action, tenant, &input, figures)
                .await
                .with_context(|| format!("{}({})", action.wrapper, Value::from(input.clone())))?;
            transaction.rollback().await?;
            for (input, status) in input::bad(action, &input) {
                figures.bad += 1;
                refused(connection, model, project, action, tenant, &input, &status).await?;
            }
            if tenant.is_some() && input.contains_key("id") {
                refused(connection, model, project, action, Some(STRANGER), &input, "not_found").await?;
            }
        }
    }
    Ok(())
}

async fn good_call(
    connection: &mut PgConnection,
    project: &Project,
    action: &Action,
    tenant: Option<Uuid>,
    input: &Map<String, Value>,
    figures: &mut Figures,
) -> Result<()> {
    figures.good += 1;
    let result = call(connection, action, tenant, input).await?;
    let status = result["status"].as_str().unwrap_or_default();
    ensure!(expected(action).iter().any(|expected| status.starts_with(expected.as_str())), "answered {result}");
    sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *connection).await?;
    if status != "success" {
        return Ok(());
    }
    figures.succeeded += 1;
    let mut random = Random::new(project.seed ^ 0xe4d);
    // A callback may queue further calls; those end too.
    for _ in 0..20 {
        let good = random.chance(60);
        match end_job(connection, good).await? {
            Some(ended) => {
                figures.callbacks += 1;
                ensure!(matches!(ended.as_str(), "completed" | "failed"), "a job is {ended}");
            }
            None => break,
        }
    }
    Ok(())
}

/// How the statuses begin that an action may answer to good input.
fn expected(action: &Action) -> BTreeSet<String> {
    let mut statuses = BTreeSet::from(["success".to_owned()]);
    let mut look = |step: &Step| match &step.kind {
        StepKind::Validate { .. } => statuses.extend(CODES.map(|code| format!("validation:{code}"))),
        StepKind::Find { .. } => {
            statuses.insert("not_found".to_owned());
        }
        // A row that a step has deleted is not there for a later one, nor for an input that names it.
        StepKind::Delete { .. } => {
            statuses.extend(["not_found".to_owned(), "validation:unknown_".to_owned()]);
        }
        StepKind::Reject { .. } => statuses.extend(CODES.map(|code| format!("failed:{code}"))),
        _ => {}
    };
    for step in &action.steps {
        step.walk(&mut look);
    }
    statuses
}

/// Calls an action with input that it must refuse, and looks whether it left anything.
async fn refused(
    connection: &mut PgConnection,
    model: &Model,
    project: &Project,
    action: &Action,
    tenant: Option<Uuid>,
    input: &Map<String, Value>,
    status: &str,
) -> Result<()> {
    let mut transaction = connection.begin().await?;
    let before = rows_and_jobs(&mut transaction, model, project).await?;
    let result = call(&mut transaction, action, tenant, input).await?;
    let what = || format!("{}({}): expected {status}, answered {result}", action.wrapper, Value::from(input.clone()));
    ensure!(result["status"] == status, "{}", what());
    ensure!(result["id"].is_null() && result["object_data"].is_null(), "{}", what());
    ensure!(rows_and_jobs(&mut transaction, model, project).await? == before, "{}: left something", what());
    transaction.rollback().await?;
    Ok(())
}

async fn call(
    connection: &mut PgConnection,
    action: &Action,
    tenant: Option<Uuid>,
    input: &Map<String, Value>,
) -> Result<Value> {
    let sql = format!("SELECT to_jsonb(r) FROM app.{}($1, NULL, $2) AS r", action.wrapper);
    let result: Value = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(tenant)
        .bind(json!(input))
        .fetch_one(&mut *connection)
        .await
        .with_context(|| format!("{}({})", action.wrapper, Value::from(input.clone())))?;
    if result["status"] == "failed:unexpected_error" {
        let why: Option<String> = sqlx::query_scalar(
            "SELECT error_message FROM app.tb_mutation_audit_log WHERE error_message IS NOT NULL ORDER BY 1 LIMIT 1",
        )
        .fetch_optional(&mut *connection)
        .await?
        .flatten();
        anyhow::bail!("{}({}): unexpected: {}", action.wrapper, Value::from(input.clone()), why.unwrap_or_default());
    }
    Ok(result)
}

/// How many rows and jobs there are, whoever they belong to.
async fn rows_and_jobs(connection: &mut PgConnection, model: &Model, project: &Project) -> Result<Vec<i64>> {
    let tables = model
        .entities
        .iter()
        .filter(|entity| entity.schema == project.schema)
        .map(|entity| format!("SELECT count(*) FROM {}.{}", entity.schema, entity.table()));
    let queries: Vec<String> = tables.chain(["SELECT count(*) FROM jobs.tb_job_run".to_owned()]).collect();
    let sql = queries.join(" UNION ALL ");
    let mut counts = Vec::new();
    for tenant in [TENANT, STRANGER] {
        sqlx::query("SELECT set_config('app.tenant_id', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *connection)
            .await?;
        counts.extend(sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.clone())).fetch_all(&mut *connection).await?);
    }
    Ok(counts)
}

/// Ends the next job as a worker would; how that went, or `None` where no job waits.
async fn end_job(connection: &mut PgConnection, good: bool) -> Result<Option<String>> {
    let worker = Uuid::from_u128(0x3e);
    sqlx::raw_sql(
        "SELECT jobs.register_worker('00000000-0000-0000-0000-00000000003e', 'properties', '1', '{}');
        UPDATE jobs.tb_job_scheduled SET run_at = now(); SELECT jobs.promote()",
    )
    .execute(&mut *connection)
    .await?;
    let claimed: Option<(i64, i32)> = sqlx::query_as(
        "SELECT pk_job_run, epoch FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1, true)",
    )
    .bind(worker)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((pk, epoch)) = claimed else { return Ok(None) };
    let sql = match good {
        true => {
            "SELECT result FROM jobs.complete($1, ARRAY[$2], ARRAY[$3],
                ARRAY['{\"id\": \"t_1\", \"count\": 3}'::jsonb], ARRAY[NULL::jsonb])"
        }
        false => {
            "SELECT result FROM jobs.fail($1, ARRAY[$2], ARRAY[$3], ARRAY['permanent_reported'], ARRAY['it''s broken'],
                ARRAY[NULL::bigint], ARRAY[TRUE], ARRAY[NULL::jsonb])"
        }
    };
    let ended: String = sqlx::query_scalar(sql).bind(worker).bind(pk).bind(epoch).fetch_one(&mut *connection).await?;
    if ended == "callback_waiting" {
        let why: Option<String> =
            sqlx::query_scalar("SELECT last_error FROM jobs.tb_job_callback WHERE pk_job_run = $1")
                .bind(pk)
                .fetch_one(&mut *connection)
                .await?;
        return Ok(Some(format!("waiting for its callback: {}", why.unwrap_or_default())));
    }
    Ok(Some(ended))
}
