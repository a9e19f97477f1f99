//! What others have locked delays its own job, and nobody else for longer than a batch's patience.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use specql_tests::change::Change;
use sqlx::{Postgres, Transaction, postgres::PgListener};
use uuid::Uuid;

use crate::support::{Lease, Queue, raised};

/// A transaction that has asked for the end of a job, and stays open.
async fn cancelling(queue: &Queue, id: Uuid) -> Result<Transaction<'static, Postgres>> {
    let mut tx = queue.db.begin().await?;
    let said: String = sqlx::query_scalar("SELECT jobs.cancel($1)").bind(id).fetch_one(&mut *tx).await?;
    assert_eq!(said, "cancelling");
    Ok(tx)
}

async fn leased(queue: &Queue, jobs: i64) -> Result<Vec<Lease>> {
    for _ in 0..jobs {
        queue.enqueue("charge", None).await?;
    }
    queue.claim(i32::try_from(jobs)?).await
}

fn arrays(leases: &[Lease]) -> (Vec<i64>, Vec<i32>) {
    leases.iter().map(|lease| (lease.pk_job_run, lease.epoch)).unzip()
}

async fn complete(queue: &Queue, leases: &[Lease]) -> Result<Vec<String>> {
    let (pks, epochs) = arrays(leases);
    Ok(sqlx::query_scalar("SELECT result FROM jobs.complete($1, $2, $3, $4, NULL, true)")
        .bind(queue.worker)
        .bind(pks)
        .bind(epochs)
        .bind(vec![json!({"ok": true}); leases.len()])
        .fetch_all(queue.db.pool())
        .await?)
}

async fn fail(queue: &Queue, leases: &[Lease]) -> Result<Vec<String>> {
    let (pks, epochs) = arrays(leases);
    Ok(sqlx::query_scalar(
        "SELECT result FROM jobs.fail($1, $2, $3, array_fill('transient_reported'::text, ARRAY[$4]),
            array_fill('busy'::text, ARRAY[$4]), array_fill(0::bigint, ARRAY[$4]), array_fill(true, ARRAY[$4]), NULL, true)",
    )
    .bind(queue.worker)
    .bind(pks)
    .bind(epochs)
    .bind(i32::try_from(leases.len())?)
    .fetch_all(queue.db.pool())
    .await?)
}

async fn release(queue: &Queue, leases: &[Lease], answer_busy: bool) -> Result<i32, sqlx::Error> {
    let (pks, epochs) = arrays(leases);
    let call = if answer_busy { "SELECT jobs.release($1, $2, $3, true)" } else { "SELECT jobs.release($1, $2, $3)" };
    sqlx::query_scalar(call).bind(queue.worker).bind(pks).bind(epochs).fetch_one(queue.db.pool()).await
}

#[tokio::test]
async fn twenty_callbacks_whose_rows_one_transaction_holds_cost_a_batch_one_patience() -> Result<()> {
    let queue = Queue::new().await?;
    for order in 1..=20 {
        queue.charge(order).await?;
    }
    let free = queue.enqueue("charge", None).await?.0;
    let leases = queue.claim(30).await?;
    let mut user = queue.db.begin().await?;
    sqlx::query("SELECT FROM shop.tb_order FOR UPDATE").execute(&mut *user).await?;
    let since = Instant::now();
    let results = queue.complete(&leases).await?;
    assert!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
    assert_eq!(results.iter().filter(|result| *result == "callback_waiting").count(), 20, "{results:?}");
    assert_eq!(queue.state(free).await?, "completed");

    queue.run("UPDATE jobs.tb_job_callback SET run_at = now()").await?;
    let since = Instant::now();
    queue.run("SELECT jobs.run_callbacks()").await?;
    assert!(since.elapsed() < Duration::from_secs(5), "their repetition took {:?}", since.elapsed());
    user.rollback().await?;
    queue.pass_time().await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM shop.tb_order WHERE paid = 1").await?, 20);
    Ok(())
}

