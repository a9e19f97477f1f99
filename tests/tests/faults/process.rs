//! Workers that are paused, misinformed about the time, or of another version; and what they leave behind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use specql_tests::{process::Process, work::Queue};

use crate::WORKER;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_paused_for_a_day_writes_nothing_and_works_again() {
    let queue = Queue::new().await;
    let mut paused = queue.process(WORKER);
    let (run, pay) = (queue.run("1500ms").await, queue.pay("1500ms").await);
    let first = queue.called(run, 1).await[0].process;
    queue.called(pay, 1).await;
    paused.signal(Signal::STOP);
    queue.age_leases("1 day").await;
    queue.execute("UPDATE jobs.tb_worker SET heartbeat_at = heartbeat_at - interval '1 day 1 hour'").await;
    let other = queue.worker().start().await.unwrap();
    queue.called(run, 2).await;
    queue.execute("SELECT jobs.maintain()").await;
    // The other one is in the middle of the call when the first goes on, ends its own, and has something to say.
    paused.signal(Signal::CONT);
    let (run_ended, pay_ended) = (queue.outcome(run).await, queue.outcome(pay).await);
    assert_eq!((run_ended.status.as_str(), run_ended.attempts), ("completed", 2));
    assert_eq!((pay_ended.status.as_str(), pay_ended.failure_class.as_deref()), ("failed", Some("ambiguous")));
    other.shutdown().await.unwrap();

    let next = queue.run("now").await;
    assert_eq!(queue.outcome(next).await.status, "completed");
    assert_eq!(queue.calls(next).await[0].process, first, "the paused worker works again");
    assert_eq!((queue.outcome(run).await, queue.outcome(pay).await), (run_ended, pay_ended));
    let said = "SELECT output_data ->> 'process' FROM jobs.tb_job_outcome JOIN jobs.tb_job_run USING (pk_job_run) WHERE id = $1";
    let said: String = sqlx::query_scalar(said).bind(run).fetch_one(queue.pool()).await.unwrap();
    assert_eq!(said, std::process::id().to_string(), "the result is that of the worker that lost the job");
    queue.at_rest().await;
    assert!(!paused.has_ended());
}

/// Leases, delays and retries go by the database's clock, deadlines by one that nobody sets.
#[tokio::test(flavor = "multi_thread")]
async fn workers_whose_clocks_are_an_hour_off_run_every_job_once_and_in_its_time() {
    let queue = Queue::new().await;
    let ahead = with_clock(&queue, "+1h");
    let behind = with_clock(&queue, "-1h");
    queue.until("SELECT count(*) = 2 FROM jobs.tb_worker").await;
    // Longer than it takes others to look for lost leases, several times.
    queue.run_many(8, "2500ms").await;
    let delayed =
        "SELECT job_id FROM jobs.enqueue('work', 'run', '{\"how\": \"now\"}', _run_at => now() + interval '2 seconds')";
    let delayed: uuid::Uuid = sqlx::query_scalar(delayed).fetch_one(queue.pool()).await.unwrap();
    queue.run_many(60, "50ms").await;
    let right = queue.worker().concurrency(10).start().await.unwrap();
    let standing = queue.at_rest().await;
    assert_eq!(standing.completed, standing.tasks);

    let wrong = |worker: &Process, hours: i64| {
        let process = i32::try_from(worker.id()).unwrap();
        let sql = "SELECT count(*) FROM far_side.tb_call WHERE process = $1 AND abs(extract(epoch FROM process_clock - at) - $2 * 3600) < 60";
        sqlx::query_scalar::<_, i64>(sql).bind(process).bind(hours).fetch_one(queue.pool())
    };
    assert!(wrong(&ahead, 1).await.unwrap() > 0, "no call was made by a worker that is ahead");
    assert!(wrong(&behind, -1).await.unwrap() > 0, "no call was made by a worker that is behind");
    let twice = "SELECT count(*) FROM (SELECT FROM far_side.tb_call GROUP BY job HAVING count(*) > 1) AS twice";
    assert_eq!(queue.count(twice).await, 0, "somebody took a living worker for dead");
    let called = &queue.called(delayed, 1).await[0];
    let due: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("SELECT run_at FROM jobs.tb_job_run WHERE id = $1")
        .bind(delayed)
        .fetch_one(queue.pool())
        .await
        .unwrap();
    let late = (called.at - due).as_seconds_f64();
    assert!((0.0..3.0).contains(&late), "the delayed job ran {late} s after its time");
    right.shutdown().await.unwrap();
}

