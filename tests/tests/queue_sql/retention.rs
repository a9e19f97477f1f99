//! Old jobs go, range by range, and what is still wanted stays.

use anyhow::Result;
use uuid::Uuid;

use crate::support::{Lease, Queue};

/// Everything that has ended did so so long ago, what is in the ranges that are full was queued so long ago, and upkeep has
/// not looked for an hour.
const AGE: &str = "UPDATE jobs.tb_job_outcome SET completed_at = completed_at - interval '8 days';
    UPDATE jobs.tb_job_run SET created_at = coalesce(created_at, jobs.time_of(id)) - interval '8 days'
    WHERE pk_job_run < (SELECT last_value / 100 * 100 FROM jobs.tb_job_run_pk_job_run_seq);
    UPDATE jobs.tb_retention SET looked_at = '-infinity'";
const LOOK_AGAIN: &str = "UPDATE jobs.tb_retention SET looked_at = '-infinity'";

/// Queues so many jobs, and claims them.
async fn claimed(queue: &Queue, jobs: i32) -> Result<Vec<Lease>> {
    sqlx::query("SELECT FROM jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[$1]))")
        .bind(jobs)
        .execute(queue.db.pool())
        .await?;
    let mut leases = Vec::new();
    while leases.len() < usize::try_from(jobs)? {
        leases.extend(queue.claim(jobs).await?);
    }
    Ok(leases)
}

/// The ranges up to the one that is being filled; all three tables have the same.
async fn ranges(queue: &Queue) -> Result<Vec<String>> {
    let tables: Vec<(String, i64)> = sqlx::query_as(
        "SELECT regexp_replace(partition::text, '^tb_job_(run|outcome|attempt)_', ''), count(*) FROM jobs.v_partition
        GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(queue.db.pool())
    .await?;
    assert!(tables.iter().all(|(_, count)| *count == 3), "{tables:?}");
    let last: i64 = queue.scalar("SELECT last_value / 100 FROM jobs.tb_job_run_pk_job_run_seq").await?;
    let ahead =
        |range: &str| range.strip_prefix('p').is_some_and(|number| number.parse::<i64>().is_ok_and(|n| n > last));
    Ok(tables.into_iter().map(|(range, _)| range).filter(|range| range != "default" && !ahead(range)).collect())
}

async fn jobs(queue: &Queue) -> Result<i64> {
    queue.scalar("SELECT count(*) FROM jobs.v_job_run").await
}

/// Upkeep, by two workers at once, as often as there could be anything to do.
async fn maintain(queue: &Queue) -> Result<()> {
    for _ in 0..4 {
        let (one, other) = tokio::join!(queue.run("SELECT jobs.maintain()"), queue.run("SELECT jobs.maintain()"));
        one?;
        other?;
    }
    Ok(())
}

#[tokio::test]
async fn a_range_of_jobs_that_ended_long_ago_is_dropped_from_all_three_tables() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    claimed(&queue, 250).await?;
    queue
        .run(
            "SELECT jobs.release(w.id, array_agg(l.pk_job_run), array_agg(l.epoch))
            FROM jobs.tb_job_lease AS l JOIN jobs.tb_worker_code AS w ON w.code = l.worker_code GROUP BY w.id",
        )
        .await?;
    let leases = queue.claim(250).await?;
    queue.complete(&leases).await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 250, "a week has not passed");

    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p2"], "the range that is being filled stays");
    assert_eq!(jobs(&queue).await?, 51);
    assert_eq!(queue.scalar::<i64>("SELECT min(pk_job_run) FROM jobs.tb_job_attempt").await?, 200);
    // The next look is in an hour.
    assert!(
        queue
            .scalar::<bool>(
                "SELECT looked_at > now() - interval '1 minute' FROM jobs.tb_retention WHERE status = 'failed'"
            )
            .await?
    );
    Ok(())
}

#[tokio::test]
async fn as_many_ranges_are_made_ahead_as_a_day_needs() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    claimed(&queue, 1).await?;
    claimed(&queue, 370).await?;
    maintain(&queue).await?;
    let last: i64 = queue.scalar("SELECT max(high) FROM jobs.partitions()").await?;
    assert_eq!(last, 900, "job 371 is in range 3; two ahead, and three that a day like this one fills");
    Ok(())
}

#[tokio::test]
async fn how_long_jobs_are_kept_is_a_row_that_anybody_in_charge_changes() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 120).await?;
    queue.complete(&leases).await?;
    queue.run(AGE).await?;
    queue.run("UPDATE jobs.tb_retention SET keep = NULL WHERE status = 'completed'").await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 120);
    queue.run("UPDATE jobs.tb_retention SET keep = '9 days' WHERE status = 'completed'").await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 120);
    queue.run("UPDATE jobs.tb_retention SET keep = '1 day' WHERE status = 'completed'").await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 21);
    Ok(())
}

