//! What the application and its users do to a worker: connections all taken, locks held, snapshots kept, dumps made.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use serde_json::Value;
use specql_runtime::Database;
use specql_tests::{
    dump,
    process::eventually,
    work::{
        PROJECT, Queue,
        services::work::{Run, RunOutput},
    },
};
use sqlx::{Connection as _, postgres::PgPoolOptions};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_works_and_stops_while_the_applications_pool_is_exhausted() {
    let queue = Queue::new().await;
    let pool = PgPoolOptions::new().max_connections(2).connect_with(queue.options()).await.unwrap();
    let held = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    let database = Database::from_pool(pool, &PROJECT);
    let worker = specql_tests::work::builder(&database, &queue.options()).start().await.unwrap();
    let job = queue.run("now").await;
    assert_eq!(queue.outcome(job).await.status, "completed");
    queue.at_rest().await;
    worker.shutdown().await.unwrap();
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_lock_sets_its_own_callback_aside_and_holds_up_no_other() {
    let queue = Queue::new().await;
    let locked = queue.run("now").await;
    queue.run_many(40, "now").await;
    let mut lock = queue.database().begin().await.unwrap();
    let row =
        "SELECT FROM work.tb_task WHERE pk_task = (SELECT entity_pk FROM jobs.tb_job_run WHERE id = $1) FOR UPDATE";
    sqlx::query(row).bind(locked).execute(&mut *lock).await.unwrap();

    let worker = queue.worker().start().await.unwrap();
    queue.until("SELECT count(*) = 40 FROM jobs.tb_job_outcome").await;
    queue.until("SELECT EXISTS (SELECT FROM jobs.tb_job_callback WHERE tries > 0)").await;
    assert_eq!(queue.standing().await.unfinished, 1);
    lock.rollback().await.unwrap();
    let standing = queue.at_rest().await;
    assert_eq!(standing.completed, 41);
    assert_eq!(queue.calls(locked).await.len(), 1, "the callback was repeated, not the call");
    worker.shutdown().await.unwrap();
}

/// Commits take turns at the gate; who holds it notifies for the others. When that transaction fails nobody has notified.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_queued_behind_a_held_notify_gate_are_found_by_polling() {
    let queue = Queue::new().await;
    let worker = queue.worker().start().await.unwrap();
    let mut holder = queue.database().begin().await.unwrap();
    let held = Instant::now();
    sqlx::raw_sql("SELECT jobs.enqueue('work', 'run', '{\"how\": \"now\"}')").execute(&mut *holder).await.unwrap();
    let gate =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 1399869772 AND objid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(queue.count(gate).await, 1, "the gate is not held");
    while held.elapsed() < Duration::from_secs(10) {
        // The worker has become idle: no more than its poll finds the next.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let queued = Instant::now();
        let job = queue.run("now").await;
        queue.called(job, 1).await;
        assert!(queued.elapsed() < Duration::from_secs(4), "{:?}", queued.elapsed());
    }
    holder.rollback().await.unwrap();
    let standing = queue.at_rest().await;
    assert_eq!(
        queue.count("SELECT count(*) FROM jobs.tb_job_run").await,
        standing.tasks,
        "the job of the failed transaction"
    );
    worker.shutdown().await.unwrap();
}

/// A snapshot that is kept for minutes keeps every dead row of the queue. What it costs is how many have died, so they die
/// here in seconds.
#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_claim_stays_the_same_while_a_transaction_holds_back_vacuum() {
    let queue = Queue::new().await;
    let mut snapshot = sqlx::PgConnection::connect_with(&queue.options()).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs.tb_job_run")
        .execute(&mut snapshot)
        .await
        .unwrap();
    let operations: Vec<i32> =
        sqlx::query_scalar("SELECT code FROM jobs.tb_operation").fetch_all(queue.pool()).await.unwrap();
    let mut session = sqlx::PgConnection::connect_with(&queue.options()).await.unwrap();
    let claimer = Uuid::new_v4();
    let mut costs = Vec::new();
    for _ in 0..10 {
        enqueue_plainly(&queue, 1_000).await;
        // The first claim of a wave finds its place; the next ones are what a busy worker makes.
        for _ in 0..4 {
            claim_and_complete(&mut session, claimer, &operations, 100).await;
        }
        costs.push(blocks_of_a_claim(&mut session, claimer, &operations, false).await);
        while claim_and_complete(&mut session, claimer, &operations, 500).await > 0 {}
    }
    let (first, last) = (costs[0], *costs.last().unwrap());
    assert!(last <= first * 3 / 2, "blocks read by a claim of ten: {costs:?}");
    // That the snapshot did hold vacuum back: who looks from the head of the index reads the dead as well.
    enqueue_plainly(&queue, 100).await;
    let from_the_head = blocks_of_a_claim(&mut session, claimer, &operations, true).await;
    assert!(from_the_head > last * 3 / 2, "{from_the_head} blocks from the head, {last} from the watermark");
    drop(snapshot);
}

async fn enqueue_plainly(queue: &Queue, jobs: i32) {
    let sql = "SELECT count(*) FROM jobs.enqueue_many('work', 'run', array_fill('{\"how\": \"now\"}'::jsonb, ARRAY[$1]), _unique => 'never')";
    sqlx::query(sql).bind(jobs).execute(queue.pool()).await.unwrap();
}

