//! How long a job is kept depends on how it ended.

use std::convert::Infallible;

use specql_registry::FailureClass;
use specql_runtime::Worker;

use crate::project::{Backup, Empty, Mail, Queue, fails};

/// Two workers, which see to upkeep when they start: mail's calls work, backup's fail.
async fn two_workers(queue: &Queue) -> [Worker; 2] {
    let worker = || async {
        queue
            .worker()
            .handle::<Mail>(|_, _| async { Ok::<_, Infallible>(Empty::new()) })
            .handle::<Backup>(|_, _| async { Err::<Empty, _>(fails(FailureClass::PermanentReported)) })
            .start()
            .await
            .unwrap()
    };
    [worker().await, worker().await]
}

async fn stop(workers: [Worker; 2]) {
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

/// As if a week had passed since every end, and upkeep had not looked for an hour. The ranges ahead are made before:
/// a round of upkeep that attaches one drops none.
const A_WEEK_LATER: &str = "SELECT jobs.maintain();
    COMMIT;
    UPDATE jobs.tb_job_outcome SET completed_at = completed_at - interval '8 days';
    UPDATE jobs.tb_job_run SET created_at = coalesce(created_at, jobs.time_of(id)) - interval '8 days'
    WHERE pk_job_run < (SELECT last_value / 100 * 100 FROM jobs.tb_job_run_pk_job_run_seq);
    UPDATE jobs.tb_retention SET looked_at = '-infinity'";

#[tokio::test(flavor = "multi_thread")]
async fn completed_cancelled_and_failed_jobs_are_each_kept_for_their_own_time() {
    let queue = Queue::with_small_partitions().await;
    queue
        .execute("UPDATE jobs.tb_retention SET keep = CASE status WHEN 'completed' THEN '7 days' WHEN 'cancelled' THEN '10 days' ELSE '20 days' END::interval")
        .await;
    let workers = two_workers(&queue).await;
    queue.until("SELECT count(*) >= 3 FROM jobs.partitions()").await;
    // The first range, and the beginning of the next, which stays while it is filled.
    let cancelled =
        queue.queued_by("SELECT job_id FROM jobs.enqueue('mail', 'go', _run_at => now() + interval '1 hour')").await;
    assert_eq!(queue.cancel(cancelled).await, "cancelled");
    queue.enqueue("backup").await;
    queue.enqueue_many("mail", 97, None).await;
    queue.until("SELECT count(*) = 99 FROM jobs.tb_job_outcome").await;
    queue.enqueue_many("mail", 3, None).await;
    queue.until_done("mail", 100).await;
    stop(workers).await;

    // A week: what completed goes, the other two are kept. (Upkeep gives way to whoever reads the tables, so we look for
    // the range in the catalogue.)
    queue.execute(A_WEEK_LATER).await;
    let workers = two_workers(&queue).await;
    queue.until("SELECT to_regclass('jobs.tb_job_run_p0') IS NULL").await;
    assert_eq!(left(&queue).await, "cancelled 1, completed 3, failed 1");
    let failed = queue.enqueue("backup").await;
    queue.enqueue_many("mail", 98, None).await;
    queue.until_done("mail", 101).await;
    assert_eq!(queue.outcome(failed).await.0, "failed/permanent_reported");
    stop(workers).await;

    // Two weeks: the cancelled one goes when what is kept of its range is joined by that of the next.
    queue.execute(A_WEEK_LATER).await;
    let workers = two_workers(&queue).await;
    queue.until("SELECT to_regclass('jobs.tb_job_run_p1') IS NULL").await;
    assert_eq!(left(&queue).await, "completed 2, failed 2");
    stop(workers).await;

    // Four weeks: the failures go too.
    queue.execute(A_WEEK_LATER).await;
    queue.execute(A_WEEK_LATER).await;
    let workers = two_workers(&queue).await;
    queue.until("SELECT to_regclass('jobs.tb_job_run_kept_200') IS NULL").await;
    assert_eq!(left(&queue).await, "completed 2");
    stop(workers).await;
}

/// How many jobs are left of each end.
async fn left(queue: &Queue) -> String {
    queue
        .text(
            "SELECT string_agg(format('%s %s', status, jobs), ', ' ORDER BY status) \
               FROM (SELECT status, count(*) AS jobs FROM jobs.v_job_run GROUP BY status) AS s",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_makes_ranges_as_fast_as_jobs_come() {
    let queue = Queue::with_small_partitions().await;
    let [one, other] = two_workers(&queue).await;
    queue.until("SELECT count(*) >= 3 FROM jobs.partitions()").await;
    // Upkeep comes once a minute; these jobs fill four ranges before.
    for _ in 0..4 {
        queue.enqueue_many("mail", 100, None).await;
        queue
            .until(
                "SELECT count(*) >= 3 FROM jobs.partitions(), jobs.tb_job_run_pk_job_run_seq WHERE high > last_value",
            )
            .await;
    }
    assert_eq!(queue.text("SELECT count(*)::text FROM jobs.tb_job_run_default").await, "0");
    stop([one, other]).await;
}