#[tokio::test]
async fn a_callback_behind_locked_ones_is_run_although_the_patience_is_used_up() -> Result<()> {
    let queue = Queue::new().await?;
    for order in 1..=20 {
        queue.charge(order).await?;
    }
    let leases = queue.claim(30).await?;
    let mut user = queue.db.begin().await?;
    sqlx::query("SELECT FROM shop.tb_order WHERE pk_order <= 10 FOR UPDATE").execute(&mut *user).await?;
    let results = queue.complete(&leases).await?;
    let (locked, free) = results.split_at(10);
    assert!(locked.iter().all(|result| result == "callback_waiting"), "{results:?}");
    assert!(free.iter().all(|result| result == "completed"), "{results:?}");
    Ok(())
}

#[tokio::test]
async fn a_job_that_an_open_transaction_cancels_is_answered_busy_and_the_rest_of_the_batch_ends() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 100).await?;
    let (completed, rest) = leases.split_at(50);
    let (failed, released) = rest.split_at(25);
    let mut users = Vec::new();
    for lease in [&completed[7], &failed[7], &released[7]] {
        users.push(cancelling(&queue, lease.id).await?);
    }
    let since = Instant::now();
    for (results, done) in
        [(complete(&queue, completed).await?, "completed"), (fail(&queue, failed).await?, "retrying")]
    {
        for (place, result) in results.iter().enumerate() {
            assert_eq!(result, if place == 7 { "busy" } else { done }, "{place}");
        }
    }
    assert_eq!(release(&queue, released, true).await?, 24);
    assert!(since.elapsed() < Duration::from_secs(5), "they took {:?}", since.elapsed());

    // Busy is not lost: the same claim says it again.
    let mut users = users.into_iter();
    for (user, commit) in users.by_ref().zip([true, false, true]) {
        if commit { user.commit().await? } else { user.rollback().await? }
    }
    assert_eq!(complete(&queue, &completed[7..8]).await?, ["completed"]);
    assert_eq!(fail(&queue, &failed[7..8]).await?, ["retrying"]);
    assert_eq!(release(&queue, &released[7..8], true).await?, 1);
    assert_eq!(queue.state(released[7].id).await?, "cancelled/cancelled");
    Ok(())
}

/// A worker of an older version takes any word but `fenced` for the end of its job.
#[tokio::test]
async fn who_does_not_know_the_word_busy_gets_an_error_soon_and_nothing_is_done() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 3).await?;
    let user = cancelling(&queue, leases[1].id).await?;
    let (pks, epochs) = arrays(&leases);
    let complete = "SELECT result FROM jobs.complete($1, $2, $3, NULL, NULL)";
    let fail = "SELECT result FROM jobs.fail($1, $2, $3, '{ambiguous,ambiguous,ambiguous}', '{a,b,c}', '{1,1,1}', '{t,t,t}', NULL)";
    let release = "SELECT jobs.release($1, $2, $3)::text";
    for call in [complete, fail, release] {
        let since = Instant::now();
        let answer = sqlx::query_scalar::<_, String>(call)
            .bind(queue.worker)
            .bind(&pks)
            .bind(&epochs)
            .fetch_all(queue.db.pool())
            .await;
        assert_eq!(raised(answer).0, "55P03");
        assert!(since.elapsed() < Duration::from_secs(4), "it took {:?}", since.elapsed());
        assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM jobs.tb_job_lease").await?, 3);
    }
    user.rollback().await?;
    assert_eq!(queue.complete(&leases).await?, ["completed"; 3]);
    Ok(())
}

#[tokio::test]
async fn a_cancel_that_commits_while_its_job_is_given_back_is_not_lost() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 2).await?;
    let user = cancelling(&queue, leases[1].id).await?;
    let releasing = async {
        loop {
            match release(&queue, &leases, false).await {
                // The machine was too slow for the patience of one call.
                Err(error) if error.as_database_error().is_some_and(|error| error.code() == Some("55P03".into())) => {}
                answer => break answer,
            }
        }
    };
    let (released, committed) = tokio::join!(releasing, async {
        waits_for_a_lock(&queue, "jobs.release").await?;
        user.commit().await.context("the cancel commits")
    });
    committed?;
    assert_eq!(released?, 2);
    assert_eq!(queue.state(leases[0].id).await?, "pending");
    assert_eq!(queue.state(leases[1].id).await?, "cancelled/cancelled");
    Ok(())
}