/// How many jobs it found.
async fn claim_and_complete(session: &mut sqlx::PgConnection, worker: Uuid, operations: &[i32], limit: i32) -> usize {
    let leases: Vec<(i64, i32)> = sqlx::query_as("SELECT pk_job_run, epoch FROM jobs.claim($1, $2, $3)")
        .bind(worker)
        .bind(operations)
        .bind(limit)
        .fetch_all(&mut *session)
        .await
        .unwrap();
    let (pks, epochs): (Vec<i64>, Vec<i32>) = leases.into_iter().unzip();
    sqlx::query("SELECT jobs.complete($1, $2, $3, NULL, NULL)")
        .bind(worker)
        .bind(&pks)
        .bind(epochs)
        .execute(session)
        .await
        .unwrap();
    pks.len()
}

/// Blocks that PostgreSQL reads for a claim of ten, whose jobs it then gives back.
async fn blocks_of_a_claim(session: &mut sqlx::PgConnection, worker: Uuid, operations: &[i32], full_scan: bool) -> i64 {
    let mut tx = session.begin().await.unwrap();
    let explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM jobs.claim($1, $2, 10, $3)";
    let plan: Value =
        sqlx::query_scalar(explain).bind(worker).bind(operations).bind(full_scan).fetch_one(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    let plan = &plan[0]["Plan"];
    assert_eq!(plan["Actual Rows"].as_f64(), Some(10.0), "{plan}");
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_and_works_while_a_dump_holds_its_locks() {
    let queue = Queue::new().await;
    // What pg_dump does: ACCESS SHARE on every table, until its end.
    let mut dump = queue.database().begin().await.unwrap();
    sqlx::raw_sql(
        "DO $$ BEGIN
            EXECUTE (SELECT 'LOCK TABLE ' || string_agg(oid::regclass::text, ', ') || ' IN ACCESS SHARE MODE' FROM pg_class
                WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text IN ('jobs', 'work', 'app'));
        END $$",
    )
    .execute(&mut *dump)
    .await
    .unwrap();
    // A range of jobs that is new to it: upkeep makes partitions.
    queue.execute("SELECT setval('jobs.tb_job_run_pk_job_run_seq', 5000000)").await;
    let since = Instant::now();
    let worker = queue.worker().start().await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(3), "the start waited for {:?}", since.elapsed());
    let job = queue.run("now").await;
    assert_eq!(queue.outcome(job).await.status, "completed");
    queue.execute("SELECT jobs.maintain()").await;
    let waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
        WHERE NOT l.granted AND a.datname = current_database()";
    assert_eq!(queue.count(waiting).await, 0, "somebody queues behind the dump, and everybody behind him");
    dump.rollback().await.unwrap();
    queue.at_rest().await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_starts_and_works_while_pg_dump_runs() {
    let queue = Queue::new().await;
    let mut dumping = dump::command(queue.url()).args(["--file", "/dev/null"]).spawn().unwrap();
    let other = queue.worker().start().await.unwrap();
    let mut jobs = 0;
    while dumping.try_wait().unwrap().is_none() {
        let job = queue.run("now").await;
        assert_eq!(queue.outcome(job).await.status, "completed");
        jobs += 1;
    }
    assert!(dumping.wait().unwrap().success(), "the dump failed");
    assert!(jobs > 0);
    queue.at_rest().await;
    other.shutdown().await.unwrap();
}

/// An advisory lock of a session stays on the connection that a cancelled future gives back to its pool.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_migration_strands_no_lock_on_the_pools_connection() {
    let queue = Queue::new().await;
    let mut lock = queue.database().begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let cancelled = tokio::time::timeout(Duration::from_millis(300), queue.database().migrate()).await;
    assert!(cancelled.is_err(), "it did not wait for the lock");
    lock.rollback().await.unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually("the lock of the cancelled migration goes", async || queue.count(held).await == 0).await;
    let elsewhere = Database::from_pool(PgPoolOptions::new().connect_with(queue.options()).await.unwrap(), &PROJECT);
    let again = tokio::time::timeout(Duration::from_secs(10), elsewhere.migrate()).await;
    again.expect("it waits for a lock that nobody will release").unwrap();
}

/// No function of the queue takes a lock that outlives its transaction, so that none can be stranded.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_queue_that_is_cancelled_leaves_no_lock_and_no_half_of_a_change() {
    let queue = Queue::new().await;
    let database = Database::from_pool(
        PgPoolOptions::new().max_connections(1).connect_with(queue.options()).await.unwrap(),
        &PROJECT,
    );
    for micros in (0..3_000).step_by(150) {
        let input = specql_tests::work::actions::task::RunTask::builder().how("now").build();
        let sent = specql_tests::work::actions::task::run_task(input);
        let _ = tokio::time::timeout(Duration::from_micros(micros), sent.send(&database)).await;
    }
    // The one connection works, in no transaction and for no tenant.
    let tenant: Option<String> = sqlx::query_scalar("SELECT nullif(current_setting('app.tenant_id', true), '')")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(tenant, None);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    assert_eq!(queue.count(open).await, 0);
    let worker = queue
        .worker()
        .handle::<Run>(|_, _| async { Ok::<_, Infallible>(RunOutput { process: 0 }) })
        .start()
        .await
        .unwrap();
    queue.until("SELECT NOT EXISTS (SELECT FROM jobs.tb_job_run AS j WHERE NOT EXISTS (SELECT FROM jobs.tb_job_outcome AS o WHERE o.pk_job_run = j.pk_job_run))").await;
    let standing = queue.standing().await;
    assert_eq!((standing.lost, standing.miscounted), (0, 0), "{standing:?}");
    assert_eq!(queue.left_over().await, Vec::<String>::new());
    worker.shutdown().await.unwrap();
}
