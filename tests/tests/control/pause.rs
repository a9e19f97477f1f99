//! Jobs that are held back by hand.

use std::{convert::Infallible, time::Duration};

use specql_runtime::queue::{Link, lease::Claim};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::project::{Empty, Mail, Other, Queue, Settings, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_services_jobs_wait_on_all_workers_until_it_is_resumed() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    // Some are queued before it is paused, some after it.
    queue.enqueue_many("mail", 3, None).await;
    queue.execute("SELECT jobs.pause('mail')").await;
    queue.enqueue_many("mail", 2, Some(Uuid::from_u128(1))).await;
    let done = || std::future::ready(Ok::<_, Infallible>(Empty::new()));
    let mut workers = Vec::new();
    for _ in 0..2 {
        let worker = queue.worker().handle::<Mail>(move |_, _| done()).handle::<Other>(move |_, _| done());
        workers.push(worker.start().await.unwrap());
    }
    // Another service's jobs are served several times over, by each worker's full scans too.
    for round in 1..=3 {
        queue.enqueue_many("other", 5, None).await;
        queue.until_done("other", round * 5).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(queue.done("mail").await, 0);
    queue.execute("SELECT jobs.resume('mail')").await;
    queue.until_done("mail", 5).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_what_it_names_and_nothing_else() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    let (paused, free) = (Uuid::from_u128(1), Uuid::from_u128(2));
    queue.execute("SELECT jobs.pause(_tenant_id => '00000000-0000-0000-0000-000000000001')").await;
    for tenant in [Some(paused), Some(free), None] {
        queue.enqueue_many("mail", 1, tenant).await;
    }
    let done = || std::future::ready(Ok::<_, Infallible>(Empty::new()));
    let worker = queue.worker().handle::<Mail>(move |_, _| done()).handle::<Other>(move |_, _| done());
    let worker = worker.start().await.unwrap();
    queue.until_done("mail", 2).await;
    let left = "SELECT count(*) FROM jobs.v_job_run WHERE status = 'pending' AND tenant_id = '00000000-0000-0000-0000-000000000001'";
    assert_eq!(queue.count(left).await, 1);

    // The whole type, but for a tenant of which nothing was said: it is paused twice over, and resumed in two steps.
    queue.execute("SELECT jobs.pause(_execution_type => 'http')").await;
    queue.execute("SELECT jobs.resume(_tenant_id => '00000000-0000-0000-0000-000000000001')").await;
    queue.enqueue_many("other", 1, None).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((queue.done("mail").await, queue.done("other").await), (2, 0));
    queue.execute("SELECT jobs.resume(_execution_type => 'http')").await;
    queue.until_done("mail", 3).await;
    queue.until_done("other", 1).await;
    // Nothing is left of it: the operations share a lane again.
    let own = "SELECT count(*) FROM jobs.tb_operation WHERE own_lane AND NOT lane_for_workers";
    eventually(async || (queue.count(own).await == 0).then_some(())).await;
    worker.shutdown().await.unwrap();
}

/// A worker comes again at once where a claim did not look at all lanes, and not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_says_whether_it_came_to_all_lanes() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    queue
        .execute(
            "INSERT INTO jobs.tb_pause (tenant_id)
            SELECT format('00000000-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 3000) AS n;
            INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id) SELECT 'mail', 'go', tenant_id FROM jobs.tb_pause",
        )
        .await;
    queue.enqueue("mail").await;
    let mut link = Link::new(&queue.options(), "test", Duration::from_secs(20));
    let claim = Claim { operations: &[1, 2, 3], limit: 10, full_scan: true, running: None };
    let (mut jobs, mut claims) = (0, 0);
    let mut partial = true;
    while partial && claims < 10 {
        let claimed = link.claim(Uuid::from_u128(1), claim).await.unwrap();
        (jobs, claims, partial) = (jobs + claimed.jobs.len(), claims + 1, claimed.partial);
    }
    assert_eq!((jobs, partial), (1, false));
    assert!(claims > 1, "3,000 lanes in one claim");
}

/// What another worker serves is moved out of the way of one that does not, by that one itself.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_a_worker_does_not_serve_move_to_a_lane_of_their_own() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    queue.enqueue_many("other", 30, None).await;
    let done = || std::future::ready(Ok::<_, Infallible>(Empty::new()));
    let worker = queue.worker().handle::<Mail>(move |_, _| done()).start().await.unwrap();
    queue.until("SELECT count(*) = 0 FROM jobs.tb_job_ready WHERE lane = 0").await;
    queue.until("SELECT count(*) = 30 FROM jobs.v_job_run WHERE waits_for = 'worker'").await;
    let other = queue.worker().handle::<Other>(move |_, _| done()).start().await.unwrap();
    queue.until_done("other", 30).await;
    for worker in [worker, other] {
        worker.shutdown().await.unwrap();
    }
}

/// A look at the workers that was taken before one began to serve does not undo what that one has decided.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_look_at_the_workers_takes_no_lane_away() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    // Whoever looks waits, after the look, for who holds the lock.
    queue
        .execute(
            "ALTER FUNCTION jobs.left_out() RENAME TO looked;
            CREATE FUNCTION jobs.left_out() RETURNS integer[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
            DECLARE _seen integer[] := jobs.looked();
            BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN _seen; END $$;
            INSERT INTO jobs.tb_worker (id, name, version, capabilities) VALUES (gen_random_uuid(), 'test', '1', '{}')",
        )
        .await;
    let mut holder = PgConnection::connect_with(&queue.options()).await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_lock(7)").execute(&mut holder).await.unwrap();
    let mut early = PgConnection::connect_with(&queue.options()).await.unwrap();
    let looking = tokio::spawn(async move {
        let sql = "SELECT jobs.assign_worker_lanes()";
        sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut early).await.unwrap()
    });
    queue.until("SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted").await;
    // Meanwhile a worker begins to serve one of the three operations. The holder of the lock does not wait for it.
    let serve = "UPDATE jobs.tb_worker SET operations = ARRAY[2]; SELECT jobs.assign_worker_lanes()";
    sqlx::raw_sql(serve).execute(&mut holder).await.unwrap();
    let own = "SELECT count(*) FROM jobs.tb_operation WHERE own_lane AND lane_for_workers";
    assert_eq!(queue.count(own).await, 2);
    sqlx::raw_sql("SELECT pg_advisory_unlock(7)").execute(&mut holder).await.unwrap();
    assert!(looking.await.unwrap());
    assert_eq!(queue.count(own).await, 2);
}

/// Whoever registers locks operations in an order of their names, and a pause that waited for one out of that order while it has
/// another would meet it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_no_operation_but_its_own() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    // The jobs of `mail` are still on their way to its lane.
    queue.execute("UPDATE jobs.tb_operation SET own_lane = true, lane_for_workers = true, unmoved = true WHERE service_name = 'mail'").await;
    let mut other = PgConnection::connect_with(&queue.options()).await.unwrap();
    let lock = "BEGIN; SELECT FROM jobs.tb_operation WHERE service_name = 'mail' FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    queue.execute("SET lock_timeout = '10s'; SELECT jobs.pause('other')").await;
    sqlx::raw_sql("SELECT FROM jobs.tb_operation WHERE service_name = 'other' FOR UPDATE; COMMIT")
        .execute(&mut other)
        .await
        .unwrap();
    // The next round does the rest.
    queue.execute("SELECT jobs.move_to_lanes()").await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_operation WHERE unmoved").await, 0);
}