async fn waits_for_a_lock(queue: &Queue, call: &str) -> Result<()> {
    for _ in 0..2_000 {
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%')",
        )
        .bind(call)
        .fetch_one(queue.db.pool())
        .await?;
        if waiting {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("{call} waits for nobody")
}

#[tokio::test]
async fn a_lease_that_a_living_worker_could_not_renew_is_not_rescued() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 3).await?;
    let user = cancelling(&queue, leases[0].id).await?;
    queue
        .run(
            "UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '10.1 seconds'
            WHERE pk_job_run <> (SELECT min(pk_job_run) FROM jobs.tb_job_lease)",
        )
        .await?;
    // The worker knows the first two; of the third its claim never told it.
    assert_eq!(queue.heartbeat(&leases[..2]).await?.len(), 2);
    user.rollback().await?;
    queue
        .run(
            "UPDATE jobs.tb_job_lease SET renewed_at = now() - interval '10.1 seconds'
        WHERE pk_job_run = (SELECT min(pk_job_run) FROM jobs.tb_job_lease)",
        )
        .await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.rescue()").await?, 1, "the third alone");
    assert_eq!(queue.heartbeat(&leases[..2]).await?.len(), 2);
    // From now on it renews it, and when it dies its jobs are rescued.
    queue.run("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '10.1 seconds'").await?;
    assert_eq!(queue.crash().await?, 2);
    Ok(())
}

#[tokio::test]
async fn the_lease_of_a_worker_that_died_is_rescued_although_its_last_heartbeat_passed_it_over() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 1).await?;
    let user = cancelling(&queue, leases[0].id).await?;
    queue.heartbeat(&leases).await?;
    user.rollback().await?;
    queue.run("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '10.1 seconds'").await?;
    assert_eq!(queue.crash().await?, 1);
    Ok(())
}

#[tokio::test]
async fn callbacks_for_which_there_is_no_time_are_left_to_the_next_call_and_no_try_is_counted() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("CREATE FUNCTION shop.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.6); RETURN NEW; END $$;
        CREATE TRIGGER dawdle BEFORE UPDATE ON shop.tb_order FOR EACH ROW EXECUTE FUNCTION shop.dawdle()").await?;
    for order in 1..=6 {
        queue.charge(order).await?;
    }
    let leases = queue.claim(10).await?;
    let since = Instant::now();
    let results = queue.complete(&leases).await?;
    assert!(since.elapsed() < Duration::from_secs(8), "it took {:?}", since.elapsed());
    let waiting = results.iter().filter(|result| *result == "callback_waiting").count();
    assert!((1..=5).contains(&waiting), "{results:?}");
    assert_eq!(queue.scalar::<i64>("SELECT sum(tries) FROM jobs.tb_job_callback").await?, 0);
    queue.run("DROP TRIGGER dawdle ON shop.tb_order").await?;
    assert_eq!(queue.scalar::<i32>("SELECT jobs.run_callbacks()").await?, i32::try_from(waiting)?);
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM shop.tb_order WHERE paid = 1").await?, 6);
    let last = leases.last().context("it has six")?;
    assert_eq!(queue.events(last.id).await?, ["claimed", "finished"]);
    Ok(())
}

