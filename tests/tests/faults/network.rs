//! The network between a worker and PostgreSQL: half open, slow, reset, cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use specql_runtime::queue::{QueueError, lease::Claim};
use specql_tests::{
    process::eventually,
    proxy::{Fault, Proxy},
    work::{
        Queue,
        services::work::{Run, RunOutput},
    },
};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

const CLAIM: Claim<'_> = Claim { operations: &[1], limit: 1, full_scan: true, running: None };

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_worker_stops_its_jobs_before_another_one_runs_them_and_recovers() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let (started, stopped) = (Arc::new(Notify::new()), Arc::new(std::sync::Mutex::new(None)));
    let (seen, stopped_at) = (started.clone(), stopped.clone());
    let healed = Arc::new(AtomicBool::new(false));
    let answers = healed.clone();
    let cut_off = queue.worker_through(proxy.url()).await.handle::<Run>(move |_, _| {
        let (started, stopped, answers) = (started.clone(), stopped.clone(), answers.clone());
        async move {
            if !answers.load(SeqCst) {
                let _stopped = OnDrop(stopped);
                started.notify_one();
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(RunOutput { process: 0 })
        }
    });
    let cut_off = cut_off.start().await.unwrap();
    let job = queue.run("now").await;
    seen.notified().await;

    proxy.set(Fault::BlackHole);
    let since = Instant::now();
    let other = queue.worker().start().await.unwrap();
    assert_eq!(queue.outcome(job).await.attempts, 2);
    let stopped_at = stopped_at.lock().unwrap().expect("its handler was not dropped");
    let took = stopped_at.duration_since(since);
    assert!(took < Duration::from_millis(8_700), "it went on for {took:?}");
    let (call, ended) = (&queue.calls(job).await[0], chrono_ago(stopped_at));
    assert!(call.at > ended, "both ran it: stopped {ended}, called again {}", call.at);
    other.shutdown().await.unwrap();

    proxy.set(Fault::None);
    healed.store(true, SeqCst);
    let next = queue.run("now").await;
    assert_eq!(queue.outcome(next).await.status, "completed");
    assert_eq!(queue.outcome(job).await.attempts, 2, "the stopped attempt wrote nothing");
    assert_eq!(queue.left_over().await, Vec::<String>::new());
    cut_off.shutdown().await.unwrap();
}

/// Notes when it is dropped.
struct OnDrop(Arc<std::sync::Mutex<Option<Instant>>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(Instant::now());
    }
}

/// That instant by the wall clock, which is the database's too on this machine.
fn chrono_ago(instant: Instant) -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now() - chrono::TimeDelta::from_std(instant.elapsed()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_ends_by_itself_and_the_next_one_works() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let mut link = specql_runtime::queue::Link::new(&proxy.url().parse().unwrap(), "test", Duration::from_millis(300));
    assert!(link.claim(Uuid::new_v4(), CLAIM).await.unwrap().jobs.is_empty());
    proxy.set(Fault::BlackHole);
    // On the connection that is open, and on one that is opened.
    let fetch = answered(link.claim(Uuid::new_v4(), CLAIM)).await;
    assert!(matches!(fetch, Err(QueueError::Timeout { .. })), "{fetch:?}");
    let fetch = answered(link.claim(Uuid::new_v4(), CLAIM)).await;
    assert!(matches!(fetch, Err(QueueError::Connect { .. })), "{fetch:?}");
    proxy.set(Fault::None);
    assert!(link.claim(Uuid::new_v4(), CLAIM).await.unwrap().jobs.is_empty());
}

