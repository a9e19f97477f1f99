//! A cancel finds its job wherever it is: waiting, on either of the workers, or over.

use std::{convert::Infallible, time::Duration};

use specql_registry::FailureClass;
use specql_runtime::Worker;
use uuid::Uuid;

use crate::project::{Backup, Calls, Empty, Mail, Other, Queue, Settings, eventually, fails};

/// One call at a time: mail's never end, backup's fail and are to be repeated in an hour, other's work.
async fn serving(queue: &Queue, mail: &Calls, other: &Calls) -> Worker {
    let (mail, other) = (mail.clone(), other.clone());
    queue
        .worker()
        .concurrency(1)
        .handle::<Mail>(move |_, _| {
            let mail = mail.clone();
            async move {
                mail.call(Duration::MAX).await;
                Ok::<_, Infallible>(Empty::new())
            }
        })
        .handle::<Backup>(|_, _| async {
            Err::<Empty, _>(fails(FailureClass::NotStarted).retry_after(Duration::from_secs(3_600)))
        })
        .handle::<Other>(move |_, _| {
            let other = other.clone();
            async move {
                other.call(Duration::ZERO).await;
                Ok::<_, Infallible>(Empty::new())
            }
        })
        .start()
        .await
        .unwrap()
}

/// A callback of `other.go` that works once the switch is on.
const CALLBACK: &str = "
CREATE SCHEMA shop;
CREATE TABLE shop.tb_switch (works boolean);
INSERT INTO shop.tb_switch VALUES (false);
CREATE FUNCTION shop.cb_done(_job_run_id uuid, _output_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (SELECT works FROM shop.tb_switch) THEN RAISE EXCEPTION 'not yet'; END IF;
END $$;
INSERT INTO jobs.tb_callback (key, kind, schema_name, function_name, service_name, operation, entity_type)
VALUES ('shop.cb_done', 'success', 'shop', 'cb_done', 'other', 'go', 'Order')";
const WITH_CALLBACK: &str = "SELECT job_id FROM jobs.enqueue_step('other', 'go', '{}', NULL, NULL, NULL, NULL, NULL, NULL, 0, \
                             NULL, NULL, NULL, 'Order', 1, 'shop.cb_done', NULL)";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_in_every_state_in_which_its_call_is_not_over() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    let (mail, other) = (Calls::default(), Calls::default());
    let workers = [serving(&queue, &mail, &other).await, serving(&queue, &mail, &other).await];
    assert_eq!(queue.cancel(Uuid::new_v4()).await, "unknown");

    // It waits for its time; for its next attempt; and, ready, for its service to be resumed.
    let delayed =
        queue.queued_by("SELECT job_id FROM jobs.enqueue('other', 'go', _run_at => now() + interval '1 hour')").await;
    let failed_once = queue.enqueue("backup").await;
    queue.until("SELECT count(*) = 2 FROM jobs.tb_job_scheduled").await;
    queue.execute("SELECT jobs.pause('other')").await;
    let ready = queue.enqueue("other").await;
    for id in [delayed, failed_once, ready] {
        assert_eq!(queue.status(id).await, "pending");
        assert_eq!(queue.cancel(id).await, "cancelled");
        assert_eq!(queue.cancel(id).await, "finished");
        assert_eq!(queue.status(id).await, "cancelled");
    }
    queue.execute("SELECT jobs.resume('other')").await;

    // Its call is over, its callback is not: that would tell a lie, so it goes on. Then it is over.
    queue.execute(CALLBACK).await;
    let called = queue.queued_by(WITH_CALLBACK).await;
    queue.until("SELECT count(*) = 1 FROM jobs.tb_job_callback").await;
    assert_eq!(queue.cancel(called).await, "finished");
    queue.execute("UPDATE shop.tb_switch SET works = true").await;
    queue.execute("UPDATE jobs.tb_job_callback SET run_at = now()").await;
    assert_eq!(queue.outcome(called).await, ("completed".to_owned(), 1, None));
    assert_eq!(queue.cancel(called).await, "finished");

    // It runs, one on each worker: whichever has it stops it, and is free for the next.
    let running = [queue.enqueue("mail").await, queue.enqueue("mail").await];
    eventually(async || (mail.made() == 2).then_some(())).await;
    queue.until("SELECT count(DISTINCT worker_code) = 2 FROM jobs.tb_job_lease").await;
    for id in running {
        assert_eq!(queue.status(id).await, "running");
        assert_eq!(queue.cancel(id).await, "cancelling");
        assert_eq!(queue.outcome(id).await, ("cancelled/cancelled".to_owned(), 1, None));
        assert_eq!(queue.cancel(id).await, "finished");
    }

    // Nothing of them is left, and none was called but the one whose call came first.
    queue.enqueue("other").await;
    queue.until_done("other", 2).await;
    assert_eq!((mail.made(), other.made()), (2, 2));
    let left = "SELECT (SELECT count(*) FROM jobs.tb_job_ready) + (SELECT count(*) FROM jobs.tb_job_scheduled) \
                + (SELECT count(*) FROM jobs.tb_job_lease) + (SELECT count(*) FROM jobs.tb_job_callback)";
    assert_eq!(queue.count(left).await, 0);
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}