#[tokio::test]
async fn a_range_with_an_unfinished_job_stays_and_newer_ones_go() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let mut leases = claimed(&queue, 250).await?;
    let running = leases.remove(10);
    queue.complete(&leases).await?;
    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p0", "p2"]);
    assert_eq!(queue.complete(&[running]).await?, ["completed"]);
    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p2"]);
    Ok(())
}

/// 250 jobs; the 20th and the 120th failed, all others completed; 8 days passed.
async fn with_failures(queue: &Queue) -> Result<[Uuid; 2]> {
    maintain(queue).await?;
    let mut leases = claimed(queue, 250).await?;
    let failed = [leases.remove(119), leases.remove(19)];
    for lease in &failed {
        queue.fail(lease, "ambiguous", None).await?;
    }
    queue.complete(&leases).await?;
    queue.run(AGE).await?;
    maintain(queue).await?;
    Ok([failed[1].id, failed[0].id])
}

async fn retry(queue: &Queue, id: Uuid) -> Result<()> {
    sqlx::query("SELECT jobs.retry($1)").bind(id).execute(queue.db.pool()).await?;
    Ok(())
}

#[tokio::test]
async fn failures_are_moved_aside_and_can_be_seen_and_retried() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    let [first, second] = with_failures(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["kept_200", "p2"], "one remainder of both ranges");
    assert_eq!(jobs(&queue).await?, 53);
    let mut dead: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM jobs.v_dead_letter").fetch_all(queue.db.pool()).await?;
    let mut failed = [first, second];
    dead.sort();
    failed.sort();
    assert_eq!(dead, failed);

    retry(&queue, first).await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    let again = queue.claim_one().await?;
    assert_eq!((again.id, again.epoch), (first, 2));
    assert_eq!(queue.complete(&[again]).await?, ["completed"]);
    assert_eq!(queue.events(first).await?, ["claimed", "finished", "retried", "claimed", "finished"]);
    Ok(())
}

#[tokio::test]
async fn a_failure_that_is_queued_again_is_not_lost_when_its_remainder_grows() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    let [first, _] = with_failures(&queue).await?;
    retry(&queue, first).await?;
    let retried = queue.claim_one().await?;
    assert_eq!(retried.id, first);
    // The next range is full, old, and has a failure of its own.
    let mut leases = claimed(&queue, 60).await?;
    let failed = leases.remove(0);
    queue.fail(&failed, "ambiguous", None).await?;
    queue.complete(&leases).await?;
    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["kept_200", "kept_300", "p3"], "what runs is not moved");
    assert_eq!(queue.complete(&[retried]).await?, ["completed"]);
    assert_eq!(queue.state(first).await?, "completed");
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_dead_letter").await?, 2);
    Ok(())
}

#[tokio::test]
async fn failures_go_after_their_own_time_with_the_callbacks_that_were_given_up() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    queue.charge(1).await?;
    queue.run("UPDATE shop.tb_order SET broken = true").await?;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    queue.run("UPDATE jobs.tb_job_callback SET tries = 145").await?;
    for _ in 1..=9 {
        queue.pass_time().await?;
    }
    // Its call happened, so it holds its key: that alone would keep it.
    queue.run("DELETE FROM jobs.tb_job_key").await?;
    with_failures(&queue).await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_callback").await?, 1);
    assert_eq!(ranges(&queue).await?, ["kept_200", "p2"]);
    queue.run("UPDATE jobs.tb_job_outcome SET completed_at = completed_at - interval '90 days'").await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p2"]);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_callback").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_job_that_holds_its_key_is_kept_and_answers_whoever_asks_again() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    let (refund, _) = queue.enqueue("refund", Some("r1")).await?;
    let lease = queue.claim_one().await?;
    queue.complete(&[lease]).await?;
    with_failures(&queue).await?;
    queue.run("UPDATE jobs.tb_job_outcome SET completed_at = completed_at - interval '10 years'").await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(queue.enqueue("refund", Some("r1")).await?, (refund, true));
    assert_eq!(queue.state(refund).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn a_range_of_which_much_is_still_wanted_is_left_alone() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 120).await?;
    for lease in &leases[..20] {
        queue.fail(lease, "ambiguous", None).await?;
    }
    queue.complete(&leases[20..]).await?;
    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p0", "p1"]);
    Ok(())
}