#[tokio::test]
async fn a_callback_that_outlasts_the_statement_timeout_does_not_take_its_batch_along() -> Result<()> {
    let queue = Queue::new().await?;
    queue.run("CREATE FUNCTION shop.hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
        CREATE TRIGGER hang BEFORE UPDATE ON shop.tb_order FOR EACH ROW WHEN (OLD.pk_order = 2) EXECUTE FUNCTION shop.hang()").await?;
    for order in 1..=3 {
        queue.charge(order).await?;
    }
    let leases = queue.claim(10).await?;
    let (pks, epochs) = arrays(&leases);
    let mut session = queue.db.pool().acquire().await?;
    sqlx::query("SET statement_timeout = '1s'").execute(&mut *session).await?;
    let results: Vec<String> = sqlx::query_scalar("SELECT result FROM jobs.complete($1, $2, $3, NULL, NULL, true)")
        .bind(queue.worker)
        .bind(pks)
        .bind(epochs)
        .fetch_all(&mut *session)
        .await?;
    assert_eq!(results, ["callback_waiting"; 3]);
    let tries: Vec<i32> = sqlx::query_scalar("SELECT tries FROM jobs.tb_job_callback ORDER BY pk_job_run")
        .fetch_all(&mut *session)
        .await?;
    assert_eq!(tries, [0, 1, 0], "the one that hung alone has had a try");
    sqlx::query("SELECT jobs.run_callbacks()").execute(&mut *session).await?;
    assert_eq!(queue.scalar::<i64>("SELECT count(*) FROM shop.tb_order WHERE paid = 1").await?, 2);
    session.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_fallback_is_not_waited_with_for_an_open_cancel() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 1).await?;
    let user = cancelling(&queue, leases[0].id).await?;
    let since = Instant::now();
    let bound = sqlx::query_scalar::<_, String>("SELECT jobs.bind($1, $2, $3, $4)")
        .bind(queue.worker)
        .bind(leases[0].pk_job_run)
        .bind(leases[0].epoch)
        .bind(queue.operations[0])
        .fetch_one(queue.db.pool())
        .await;
    assert_eq!(bound?, "no_room");
    assert!(since.elapsed() < Duration::from_secs(4), "it took {:?}", since.elapsed());
    user.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn a_completion_does_not_wait_for_an_open_transaction_that_watches_its_job() -> Result<()> {
    let queue = Queue::new().await?;
    let leases = leased(&queue, 1).await?;
    let watch = "SELECT jobs.watch($1)";
    sqlx::query(watch).bind(leases[0].id).execute(queue.db.pool()).await?;
    let mut user = queue.db.begin().await?;
    sqlx::query(watch).bind(leases[0].id).execute(&mut *user).await?;
    let since = Instant::now();
    let completed = tokio::time::timeout(Duration::from_secs(5), queue.complete(&leases)).await;
    assert_eq!(completed.with_context(|| format!("it waits for {:?}", since.elapsed()))??, ["completed"]);
    user.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn slow_enqueuers_keep_no_wake_up_from_others() -> Result<()> {
    let queue = Queue::new().await?;
    let mut listener = PgListener::connect_with(queue.db.pool()).await?;
    listener.listen("jobs_ready").await?;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut tx = queue.db.begin().await?;
        sqlx::query("SELECT jobs.enqueue('pay', 'charge')").execute(&mut *tx).await?;
        slow.push(tx);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    for _ in 0..3 {
        queue.enqueue("charge", None).await?;
        let heard = tokio::time::timeout(Duration::from_secs(10), listener.recv()).await;
        ensure!(heard.is_ok(), "nobody was told of the job");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_claim_waits_for_no_job_that_is_touched_while_it_is_taken() -> Result<()> {
    let queue = Queue::new().await?;
    // Without another claim it looks at the jobs without locking them. Here it sleeps before it takes them.
    let set = "set_config('lock_timeout', '500ms', true) END;";
    let slow = format!("{set} PERFORM pg_sleep(1);");
    Change { function: "claim", from: set, to: &slow }.make(&mut *queue.db.pool().acquire().await?).await?;
    let (first, second) = (queue.enqueue("charge", None).await?.0, queue.enqueue("charge", None).await?.0);
    let mut touches = queue.db.pool().begin().await?;
    let touch = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query("SELECT FROM jobs.tb_job_ready WHERE pk_job_run = 1 FOR UPDATE").execute(&mut *touches).await
    };
    let (claimed, touched) = tokio::join!(queue.claim(10), touch);
    touched?;
    let refused = claimed.expect_err("it took a job that was locked").downcast::<sqlx::Error>()?;
    assert_eq!(raised(Err::<(), _>(refused)).0, "55P03");

    assert_eq!(queue.claim_one().await?.id, second, "the next claim sees that somebody has the first one");
    touches.rollback().await?;
    assert_eq!(queue.claim_one().await?.id, first);
    Ok(())
}
