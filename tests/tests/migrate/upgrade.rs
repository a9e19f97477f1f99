//! An upgrade of SpecQL's own schema, step by step, with workers of the old and the new version side by side.
//!
//! There is no later version yet, so one is made: the one in which whoever completes a job says in which region it ran. *Expand* adds the
//! column and the new signature and keeps the old one as a shim; *migrate* moves the rows that are there; *contract* takes the
//! shim away, and with it the old binary's way to complete a job.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use specql_compiler::internals::{
    migrations::{Direction, diff, diff::breaking, render::files},
    sql::{Definition, Object, ObjectKind, Schema, read, schema},
};
use specql_tests::{
    app::repository,
    compiled,
    history::History,
    process::{Process, eventually},
    work::{PROJECT, Queue},
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use uuid::Uuid;

const WORKER: &str = env!("CARGO_BIN_EXE_task-worker");

const OLD: &str = "jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean)";
const NEW: &str = "jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean, text)";

/// The old signature, for workers that say no region.
const SHIM: &str = "\
CREATE OR REPLACE FUNCTION jobs.complete(
    _worker uuid, _pks bigint[], _epochs integer[], _outputs jsonb[], _usages jsonb[], _answer_busy boolean DEFAULT false)
RETURNS TABLE (pk_job_run bigint, result text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.pk_job_run, c.result FROM jobs.complete(_worker, _pks, _epochs, _outputs, _usages, _answer_busy, 'unsaid') AS c
$$";

/// A schema of the queue as this version has it.
fn now() -> Schema {
    schema(&compiled::folder(&repository().join("tests/src/work/project")).unwrap().model)
}

fn find<'a>(schema: &'a mut Schema, kind: ObjectKind, name: &str) -> &'a mut Object {
    let found = schema.objects.iter_mut().find(|object| object.kind == kind && object.name == name);
    found.unwrap_or_else(|| panic!("there is no `{name}`"))
}

fn statements(object: &mut Object) -> (&mut Vec<String>, &mut Vec<String>) {
    let Definition::Statements { create, drop, .. } = &mut object.definition else {
        panic!("`{}` is no SQL", object.name)
    };
    (create, drop)
}

/// Replaces a text that must be there.
fn rewrite(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "`{from}` is not in {text}");
    *text = text.replace(from, to);
}

/// The next version beside the old one.
fn expanded() -> Schema {
    let mut next = now();
    let outcome = find(&mut next, ObjectKind::Table, "jobs.tb_job_outcome");
    rewrite(
        &mut statements(outcome).0[0],
        "CREATE TABLE jobs.tb_job_outcome (",
        "CREATE TABLE jobs.tb_job_outcome (\n    region TEXT NOT NULL DEFAULT 'before',",
    );
    let old = find(&mut next, ObjectKind::Function, OLD);
    let mut new = Object { name: NEW.to_owned(), ..old.clone() };
    let (create, drop) = statements(&mut new);
    for text in create.iter_mut().filter(|text| text.contains(OLD)) {
        rewrite(text, OLD, NEW);
    }
    let last = "_answer_busy boolean DEFAULT false)";
    rewrite(&mut create[0], last, "_answer_busy boolean, _region text)");
    let record = |which: &str| {
        format!("UPDATE jobs.tb_job_outcome AS o SET region = _region WHERE o.pk_job_run = ANY ({which});")
    };
    rewrite(
        &mut create[0],
        "PERFORM jobs.announce(_completed);",
        &format!("PERFORM jobs.announce(_completed);\n        {}", record("_completed")),
    );
    let settle = "_raised := jobs.settle_callbacks(_called);";
    rewrite(&mut create[0], settle, &format!("{settle}\n        {}", record("_called")));
    *drop = vec![format!("DROP FUNCTION {NEW}")];
    statements(old).0[0] = SHIM.to_owned();
    let at = next.objects.iter().position(|object| object.name == OLD).unwrap();
    next.objects.insert(at, new);
    grant(&mut next, &format!("{OLD},\n            {NEW}"));
    // The texts are others now, and so is what is read from them.
    read::complete(&mut next);
    next
}

/// The next version alone.
fn contracted() -> Schema {
    let mut next = expanded();
    next.objects.retain(|object| object.name != OLD);
    grant(&mut next, NEW);
    read::complete(&mut next);
    next
}

fn grant(schema: &mut Schema, signatures: &str) {
    let grant = find(schema, ObjectKind::Grant, "specql_worker");
    let text = &mut statements(grant).0[0];
    if text.contains(NEW) {
        rewrite(text, &format!("{OLD},\n            {NEW}"), signatures);
    } else {
        rewrite(text, OLD, signatures);
    }
}

/// One more step, from one schema to another, as a build writes it.
fn step(history: History, name: &str, from: &Schema, to: &Schema) -> History {
    let mut plan = diff(from, to, Direction::Forward);
    assert!(plan.hazards.is_empty(), "{:?}", plan.hazards);
    if !plan.breaking.is_empty() {
        plan.steps.push(breaking::record(history.last().version + 1, &plan.breaking));
    }
    files(&plan, &[])
        .iter()
        .fold(history, |history, file| history.sealed(&format!("{name}{}", file.suffix), &file.text))
}

/// Something that goes on until it is told to stop.
struct Background {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Background {
    /// Queues jobs, a few at a time.
    fn load(pool: PgPool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let queue =
                "SELECT count((app.run_task(NULL, NULL, '{\"how\": \"5ms\"}')).status) FROM generate_series(1, 4)";
            while !stopped.load(Ordering::Relaxed) {
                sqlx::query(queue).execute(&pool).await.unwrap();
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        });
        Self { stop, task }
    }