fn with_clock(queue: &Queue, offset: &str) -> Process {
    let mut command = queue.command(WORKER, queue.url());
    command.env("LD_PRELOAD", faketime()).env("FAKETIME", offset).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Process::start(&mut command)
}

/// libfaketime, which tells a process another time.
fn faketime() -> PathBuf {
    if let Some(library) = std::env::var_os("SPECQL_TEST_FAKETIME") {
        return library.into();
    }
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let libraries = folders.map(|folder| Path::new(folder).join("faketime/libfaketime.so.1"));
    libraries
        .into_iter()
        .find(|library| library.exists())
        .expect("libfaketime is missing: run `cargo xtask test`, which installs it")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_no_connection_lock_lease_or_row_whether_it_stops_or_is_killed() {
    let queue = Queue::new().await;
    for kill in [false, true] {
        let mut worker = queue.process(WORKER);
        queue.run_many(30, "5ms").await;
        queue.until("SELECT EXISTS (SELECT FROM jobs.tb_job_outcome)").await;
        if kill {
            worker.kill();
        } else {
            worker.signal(Signal::TERM);
            assert!(worker.ended().await.success());
        }
        queue.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'specql %'").await;
        if !kill {
            assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
            assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
        }
        assert_eq!(queue.count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").await, 0);
    }
    queue.age_leases("11 seconds").await;
    let last = queue.worker().start().await.unwrap();
    queue.at_rest().await;
    last.shutdown().await.unwrap();
    // The row of a worker that was killed is kept for people, for a day.
    queue
        .execute("UPDATE jobs.tb_worker SET heartbeat_at = heartbeat_at - interval '25 hours'; SELECT jobs.maintain()")
        .await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
}

/// Rescue goes by the leases: neither a worker's row nor the time of its last sign of life there matters.
#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_worker_whose_row_is_gone_are_found() {
    let queue = Queue::new().await;
    let mut worker = queue.process(WORKER);
    let job = queue.run("300ms").await;
    queue.called(job, 1).await;
    worker.kill();
    queue.execute("DELETE FROM jobs.tb_worker").await;
    queue.age_leases("3 days").await;
    let other = queue.worker().start().await.unwrap();
    assert_eq!(queue.outcome(job).await.attempts, 2);
    queue.at_rest().await;
    other.shutdown().await.unwrap();
}

/// Long enough for a worker to have looked for lost jobs.
const A_ROUND: Duration = Duration::from_millis(1_500);

/// Nobody who runs knows the operation any more, and its job does not stay `running` for that.
#[tokio::test(flavor = "multi_thread")]
async fn no_job_stays_running_without_a_worker_that_runs_it() {
    let queue = Queue::new().await;
    let mut gone = queue.process(WORKER);
    let (run, pay) = (queue.run("hang").await, queue.pay("hang").await);
    queue.called(run, 1).await;
    queue.called(pay, 1).await;
    gone.kill();
    queue.age_leases("3 days").await;
    let other = crate::versions::worker_that_knows_nothing(&queue).await;
    tokio::time::sleep(A_ROUND).await;
    queue.until("SELECT count(*) = 0 FROM jobs.tb_job_lease").await;
    let state = "SELECT count(*) FROM jobs.v_job_run WHERE status = 'running'";
    assert_eq!(queue.count(state).await, 0);
    assert_eq!(queue.outcome(pay).await.failure_class.as_deref(), Some("ambiguous"));
    assert_eq!(
        queue.count("SELECT count(*) FROM jobs.tb_job_ready").await,
        1,
        "the other one waits for a worker that knows it"
    );
    other.shutdown().await.unwrap();
}