#[tokio::test]
async fn nothing_is_dropped_behind_a_dump_and_nobody_waits_for_it() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 120).await?;
    queue.complete(&leases).await?;
    // The next range is made in a round of its own.
    queue.run("SELECT jobs.maintain()").await?;
    queue.run(AGE).await?;
    let mut dump = queue.db.begin().await?;
    sqlx::query("LOCK TABLE jobs.tb_job_attempt_p0 IN ACCESS SHARE MODE").execute(&mut *dump).await?;
    let started = std::time::Instant::now();
    queue.run("SELECT jobs.maintain()").await?;
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(jobs(&queue).await?, 120);
    // It asks again in ten minutes, not in one.
    let pause = "SELECT looked_at + interval '1 hour' - now() > interval '9 minutes' FROM jobs.tb_retention WHERE status = 'failed'";
    assert!(queue.scalar::<bool>(pause).await?);
    dump.rollback().await?;
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 21);
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_due_in_months_is_moved_aside_and_run_in_its_time() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 40).await?;
    queue.complete(&leases).await?;
    let later: Uuid = queue
        .scalar("SELECT job_id FROM jobs.enqueue('pay', 'charge', '{\"n\": 1}', _run_at => now() + interval '60 days')")
        .await?;
    let leases = claimed(&queue, 80).await?;
    queue.complete(&leases).await?;
    queue.run(AGE).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["kept_100", "p1"]);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run_kept_100").await?, 1);
    assert_eq!(queue.state(later).await?, "pending");

    queue.pass_time().await?;
    let lease = queue.claim_one().await?;
    assert_eq!(lease.id, later);
    assert_eq!(queue.complete(&[lease]).await?, ["completed"]);
    assert_eq!(queue.state(later).await?, "completed");
    Ok(())
}

#[tokio::test]
async fn one_call_reads_one_range_and_the_next_goes_on_from_there() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    queue.run("UPDATE jobs.tb_retention SET keep = NULL WHERE status = 'completed'").await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 320).await?;
    queue.complete(&leases).await?;
    queue.run("SELECT jobs.maintain()").await?; // the ranges ahead
    queue.run(AGE).await?;
    queue.run("UPDATE jobs.tb_upkeep SET next_job = 0").await?;
    let next = "SELECT next_job FROM jobs.tb_upkeep";
    for expected in [100, 200, 300, 0] {
        queue.run("SELECT jobs.maintain()").await?;
        assert_eq!(queue.scalar::<i64>(next).await?, expected);
    }
    // What it has found wanted is asked again in an hour.
    queue.run("UPDATE jobs.tb_retention SET keep = '1 day' WHERE status = 'completed'").await?;
    maintain(&queue).await?;
    assert_eq!(jobs(&queue).await?, 320);
    queue.run(LOOK_AGAIN).await?;
    maintain(&queue).await?;
    assert_eq!(ranges(&queue).await?, ["p3"]);
    Ok(())
}

#[tokio::test]
async fn a_range_whose_jobs_are_all_young_is_not_read() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    maintain(&queue).await?;
    let leases = claimed(&queue, 120).await?;
    queue.complete(&leases).await?;
    queue.run("SELECT jobs.maintain()").await?;
    queue.run(LOOK_AGAIN).await?;
    let mut session = queue.db.begin().await?;
    sqlx::query("SELECT jobs.expire()").execute(&mut *session).await?;
    let read: i64 =
        sqlx::query_scalar("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'tb_job_outcome_p0'")
            .fetch_one(&mut *session)
            .await?;
    assert_eq!(read, 0);
    Ok(())
}

#[tokio::test]
async fn a_range_that_is_larger_than_others_is_counted_in_pieces() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    // Without upkeep: all but the first hundred are going to be one range.
    let mut leases = claimed(&queue, 357).await?;
    queue.run("SELECT jobs.maintain()").await?;
    leases.extend(claimed(&queue, 60).await?);
    let failed = leases.remove(250);
    queue.fail(&failed, "ambiguous", None).await?;
    queue.complete(&leases).await?;
    queue.run("SELECT jobs.maintain()").await?; // the ranges ahead
    queue.run(AGE).await?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        queue.run("SELECT jobs.maintain()").await?;
        seen.push(queue.scalar::<i64>("SELECT next_job FROM jobs.tb_upkeep").await?);
    }
    assert_eq!(seen, [100, 200, 300, 400]);
    assert_eq!(ranges(&queue).await?, ["kept_400", "p4"]);
    assert_eq!(queue.state(failed.id).await?, "failed/ambiguous");
    assert_eq!(jobs(&queue).await?, 19);
    Ok(())
}
