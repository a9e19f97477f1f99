//! Leases of a worker in Python: kept, lost, given back.

use rustix::process::Signal;
use specql_tests::{
    proxy::{Fault, Proxy},
    work::Queue,
};

use crate::support::Python;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_long_keeps_its_lease_until_it_is_cancelled_or_the_lease_is_gone() {
    let queue = Queue::new().await;
    let (cancelled, lost) = (queue.run("hang").await, queue.run("hang").await);
    // Longer than this test waits: no deadline ends the calls for it.
    queue.execute("UPDATE jobs.tb_job_run SET timeout_seconds = 600").await;
    let python = Python::start(&queue).await;
    queue.called(cancelled, 1).await;
    queue.called(lost, 1).await;
    queue.age_leases("5 seconds").await;
    queue.until("SELECT bool_and(renewed_at > clock_timestamp() - interval '4 seconds') FROM jobs.tb_job_lease").await;
    assert_eq!(queue.calls(cancelled).await.len() + queue.calls(lost).await.len(), 2, "somebody took them in between");

    sqlx::query("SELECT jobs.cancel($1)").bind(cancelled).execute(queue.pool()).await.unwrap();
    sqlx::query(
        "DELETE FROM jobs.tb_job_lease AS l USING jobs.tb_job_run AS j WHERE j.pk_job_run = l.pk_job_run AND j.id = $1",
    )
    .bind(lost)
    .execute(queue.pool())
    .await
    .unwrap();
    let ended = queue.outcome(cancelled).await;
    assert_eq!((ended.status.as_str(), ended.failure_class.as_deref()), ("cancelled", Some("cancelled")));
    python.is_fenced(lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_the_database_does_not_answer_stops_its_jobs_by_itself() {
    let queue = Queue::new().await;
    let proxy = Proxy::start(queue.url()).await;
    let python = Python::behind(&queue, proxy.url(), 3).await;
    let job = queue.run("hang").await;
    queue.called(job, 1).await;
    proxy.set(Fault::BlackHole);
    python.says(&format!("call of {job} stopped")).await;
    // The database has not noticed: the call ended before anybody could take the job.
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 1);
    proxy.set(Fault::None);
    queue.called(job, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_worker_go_to_the_other_one() {
    let queue = Queue::new().await;
    let mut python = Python::start(&queue).await;
    let (run, pay) = (queue.run("1500ms").await, queue.pay("1500ms").await);
    queue.called(run, 1).await;
    queue.called(pay, 1).await;
    python.process.kill();
    queue.age_leases("11 seconds").await;
    let rust = queue.worker().start().await.unwrap();
    let run = queue.outcome(run).await;
    assert_eq!((run.status.as_str(), run.attempts), ("completed", 2));
    let failed = queue.outcome(pay).await;
    assert_eq!((failed.status.as_str(), failed.failure_class.as_deref()), ("failed", Some("ambiguous")));
    assert_eq!(queue.calls(pay).await.len(), 1, "nobody knows how far the first call came");
    queue.at_rest().await;
    rust.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_paused_is_told_that_its_jobs_are_anothers_and_works_again() {
    let queue = Queue::new().await;
    let python = Python::start(&queue).await;
    let (run, pay) = (queue.run("1500ms").await, queue.pay("1500ms").await);
    queue.called(run, 1).await;
    queue.called(pay, 1).await;
    python.process.signal(Signal::STOP);
    queue.age_leases("1 day").await;
    let rust = queue.worker().start().await.unwrap();
    queue.called(run, 2).await;
    // The other one is in the middle of the call when this one goes on, ends its own, and has something to say.
    python.process.signal(Signal::CONT);
    let (run_ended, pay_ended) = (queue.outcome(run).await, queue.outcome(pay).await);
    assert_eq!((run_ended.status.as_str(), run_ended.attempts), ("completed", 2));
    assert_eq!((pay_ended.status.as_str(), pay_ended.failure_class.as_deref()), ("failed", Some("ambiguous")));
    python.is_fenced(run).await;
    python.is_fenced(pay).await;
    assert_eq!((queue.outcome(run).await, queue.outcome(pay).await), (run_ended, pay_ended));
    assert_eq!(queue.output(run).await["process"], std::process::id(), "the result is the other one's");
    rust.shutdown().await.unwrap();

    let next = queue.run("now").await;
    assert_eq!(queue.outcome(next).await.status, "completed");
    assert_eq!(queue.calls(next).await[0].process, python.id);
    queue.at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_a_job_may_take_it_again() {
    let queue = Queue::new().await;
    let mut python = Python::start(&queue).await;
    let job = queue.run("1000ms").await;
    queue.called(job, 1).await;
    python.process.signal(Signal::STOP);
    queue.age_leases("1 day").await;
    queue.execute("SELECT jobs.rescue()").await;
    // Nobody else is there: it claims the job that it is still busy with.
    python.process.signal(Signal::CONT);
    let ended = queue.outcome(job).await;
    assert_eq!((ended.status.as_str(), ended.attempts), ("completed", 2), "{}", python.said());
    python.is_fenced(job).await;
    let next = queue.run("now").await;
    assert_eq!(queue.outcome(next).await.status, "completed");
    queue.at_rest().await;
    assert!(!python.process.has_ended(), "{}", python.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_ends_what_it_has_begun_and_leaves_nothing_behind() {
    let queue = Queue::new().await;
    let mut python = Python::start(&queue).await;
    queue.run_many(40, "300ms").await;
    queue.until("SELECT count(*) > 0 FROM jobs.tb_job_outcome").await;
    python.process.signal(Signal::TERM);
    assert!(python.process.ended().await.success(), "{}", python.said());
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_job_lease").await, 0);
    let completed = queue.count("SELECT count(*) FROM jobs.tb_job_outcome WHERE status = 'completed'").await;
    let untouched = queue.count("SELECT count(*) FROM jobs.tb_job_ready WHERE coalesce(attempts, 0) = 0").await;
    assert_eq!((completed + untouched, completed), (40, queue.calls_of(python.id).await));
    assert!(untouched > 0, "it went on with new jobs");
    let returned = queue.count("SELECT count(*) FROM jobs.tb_job_attempt WHERE event = 'released'").await;
    assert!(returned <= 10, "{returned} jobs were claimed and given back: more than by a claim that was under way");
    queue.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'specql_any_language' AND datname = current_database()").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_while_the_worker_stops_is_given_back_where_that_is_harmless() {
    let queue = Queue::new().await;
    let mut python = Python::start(&queue).await;
    let (run, pay) = (queue.run("hang").await, queue.pay("hang").await);
    queue.called(run, 1).await;
    queue.called(pay, 1).await;
    python.process.signal(Signal::TERM);
    assert!(python.process.ended().await.success(), "{}", python.said());
    assert_eq!(queue.outcome(pay).await.failure_class.as_deref(), Some("ambiguous"));
    let waiting =
        "SELECT sum(jobs)::bigint FROM (SELECT count(*) AS jobs FROM jobs.tb_job_ready WHERE coalesce(attempts, 0) = 0
        UNION ALL SELECT count(*) FROM jobs.tb_job_scheduled WHERE coalesce(attempts, 0) = 0) AS waiting";
    assert_eq!(queue.count(waiting).await, 1, "the other one waits, and no attempt is used up");
    assert_eq!(queue.count("SELECT count(*) FROM jobs.tb_worker").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_claim_whose_answer_was_lost_are_given_back_and_called_once() {
    let queue = Queue::new().await;
    // The first claim is made although the worker gives it up and asks for its end: as if that came too late.
    queue
        .execute(
            "CREATE SEQUENCE public.claims;
             CREATE FUNCTION public.hang() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 IF nextval('public.claims') = 1 THEN PERFORM pg_sleep(4); END IF;
                 RETURN NULL;
             EXCEPTION WHEN query_canceled THEN
                 RETURN NULL;
             END $$;
             CREATE TRIGGER hang AFTER INSERT ON jobs.tb_job_lease FOR EACH ROW EXECUTE FUNCTION public.hang()",
        )
        .await;
    let pay = queue.pay("now").await;
    let _python = Python::start(&queue).await;
    let outcome = queue.outcome(pay).await;
    assert_eq!((outcome.status.as_str(), outcome.attempts), ("completed", 1), "{outcome:?}");
    assert_eq!(queue.calls(pay).await.len(), 1);
    assert_eq!(queue.count("SELECT count(*) FROM jobs.v_job_attempt WHERE event = 'released'").await, 1);
}
