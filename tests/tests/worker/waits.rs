//! What waits or fails in the database holds up its own job, or its own duty, and nothing else of the worker.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use specql_runtime::queue::{Link, QueueError};
use tokio::sync::Semaphore;

use crate::project::{Calls, Echo, Pay, Queue, eventually, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_an_open_transaction_cancels_ends_later_and_those_beside_it_now() {
    let queue = Queue::new().await;
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let worker = queue
        .worker()
        .concurrency(50)
        .handle::<Echo>(move |_, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, Infallible>(said("done"))
            }
        })
        .start()
        .await
        .unwrap();
    let (mut locked, mut free) = (Vec::new(), Vec::new());
    for place in 0..40 {
        let id = queue.enqueue("echo", "x").await;
        if place % 8 == 4 { locked.push(id) } else { free.push(id) }
    }
    eventually(async || (queue.count("SELECT count(*) FROM jobs.tb_job_lease").await == 40).then_some(())).await;
    let mut user = queue.database().begin().await.unwrap();
    for id in &locked {
        sqlx::query("SELECT jobs.cancel($1)").bind(id).execute(&mut *user).await.unwrap();
    }

    let since = Instant::now();
    go.add_permits(40);
    for id in free {
        assert_eq!(queue.outcome(id).await.status, "completed");
    }
    // Both writers would wait to the limit of their calls.
    assert!(since.elapsed() < Duration::from_secs(8), "they waited for {:?}", since.elapsed());
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 5);
    user.rollback().await.unwrap();
    for id in locked {
        let outcome = queue.outcome(id).await;
        assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1));
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_takes_its_time_delays_no_other_duty() {
    let queue = Queue::new().await;
    queue
        .execute(
            "CREATE TABLE public.pace (seconds double precision); INSERT INTO public.pace VALUES (0);
            CREATE FUNCTION public.cb_success(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT seconds FROM public.pace) = 0 THEN RAISE EXCEPTION 'not now'; END IF;
                PERFORM pg_sleep(seconds) FROM public.pace;
            END $$;
            INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation) VALUES
                ('ok', 'success', 'public', 'cb_success', 'work', 'pay')",
        )
        .await;
    let worker = queue
        .worker()
        .handle::<Pay>(|_, _| async { Ok::<_, Infallible>(said("paid")) })
        .handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("echo")) })
        .start()
        .await
        .unwrap();
    queue
        .execute(
            "SELECT jobs.enqueue_step('work', 'pay', '{}', NULL, NULL, 'never', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL,
                'ok', NULL)",
        )
        .await;
    eventually(async || (queue.count("SELECT count(*) FROM jobs.tb_job_callback").await == 1).then_some(())).await;
    queue.execute("UPDATE public.pace SET seconds = 30; UPDATE jobs.tb_job_callback SET run_at = now()").await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    eventually(async || (queue.count(running).await == 1).then_some(())).await;

    let since = Instant::now();
    let delayed =
        "SELECT job_id FROM jobs.enqueue('work', 'echo', '{\"say\": \"x\"}', _run_at => now() + interval '300 ms')";
    let delayed = sqlx::query_scalar(delayed).fetch_one(queue.database().pool()).await.unwrap();
    assert_eq!(queue.outcome(delayed).await.status, "completed");
    assert!(since.elapsed() < Duration::from_secs(7), "a delayed job waited for {:?}", since.elapsed());
    let rescued = rescued_job(&queue).await;
    assert_eq!(queue.outcome(rescued).await.status, "completed");
    assert_eq!(queue.count(running).await, 1, "the callback did not last as long as they did");
    queue.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'").await;
    worker.shutdown().await.unwrap();
}

/// A job that another worker has claimed, and died with.
async fn rescued_job(queue: &Queue) -> uuid::Uuid {
    let mut tx = queue.database().begin().await.unwrap();
    let id = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', 'echo', '{\"say\": \"x\"}')")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    sqlx::query("SELECT jobs.claim(gen_random_uuid(), ARRAY(SELECT code FROM jobs.tb_operation), 1000, true)")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("UPDATE jobs.tb_job_lease AS l SET renewed_at = now() - interval '11 s' FROM jobs.tb_job_run AS j WHERE j.pk_job_run = l.pk_job_run AND j.id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_cancels_a_statement_before_its_caller_gives_it_up() {
    let queue = Queue::new().await;
    queue
        .execute(
            "CREATE OR REPLACE FUNCTION jobs.rescue() RETURNS integer LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_sleep(60); RETURN 0; END $$",
        )
        .await;
    let options = queue.database().pool().connect_options();
    let mut link = Link::new(&options, "test", Duration::from_secs(5));
    let answer = link.rescue().await;
    let Err(QueueError::Call { source, .. }) = &answer else { panic!("{answer:?}") };
    assert_eq!(source.as_database_error().and_then(|error| error.code()).as_deref(), Some("57014"), "{source}");
    let left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    assert_eq!(queue.count(left).await, 0, "it goes on behind its caller");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_while_a_migration_is_under_way_is_said_again_and_no_success_is_lost() {
    for code in ["XX000", "XX001", "42P01", "42883", "0A000"] {
        let queue = Queue::new().await;
        let trouble = format!(
            "CREATE SEQUENCE public.refused;
            CREATE FUNCTION public.trouble() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM nextval('public.refused');
                RAISE EXCEPTION 'cache lookup failed for relation 1' USING ERRCODE = '{code}';
            END $$;
            CREATE TRIGGER trouble BEFORE INSERT ON jobs.tb_job_outcome FOR EACH STATEMENT EXECUTE FUNCTION public.trouble()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(trouble)).execute(queue.database().pool()).await.unwrap();
        let calls = Calls::default();
        let counted = Arc::clone(&calls);
        let worker = queue
            .worker()
            .handle::<Pay>(move |_, _| {
                counted.fetch_add(1, Relaxed);
                async { Ok::<_, Infallible>(said("paid")) }
            })
            .start()
            .await
            .unwrap();
        let jobs = [queue.enqueue("pay", "1").await, queue.enqueue("pay", "2").await];
        eventually(async || (queue.count("SELECT last_value FROM public.refused").await > 6).then_some(())).await;
        queue.execute("DROP TRIGGER trouble ON jobs.tb_job_outcome").await;
        for id in jobs {
            let outcome = queue.outcome(id).await;
            assert_eq!((outcome.status.as_str(), outcome.class), ("completed", None), "after {code}");
        }
        assert_eq!(calls.load(Relaxed), 2);
        worker.shutdown().await.unwrap();
    }
}

/// After a failover the old primary's name may lead to a standby for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_leaves_a_server_that_has_become_read_only() {
    let queue = Queue::new().await;
    let worker =
        queue.worker().handle::<Echo>(|_, _| async { Ok::<_, Infallible>(said("done")) }).start().await.unwrap();
    let first = queue.enqueue("echo", "x").await;
    assert_eq!(queue.outcome(first).await.status, "completed");
    // A session of the time before, which may still write.
    let mut session = queue.database().pool().acquire().await.unwrap();
    let database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    sqlx::raw_sql(database).execute(&mut *session).await.unwrap();
    queue.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'specql %'").await;
    let job = sqlx::query_scalar("SELECT job_id FROM jobs.enqueue('work', 'echo', '{\"say\": \"x\"}')")
        .fetch_one(&mut *session)
        .await
        .unwrap();
    // Each duty and each writer has been refused by now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_outcome").await, 1);
    let database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";
    sqlx::raw_sql(database).execute(&mut *session).await.unwrap();
    assert_eq!(queue.outcome(job).await.status, "completed");
    worker.shutdown().await.unwrap();
}