    /// A worker of the new version, which says its region.
    fn new_worker(pool: PgPool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let worker = Uuid::new_v4();
            sqlx::query("SELECT jobs.register_worker($1, 'new', '2', '{}')").bind(worker).execute(&pool).await.unwrap();
            while !stopped.load(Ordering::Relaxed) {
                if run_some(&pool, worker).await == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            sqlx::query("SELECT jobs.unregister_worker($1)").bind(worker).execute(&pool).await.unwrap();
        });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// Claims a few jobs, calls the far side for them, and completes them in the new way.
async fn run_some(pool: &PgPool, worker: Uuid) -> usize {
    let claimed: Vec<(i64, i32, Uuid, i32)> = sqlx::query_as(
        "SELECT pk_job_run, epoch, id, attempt FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 3, TRUE)",
    )
    .bind(worker)
    .fetch_all(pool)
    .await
    .unwrap();
    for (_, _, job, attempt) in &claimed {
        sqlx::query("INSERT INTO far_side.tb_call VALUES ($1, 'run', $2, 0, now())")
            .bind(job)
            .bind(attempt)
            .execute(pool)
            .await
            .unwrap();
    }
    let (pks, epochs): (Vec<i64>, Vec<i32>) = claimed.iter().map(|(pk, epoch, ..)| (pk, epoch)).unzip();
    let results: Vec<String> = sqlx::query_scalar(
        "SELECT result FROM jobs.complete($1, $2, $3, array_fill('{\"process\": 0}'::jsonb, ARRAY[cardinality($2)]),
             array_fill(NULL::jsonb, ARRAY[cardinality($2)]), false, 'here')",
    )
    .bind(worker)
    .bind(pks)
    .bind(epochs)
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(results.iter().all(|result| result == "completed"), "{results:?}");
    claimed.len()
}

/// Waits until so many more jobs have completed in a region.
async fn completed_more(queue: &Queue, region: &'static str) {
    let count = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM jobs.tb_job_outcome WHERE region = $1")
            .bind(region)
            .fetch_one(queue.pool())
            .await
            .unwrap()
    };
    let before = count().await;
    eventually("jobs complete", async || count().await >= before + 30).await;
}

/// Moves old rows to the new shape, a few in each transaction.
async fn move_rows(pool: &PgPool) -> u64 {
    let batch = "UPDATE jobs.tb_job_outcome SET region = 'unsaid' WHERE pk_job_run IN
        (SELECT pk_job_run FROM jobs.tb_job_outcome WHERE region = 'before' ORDER BY pk_job_run LIMIT 20)";
    let mut batches = 0;
    while sqlx::query(batch).execute(pool).await.unwrap().rows_affected() > 0 {
        batches += 1;
    }
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_two_versions_lose_nothing_and_double_nothing_while_the_queues_schema_is_upgraded() {
    let queue = Queue::new().await;
    let pool = queue.pool().clone();
    let logs = tempfile::tempdir().unwrap();
    let start = |log: &str| {
        let file = fs::File::create(logs.path().join(log)).unwrap();
        let mut command = queue.command(WORKER, queue.url());
        Process::start(command.env("RUST_LOG", "warn").stderr(file))
    };
    let said = |log: &str| fs::read_to_string(logs.path().join(log)).unwrap();
    let (now, expanded, contracted) = (now(), expanded(), contracted());
    let expand = step(History::of(&PROJECT), "expand", &now, &expanded);
    let contract = step(expand.clone(), "contract", &expanded, &contracted);

    let load = Background::load(pool.clone());
    let mut old = start("old");
    queue.until("SELECT count(*) > 30 FROM jobs.tb_job_outcome").await;
    expand.on(&pool).migrate().await.unwrap();
    completed_more(&queue, "unsaid").await;
    let new = Background::new_worker(pool.clone());
    completed_more(&queue, "here").await;
    assert!(move_rows(&pool).await > 1, "nothing was there to be moved");
    completed_more(&queue, "unsaid").await;
    completed_more(&queue, "here").await;
    // An old one that starts now is welcome.
    let mut another = start("another");
    completed_more(&queue, "unsaid").await;
    for worker in [&mut old, &mut another] {
        worker.signal(Signal::TERM);
        assert!(worker.ended().await.success());
    }
    assert_eq!((said("old"), said("another")), (String::new(), String::new()));

    contract.on(&pool).migrate().await.unwrap();
    let mut late = start("late");
    assert!(!late.ended().await.success());
    let sentence = said("late");
    let version = contract.last().version;
    assert!(
        sentence.contains(&format!(
            "the database has migration {version}, which took away what older binaries need: function {OLD}"
        )),
        "{sentence}"
    );
    completed_more(&queue, "here").await;
    load.end().await;
    let standing = queue.at_rest().await;
    new.end().await;

    assert_eq!(standing.completed, standing.tasks);
    assert_eq!(queue.count("SELECT count(*) - count(DISTINCT job) FROM far_side.tb_call").await, 0, "a job ran twice");
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE region = 'before'").await, 0);
    let public = "SELECT count(*) FROM pg_proc AS p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE p.proname = 'complete' AND a.grantee = 0";
    assert_eq!(queue.count(public).await, 0, "anybody may complete jobs");
}
