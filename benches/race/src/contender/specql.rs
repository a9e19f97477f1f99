//! Our own worker.
//!
//! It has no settings for throughput: tuned and default differ in the number of jobs at a time alone.

use std::{path::Path, time::Duration};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use specql_registry::Registry;
use specql_runtime::{
    Database, Project, Worker,
    client::{Enqueue, EnqueueMany, Operation},
    queue::{Link, registration::operation_records},
};
use sqlx::{AssertSqlSafe, PgPool};

use super::{CLIENTS, Contender, Place};
use crate::handler::{Handler, Payload};

/// The jobs at a time of a tuned worker: as many as graphile_worker's own benchmark uses.
const CONCURRENCY: usize = 500;

#[derive(Clone)]
pub(crate) struct SpecQl {
    database: Database,
    registry: Registry,
}

/// An operation that does nothing, and may do it twice.
struct Noop;

#[derive(Clone, Serialize, Deserialize)]
struct Empty {}

impl Operation for Noop {
    const SERVICE: &'static str = "race";
    const OPERATION: &'static str = "noop";
    type Input = Payload;
    type Output = Empty;
}

fn registry(limit: Option<u32>) -> anyhow::Result<Registry> {
    let field = |ty: &str| json!({"ty": {"basic": ty}, "required": true, "default": null, "description": null});
    let mut registry = json!({"services": {"race": {
        "name": "race", "kind": null, "category": null, "description": null, "execution_type": "http",
        "base": "handler", "environments": {},
        "operations": {"noop": {
            "name": "noop", "description": null,
            "input": {"fields": {"n": field("integer"), "sent": field("bigint")}}, "output": {"fields": {}},
            "timeout_seconds": 60, "max_attempts": 5, "unique": "never", "idempotent": true,
            "retry": {"initial_ms": 1000, "max_ms": 600_000, "jitter": true}, "call": "handler"
        }}
    }}});
    if let Some(limit) = limit {
        registry["services"]["race"]["limits"] = json!({"concurrency": limit});
    }
    let known: Registry = serde_json::from_value(registry)?;
    if let Some(limit) = limit {
        // A registry that knew no limits would pass over it, and nothing would be measured.
        let kept = serde_json::to_value(&known)?["services"]["race"]["limits"]["concurrency"] == limit;
        anyhow::ensure!(kept, "this version of SpecQL has no `limits`");
    }
    Ok(known)
}

/// The queue's schema, as the compiler emits it.
fn schema() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specql-compiler/src/sql/jobs");
    let mut files = std::fs::read_dir(&folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    files.iter().map(|file| Ok(std::fs::read_to_string(file)?)).collect()
}

/// As the compiler emits it for `on_success: [{update: Originating SET done = true}]`: for one job, and for a batch.
const CALLBACK: &str = "
    CREATE FUNCTION public.cb_done(_job_run_id uuid, _output_data jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        _context record;
    BEGIN
        SELECT c.entity_pk INTO STRICT _context FROM jobs.callback_context(_job_run_id) AS c;
        UPDATE public.originating AS t SET done = true WHERE t.pk = _context.entity_pk;
    END $$;
    CREATE FUNCTION public.cb_done_batch(_jobs jobs.called_job[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off SET jit = off AS $$
    DECLARE
        _locked bigint;
    BEGIN
        PERFORM 1
        FROM public.originating AS t
        JOIN unnest(_jobs) AS _context (
            _job_run_id, entity_pk, tenant_id, triggered_by, service_name, operation, correlation_id, attempts, _output_data)
        ON t.pk = _context.entity_pk
        ORDER BY t.pk
        FOR NO KEY UPDATE OF t;
        GET DIAGNOSTICS _locked = ROW_COUNT;
        IF _locked < cardinality(_jobs) THEN
            RAISE EXCEPTION USING ERRCODE = 'SQ001', MESSAGE = 'not_found', DETAIL = 'the row of a job is gone';
        END IF;
        UPDATE public.originating AS t SET done = true
        FROM unnest(_jobs) AS _context (
            _job_run_id, entity_pk, tenant_id, triggered_by, service_name, operation, correlation_id, attempts, _output_data)
        WHERE t.pk = _context.entity_pk;
    END $$;
    INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, batch_function, service_name, operation, entity_type)
    VALUES ('done', 'success', 'public', 'cb_done', 'cb_done_batch', 'race', 'noop', 'Originating')";

impl SpecQl {
    fn pool(&self) -> &PgPool {
        self.database.pool()
    }
}

impl Contender for SpecQl {
    const KEEPS: &'static str = "jobs, attempts";

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let registry = registry(place.limit)?;
        let text: &'static str = serde_json::to_string(&registry)?.leak();
        let project =
            Project { name: "race", root: "", compiler_version: "", migrations: &[], registry: text, uses_jobs: true, functions: &[] };
        let database = Database::from_pool(place.pool(CLIENTS).await?, Box::leak(Box::new(project)));
        Ok(Self { database, registry })
    }

    async fn install(&self) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(schema()?)).execute(self.pool()).await?;
        sqlx::raw_sql(CALLBACK).execute(self.pool()).await?;
        let mut link = Link::new(&self.pool().connect_options(), "race", Duration::from_secs(30));
        link.register_operations(&operation_records(&self.registry, None)).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        EnqueueMany::<Noop>::new(jobs).send(&self.database).await?;
        Ok(())
    }

    async fn enqueue(&self, job: Payload) -> anyhow::Result<()> {
        Enqueue::<Noop>::new(job).send(&self.database).await?;
        Ok(())
    }

    async fn unfinished(&self) -> anyhow::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM jobs.tb_job_ready) OR EXISTS (SELECT FROM jobs.tb_job_scheduled) \
                   OR EXISTS (SELECT FROM jobs.tb_job_lease) OR EXISTS (SELECT FROM jobs.tb_job_callback)";
        Ok(sqlx::query_scalar(sql).fetch_one(self.pool()).await?)
    }

    /// As generated actions do it, one call a row.
    async fn enqueue_with_callback(&self, jobs: Vec<Payload>) -> anyhow::Result<()> {
        let sql = "SELECT count(jobs.enqueue_step('race', 'noop', row.input, NULL, NULL, 'never', NULL, NULL, NULL, 0, \
                   NULL, NULL, NULL, 'Originating', row.pk, 'done', NULL)) FROM unnest($1::jsonb[], $2::bigint[]) AS row (input, pk)";
        let inputs = jobs.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<i64> = jobs.iter().map(|job| job.n).collect();
        sqlx::query(sql).bind(inputs).bind(keys).execute(self.pool()).await?;
        Ok(())
    }

    /// The callback writes the row, in the transaction that completes the job.
    async fn callback_handler(_: &Place) -> anyhow::Result<Handler> {
        Ok(Handler::counting())
    }

    async fn start(&self, place: &Place, handler: Handler) -> anyhow::Result<impl Sized + Send + 'static> {
        let mut builder = Worker::builder(&self.database);
        if let Some(jobs) = place.concurrency.or((!place.defaults).then_some(CONCURRENCY)) {
            builder = builder.concurrency(jobs);
        }
        let worker = builder
            .handle::<Noop>(move |job, _| {
                let handler = handler.clone();
                async move { handler.call(job).await.map(|()| Empty {}) }
            })
            .start()
            .await?;
        Ok(worker)
    }
}
