//! Ranges of jobs are there before they are needed; what came too early for them gets one of its own.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use specql_tests::compiled::queue_schema;
use sqlx::PgPool;

use crate::support::Queue;

/// With every DEFAULT partition taken for large.
async fn with_large_default() -> Result<Queue> {
    Queue::of(&queue_schema()?.replace("1000000", "100").replace("67108864", "0")).await
}

async fn enqueue(pool: &PgPool, jobs: i32) -> Result<()> {
    sqlx::query("SELECT FROM jobs.enqueue_many('pay', 'charge', array_fill('{}'::jsonb, ARRAY[$1]))")
        .bind(jobs)
        .execute(pool)
        .await?;
    Ok(())
}

/// How many rows the DEFAULT partitions have.
async fn in_default(queue: &Queue) -> Result<i64> {
    queue
        .scalar(
            "SELECT (SELECT count(*) FROM jobs.tb_job_run_default) + (SELECT count(*) FROM jobs.tb_job_outcome_default)
                + (SELECT count(*) FROM jobs.tb_job_attempt_default)",
        )
        .await
}

/// The ranges, as names and ends.
async fn ranges(queue: &Queue) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT suffix || ' ' || high FROM jobs.partitions()").fetch_all(queue.db.pool()).await?)
}

/// Claims and completes everything; how many jobs that were.
async fn work(queue: &Queue) -> Result<usize> {
    let mut all = 0;
    loop {
        let leases = queue.claim(1000).await?;
        if leases.is_empty() {
            return Ok(all);
        }
        let results = queue.complete(&leases).await?;
        assert!(results.iter().all(|result| result == "completed"), "{results:?}");
        all += leases.len();
    }
}