async fn answered<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), call).await.expect("it hangs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_delays_resets_and_cuts_loses_no_job_and_doubles_no_effect() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let worker = queue.worker_through(proxy.url()).await.concurrency(10).start().await.unwrap();
    let delays = [5, 40].map(|millis| Fault::Delay(Duration::from_millis(millis)));
    let cuts = [0, 1, 60, 300, 1_500, 6_000].map(Fault::CutAfter);
    for fault in delays.into_iter().chain(cuts).chain([Fault::Reset]) {
        queue.run_many(15, "2ms").await;
        queue.pay("2ms").await;
        proxy.set(fault);
        tokio::time::sleep(Duration::from_millis(150)).await;
        proxy.set(Fault::None);
        // It has come back before the next fault meets it.
        let back = queue.run("now").await;
        eventually("it works again", async || !queue.calls(back).await.is_empty()).await;
    }
    let standing = queue.at_rest().await;
    assert_eq!(standing.tasks, 9 * 17);
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_is_taken_up_again_and_heard() {
    use specql_runtime::queue::notify::{Signal, Signals};

    let queue = Queue::new().await;
    let mut signals = Signals::new(&queue.options());
    assert_eq!(signals.next().await.unwrap(), Signal::Ready, "the connection is new");
    let (heard, mut hearing) = mpsc::unbounded_channel();
    for _ in 0..3 {
        queue.execute(END_LISTENERS).await;
        assert!(signals.next().await.is_err(), "the loss is seen");
        assert_eq!(signals.next().await.unwrap(), Signal::Ready, "the connection is new");
        queue.run("now").await;
        heard.send(signals.next().await.unwrap()).unwrap();
        assert_eq!(hearing.recv().await, Some(Signal::Ready), "a new job is heard of");
    }
    // And a worker does so by itself.
    drop(signals);
    queue.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'specql listen'").await;
    let worker = queue.worker().start().await.unwrap();
    let lost = listening(&queue, 0).await;
    queue.execute(END_LISTENERS).await;
    listening(&queue, lost).await;
    worker.shutdown().await.unwrap();
}

/// The session that listens, once there is another one than that.
async fn listening(queue: &Queue, other_than: i32) -> i32 {
    let mut found = None;
    eventually("a new session listens", async || {
        found = sqlx::query_scalar(LISTENING).bind(other_than).fetch_optional(queue.pool()).await.unwrap();
        found.is_some()
    })
    .await;
    found.unwrap()
}

const END_LISTENERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'specql listen'";
/// For good, and not for the moment in which a lost session is noticed.
const LISTENING: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'specql listen' AND query LIKE 'LISTEN%' AND pid <> $1 AND backend_start < clock_timestamp() - interval '1 second'";

/// A look at `pg_stat_activity`: which of the worker's connections have been used since.
async fn used_since(pool: &sqlx::PgPool, since: chrono::DateTime<chrono::Utc>) -> Vec<String> {
    let sql = "SELECT DISTINCT substr(application_name, 8) FROM pg_stat_activity
        WHERE application_name LIKE 'specql %' AND datname = current_database() AND query_start > $1 ORDER BY 1";
    sqlx::query_scalar(sql).bind(since).fetch_all(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_duties_are_back_within_seconds_after_an_outage() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let worker = queue.worker_through(proxy.url()).await.start().await.unwrap();
    let job = queue.run("now").await;
    assert_eq!(queue.outcome(job).await.status, "completed");
    let pool = sqlx::PgPool::connect_with(queue.options()).await.unwrap();
    let duties = ["claim", "heartbeat", "listen", "promote", "rescue", "schedule"];
    for fault in [Fault::BlackHole, Fault::Reset] {
        proxy.set(fault);
        tokio::time::sleep(Duration::from_secs(12)).await;
        let healed = chrono::Utc::now();
        proxy.set(Fault::None);
        let next = queue.run("now").await;
        let back = async {
            loop {
                let used = used_since(&pool, healed).await;
                if duties.iter().all(|duty| used.iter().any(|one| one == duty)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // Five seconds, and what a busy machine adds.
        let back = tokio::time::timeout(Duration::from_secs(7), back).await;
        assert!(back.is_ok(), "{fault:?}: back are only {:?}", used_since(&pool, healed).await);
        assert_eq!(queue.outcome(next).await.status, "completed");
    }
    worker.shutdown().await.unwrap();
}

/// What many wait for is soon asked for on another connection.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_start_soon_although_one_of_their_workers_connections_stalls() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let worker = queue.worker_through(proxy.url()).await.concurrency(10).start().await.unwrap();
    for connection in ["claim", "heartbeat", "rescue", "promote", "listen"] {
        queue.outcome(queue.run("now").await).await;
        let stalled = async || proxy.stall(&format!("specql {connection}"));
        eventually(&format!("`{connection}` is there"), stalled).await;
        let since = Instant::now();
        let job = queue.run("now").await;
        queue.called(job, 1).await;
        let took = since.elapsed();
        assert!(took < SOON, "it started {took:?} after `{connection}` had stalled");
        proxy.unstall();
    }
    queue.at_rest().await;
    worker.shutdown().await.unwrap();
}

/// Less than the ten seconds that other calls may take.
const SOON: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread")]
async fn lost_jobs_are_taken_back_soon_although_the_connection_for_that_stalls() {
    let queue = Queue::new().await;
    let mut dead = queue.process(crate::WORKER);
    let job = queue.run("700ms").await;
    queue.called(job, 1).await;
    let proxy = Proxy::start(queue.url()).await;
    let worker = queue.worker_through(proxy.url()).await.start().await.unwrap();
    dead.kill();
    eventually("it looks for lost jobs", async || proxy.stall("specql rescue")).await;
    let since = Instant::now();
    queue.age_leases("11 seconds").await;
    queue.called(job, 2).await;
    let took = since.elapsed();
    assert!(took < SOON, "{took:?}");
    queue.at_rest().await;
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_standby_is_given_up_and_the_next_one_leads_to_the_primary() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    proxy.set(Fault::ReadOnly);
    let mut link = specql_runtime::queue::Link::new(&proxy.url().parse().unwrap(), "test", Duration::from_secs(5));
    for _ in 0..2 {
        let Err(QueueError::Call { source, .. }) = link.heartbeat(Uuid::new_v4(), &[], &[]).await else {
            panic!("it can write there")
        };
        assert_eq!(source.as_database_error().and_then(|error| error.code()).as_deref(), Some("25006"), "{source}");
    }
    proxy.set(Fault::None);
    link.heartbeat(Uuid::new_v4(), &[], &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_started_while_the_network_is_half_open_works_soon_after() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    proxy.set(Fault::BlackHole);
    let mut command = queue.command(crate::WORKER, proxy.url());
    let _worker = specql_tests::process::Process::start(&mut command);
    eventually("it has asked for a connection", async || proxy.swallowed() > 0).await;
    proxy.set(Fault::None);
    let healed = Instant::now();
    queue.outcome(queue.run("now").await).await;
    let took = healed.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}