#[tokio::test]
async fn jobs_of_a_producer_without_upkeep_become_a_range() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    enqueue(queue.db.pool(), 357).await?;
    let mut leases = queue.claim(300).await?;
    let (failed, running) = (leases.pop().expect("a lease"), leases.split_off(200));
    queue.fail(&failed, "ambiguous", None).await?;
    queue.complete(&leases).await?;
    assert!(in_default(&queue).await? > 300);

    queue.run("SELECT jobs.maintain()").await?;
    assert_eq!(in_default(&queue).await?, 0);
    assert_eq!(ranges(&queue).await?[..3], ["p0 100", "from_100 400", "p4 500"]);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_job_run WHERE status = 'completed'").await?, 200);
    assert_eq!(queue.state(failed.id).await?, "failed/ambiguous");
    sqlx::query("SELECT jobs.retry($1)").bind(failed.id).execute(queue.db.pool()).await?;
    queue.complete(&running).await?;
    enqueue(queue.db.pool(), 200).await?;
    work(&queue).await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_job_run WHERE status = 'completed'").await?, 557);
    assert_eq!(in_default(&queue).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_large_default_partition_becomes_a_range_and_keeps_nobody_out_meanwhile() -> Result<()> {
    let queue = with_large_default().await?;
    enqueue(queue.db.pool(), 357).await?;
    queue.claim(20).await?;
    queue.run("SELECT jobs.make_ranges()").await?;
    // From now on somebody reads, in a snapshot of his own: the rows are checked beside him, and the exchange waits for him.
    let mut reader = queue.db.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *reader).await?;
    let count = "SELECT count(*) FROM jobs.tb_job_run";
    for _ in 0..4 {
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *reader).await?, 357);
        queue.run("SELECT jobs.make_ranges()").await?;
        enqueue(queue.db.pool(), 10).await?;
    }
    assert!(queue.scalar::<bool>("SELECT bool_and(checked) AND count(*) = 3 FROM jobs.default_marks()").await?);
    assert!(in_default(&queue).await? > 250);
    assert!(queue.scalar::<bool>("SELECT ranges_tried_at > now() - interval '1 minute' FROM jobs.tb_upkeep").await?);
    assert_eq!(queue.scalar::<i32>("SELECT jobs.make_ranges()").await?, 0, "he is left alone for a while");
    reader.rollback().await?;

    queue.run("UPDATE jobs.tb_upkeep SET ranges_tried_at = '-infinity'").await?;
    for _ in 0..6 {
        queue.run("SELECT jobs.make_ranges()").await?;
        enqueue(queue.db.pool(), 10).await?;
    }
    // It was going to end a thousand ranges from where the jobs were, and the next job is of the range behind.
    assert_eq!(ranges(&queue).await?[..4], ["p0 100", "from_100 100300", "p1003 100400", "p1004 100500"]);
    assert_eq!(in_default(&queue).await?, 0);
    assert!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_run_p1003").await? > 0);
    assert_eq!(work(&queue).await?, 357 + 100 - 20);
    assert_eq!(in_default(&queue).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_job_is_taken_while_a_large_default_partition_is_made_a_range() -> Result<()> {
    let queue = with_large_default().await?;
    enqueue(queue.db.pool(), 150).await?;
    let (pool, other) = (queue.db.pool().clone(), queue.db.pool().clone());
    let produce = async |pool: PgPool| {
        let mut keys = Vec::new();
        for _ in 0..150 {
            let made: Vec<i64> = sqlx::query_scalar(
                "SELECT j.pk_job_run FROM jobs.enqueue('pay', 'charge') AS e JOIN jobs.tb_job_run AS j ON j.id = e.job_id",
            )
            .fetch_all(&pool)
            .await?;
            keys.extend(made);
            sqlx::query("SELECT FROM jobs.enqueue('pay', 'charge')").execute(&pool).await?;
        }
        anyhow::Ok(keys)
    };
    let upkeep = async {
        for _ in 0..20 {
            queue.run("SELECT jobs.make_ranges()").await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok(())
    };
    let (one, two, kept) = tokio::join!(produce(pool), produce(other), upkeep);
    kept?;
    one?;
    two?;
    let keys: Vec<i64> =
        sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_run").fetch_all(queue.db.pool()).await?;
    assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (750, 750));
    for _ in 0..6 {
        queue.run("SELECT jobs.make_ranges()").await?;
    }
    assert_eq!(in_default(&queue).await?, 0);
    assert_eq!(work(&queue).await?, 750);
    Ok(())
}

#[tokio::test]
async fn jobs_between_ranges_that_exist_are_moved_a_few_at_a_time() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    enqueue(queue.db.pool(), 110).await?;
    let leases = queue.claim(105).await?;
    // As earlier releases left it: range 1 began in the DEFAULT partition, two of the tables have it all the same, and later
    // ranges were made.
    queue
        .run(
            "SELECT jobs.add_range(3);
            SELECT jobs.new_partition('tb_job_outcome', 'tb_job_outcome_p1'), jobs.new_partition('tb_job_attempt', 'tb_job_attempt_p1');
            ALTER TABLE jobs.tb_job_outcome ATTACH PARTITION jobs.tb_job_outcome_p1 FOR VALUES FROM (100) TO (200);
            ALTER TABLE jobs.tb_job_attempt ATTACH PARTITION jobs.tb_job_attempt_p1 FOR VALUES FROM (100) TO (200)",
        )
        .await?;
    queue.complete(&leases).await?;
    enqueue(queue.db.pool(), 130).await?;
    let leases = queue.claim(110).await?;
    queue.complete(&leases).await?;
    let completed = "SELECT count(*) FROM jobs.v_job_run WHERE status = 'completed'";
    for _ in 0..15 {
        queue.run("SELECT jobs.maintain()").await?;
        assert_eq!(queue.scalar::<i64>(completed).await?, 215);
        assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.v_job_run").await?, 240);
    }
    assert_eq!(in_default(&queue).await?, 0);
    assert_eq!(work(&queue).await?, 25);
    assert_eq!(in_default(&queue).await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_next_ranges_are_made_when_the_jobs_come_near_the_last() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    for _ in 0..40 {
        queue.run("SELECT jobs.make_ranges()").await?;
        enqueue(queue.db.pool(), 150).await?;
    }
    assert_eq!(in_default(&queue).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_range_ends_with_the_day_and_no_number_is_given_twice() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    queue.run("SELECT jobs.maintain()").await?;
    queue.run("SELECT jobs.maintain()").await?;
    assert_eq!(
        queue.scalar::<i64>("SELECT last_value FROM jobs.tb_job_run_pk_job_run_seq").await?,
        1,
        "no job: no day"
    );
    enqueue(queue.db.pool(), 7).await?;
    queue.run("SELECT jobs.maintain()").await?;
    queue
        .run(
            "UPDATE jobs.tb_job_run SET created_at = coalesce(created_at, jobs.time_of(id)) - interval '1 day';
            UPDATE jobs.tb_retention SET keep = '60 days' WHERE status = 'completed'; SELECT jobs.maintain();
            UPDATE jobs.tb_retention SET keep = NULL WHERE status = 'completed'; SELECT jobs.maintain();
            UPDATE jobs.tb_retention SET keep = '7 days' WHERE status = 'completed';
            UPDATE jobs.tb_job_run SET created_at = coalesce(created_at, jobs.time_of(id)) + interval '1 day'",
        )
        .await?;
    assert_eq!(queue.scalar::<i64>("SELECT last_value FROM jobs.tb_job_run_pk_job_run_seq").await?, 7);
    queue
        .run("UPDATE jobs.tb_job_run SET created_at = coalesce(created_at, jobs.time_of(id)) - interval '1 day'")
        .await?;
    let produce = async |pool: PgPool| {
        for _ in 0..30 {
            enqueue(&pool, 1).await?;
        }
        anyhow::Ok(())
    };
    let pool = queue.db.pool();
    let (one, two, kept) =
        tokio::join!(produce(pool.clone()), produce(pool.clone()), queue.run("SELECT jobs.maintain()"));
    one?;
    two?;
    kept?;
    let keys: Vec<i64> = sqlx::query_scalar("SELECT pk_job_run FROM jobs.tb_job_run").fetch_all(pool).await?;
    assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (67, 67));
    assert!(keys.iter().max() > Some(&100), "{keys:?}");
    // The new range is of today.
    let last: i64 = queue.scalar("SELECT last_value FROM jobs.tb_job_run_pk_job_run_seq").await?;
    assert!((100..200).contains(&last), "{last}");
    queue.run("SELECT jobs.maintain()").await?;
    assert_eq!(queue.scalar::<i64>("SELECT last_value FROM jobs.tb_job_run_pk_job_run_seq").await?, last);
    Ok(())
}

#[tokio::test]
async fn a_look_for_ranges_that_are_there_takes_no_lock() -> Result<()> {
    let queue = Queue::with_small_partitions().await?;
    queue.run("SELECT jobs.make_ranges()").await?;
    let mut dump = queue.db.begin().await?;
    sqlx::query("LOCK TABLE jobs.tb_job_run IN ACCESS EXCLUSIVE MODE").execute(&mut *dump).await?;
    let made =
        tokio::time::timeout(Duration::from_secs(10), queue.scalar::<i32>("SELECT jobs.make_ranges()")).await??;
    assert_eq!(made, 0);
    Ok(())
}
