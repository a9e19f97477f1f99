//! Another service takes over, only where that is safe.

use std::{convert::Infallible, sync::Arc, time::Duration};

use specql_registry::{
    FailureClass,
    limits::{CircuitBreaker, Limits},
};
use specql_runtime::{Worker, runner::Failure};
use tokio::sync::Notify;

use crate::project::{Backup, Calls, Empty, Mail, Queue, Settings, eventually, fails};

fn mail() -> Settings {
    Settings { fallback: Some("backup"), ..Settings::default() }
}

/// What a service's calls come to, by their number from 0.
type Answers = fn(usize) -> Option<FailureClass>;

async fn serving(queue: &Queue, mail: (&Calls, Answers), backup: (&Calls, Answers)) -> Worker {
    let (mail_calls, mail_answers) = (mail.0.clone(), mail.1);
    let (backup_calls, backup_answers) = (backup.0.clone(), backup.1);
    let answer = |calls: Calls, answers: Answers| async move {
        let number = calls.made();
        calls.call(Duration::ZERO).await;
        answers(number).map_or(Ok(Empty::new()), |class| Err::<Empty, Failure>(fails(class)))
    };
    queue
        .worker()
        .handle::<Mail>(move |_, _| answer(mail_calls.clone(), mail_answers))
        .handle::<Backup>(move |_, _| answer(backup_calls.clone(), backup_answers))
        .start()
        .await
        .unwrap()
}

/// The outcome of one job with these answers, and how many calls each service got.
async fn one_job(queue: &Queue, mail: Answers, backup: Answers) -> ((String, i32, Option<String>), usize, usize) {
    let (mail_calls, backup_calls) = (Calls::default(), Calls::default());
    let workers = [
        serving(queue, (&mail_calls, mail), (&backup_calls, backup)).await,
        serving(queue, (&mail_calls, mail), (&backup_calls, backup)).await,
    ];
    let id = queue.enqueue("mail").await;
    let outcome = queue.outcome(id).await;
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
    (outcome, mail_calls.made(), backup_calls.made())
}

fn completed(attempts: i32, by: Option<&str>) -> (String, i32, Option<String>) {
    ("completed".to_owned(), attempts, by.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_could_not_be_started_three_times_is_made_by_the_fallback() {
    let queue = Queue::new(mail(), Settings::default()).await;
    let seen = one_job(&queue, |_| Some(FailureClass::NotStarted), |_| None).await;
    assert_eq!(seen, (completed(1, Some("backup.go")), 3, 1));
    // A refused connection or two are no reason to go elsewhere.
    let queue = Queue::new(mail(), Settings::default()).await;
    let twice: Answers = |number| (number < 2).then_some(FailureClass::NotStarted);
    assert_eq!(one_job(&queue, twice, |_| None).await, (completed(1, None), 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_call_of_unknown_outcome_no_fallback_is_called_ever() {
    let queue = Queue::new(mail(), Settings::default()).await;
    let answers: Answers = |number| match number {
        0 => Some(FailureClass::Ambiguous),
        1..=5 => Some(FailureClass::NotStarted),
        _ => None,
    };
    assert_eq!(one_job(&queue, answers, |_| None).await, (completed(2, None), 7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fallback_may_have_done_is_repeated_by_that_fallback_alone() {
    let queue = Queue::new(mail(), Settings::default()).await;
    let unknown_once: Answers = |number| (number == 0).then_some(FailureClass::Ambiguous);
    let seen = one_job(&queue, |_| Some(FailureClass::NotStarted), unknown_once).await;
    assert_eq!(seen, (completed(2, Some("backup.go")), 3, 2));

    // Where repeating is not harmless it is the end, though the service itself might be tried.
    let queue = Queue::new(mail(), Settings { idempotent: false, ..Settings::default() }).await;
    let (outcome, mail_calls, backup_calls) = one_job(&queue, |_| Some(FailureClass::NotStarted), unknown_once).await;
    assert_eq!((outcome.0.as_str(), mail_calls, backup_calls), ("failed/ambiguous", 3, 1));
}

/// A retry by hand knows no more than the worker did.
#[tokio::test(flavor = "multi_thread")]
async fn a_retried_job_is_made_again_by_whom_may_have_done_it_and_nobody_else() {
    let unknown_once: Answers = |number| (number == 0).then_some(FailureClass::Ambiguous);
    let unknown_then_down: Answers = |number| match number {
        0 => Some(FailureClass::Ambiguous),
        1 => Some(FailureClass::NotStarted),
        _ => None,
    };
    let down: Answers = |_| Some(FailureClass::NotStarted);
    // What the mail's and the backup's calls come to, and how many of each there are in the end.
    let cases = [(down, unknown_once, 3, 2), (unknown_then_down, |_| None, 3, 0)];
    for (mail_answers, backup_answers, mail_expected, backup_expected) in cases {
        let once = |settings| Settings { idempotent: false, ..settings };
        let queue = Queue::new(once(mail()), once(Settings::default())).await;
        let (mail_calls, backup_calls) = (Calls::default(), Calls::default());
        let workers = [
            serving(&queue, (&mail_calls, mail_answers), (&backup_calls, backup_answers)).await,
            serving(&queue, (&mail_calls, mail_answers), (&backup_calls, backup_answers)).await,
        ];
        let id = queue.enqueue("mail").await;
        assert_eq!(queue.outcome(id).await.0, "failed/ambiguous");
        queue.retry(id).await;
        let outcome = queue.outcome(id).await;
        assert_eq!(
            (outcome.0.as_str(), mail_calls.made(), backup_calls.made()),
            ("completed", mail_expected, backup_expected)
        );
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_sent_nothing_either_binds_nobody() {
    let queue = Queue::new(mail(), Settings::default()).await;
    let down_for_a_while: Answers = |number| (number < 3).then_some(FailureClass::NotStarted);
    let seen = one_job(&queue, down_for_a_while, |_| Some(FailureClass::NotStarted)).await;
    assert_eq!(seen, (completed(1, None), 4, 1));
}

/// A 503 that says when to come again: the service has had the call, and another would not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_enough_is_relieved_by_the_fallback_only_where_it_did_nothing() {
    for (no_effect, mail_expected, backup_expected) in [(true, 1, 1), (false, 2, 0)] {
        let queue = Queue::new(mail(), Settings::default()).await;
        let (mail_calls, backup_calls) = (Calls::default(), Calls::default());
        let (counted, backup_counted) = (mail_calls.clone(), backup_calls.clone());
        let worker = queue
            .worker()
            .handle::<Mail>(move |_, _| {
                let first = counted.made() == 0;
                let calls = counted.clone();
                async move {
                    calls.call(Duration::ZERO).await;
                    let failure = Failure { no_effect, ..fails(FailureClass::RateLimited) };
                    if first { Err(failure) } else { Ok(Empty::new()) }
                }
            })
            .handle::<Backup>(move |_, _| {
                let calls = backup_counted.clone();
                async move {
                    calls.call(Duration::ZERO).await;
                    Ok::<_, Infallible>(Empty::new())
                }
            })
            .start()
            .await
            .unwrap();
        let id = queue.enqueue("mail").await;
        assert_eq!((queue.outcome(id).await.0.as_str(), queue.outcome(id).await.1), ("completed", 1));
        assert_eq!((mail_calls.made(), backup_calls.made()), (mail_expected, backup_expected));
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_sends_jobs_to_the_fallback() {
    let breaker = CircuitBreaker { minimum_calls: 1, open_for_ms: 60_000, ..CircuitBreaker::default() };
    let queue = Queue::new(Settings { breaker: Some(breaker), ..mail() }, Settings::default()).await;
    // The first try opens it.
    let first = one_job(&queue, |_| Some(FailureClass::NotStarted), |_| None).await;
    assert_eq!(first, (completed(1, Some("backup.go")), 1, 1));
    // New workers, which have seen nothing of it.
    let second = one_job(&queue, |_| None, |_| None).await;
    assert_eq!(second, (completed(1, Some("backup.go")), 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_keeps_to_its_own_limit() {
    let limits = Limits { concurrency: Some(2), rate: None };
    let queue = Queue::new(mail(), Settings { limits, ..Settings::default() }).await;
    let backup = Calls::default();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let backup = backup.clone();
        let worker = queue
            .worker()
            .handle::<Mail>(|_, _| std::future::ready(Err::<Empty, _>(fails(FailureClass::NotStarted))))
            .handle::<Backup>(move |_, _| {
                let backup = backup.clone();
                async move {
                    backup.call(Duration::from_millis(10)).await;
                    Ok::<_, Infallible>(Empty::new())
                }
            });
        workers.push(worker.start().await.unwrap());
    }
    queue.enqueue_many("mail", 20, None).await;
    queue.until_done("mail", 20).await;
    assert_eq!((backup.made(), backup.most()), (20, 2));
    for worker in workers {
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_a_fallbacks_call_leaves_the_job_to_that_fallback() {
    for (idempotent, expected, calls) in [(true, "completed", 1), (false, "failed/ambiguous", 0)] {
        let queue = Queue::new(mail(), Settings { idempotent, ..Settings::default() }).await;
        let started = Arc::new(Notify::new());
        let seen = started.clone();
        let dying = queue
            .worker()
            .handle::<Mail>(|_, _| std::future::ready(Err::<Empty, _>(fails(FailureClass::NotStarted))))
            .handle::<Backup>(move |_, _| {
                started.notify_one();
                std::future::pending::<Result<Empty, Infallible>>()
            })
            .start()
            .await
            .unwrap();
        let id = queue.enqueue("mail").await;
        seen.notified().await;
        drop(dying); // no farewell, as after kill -9
        queue
            .execute(
                "UPDATE jobs.tb_job_lease SET renewed_at = coalesce(renewed_at, claimed_at) - interval '11 seconds'",
            )
            .await;
        let (mail_calls, backup_calls) = (Calls::default(), Calls::default());
        let next = serving(&queue, (&mail_calls, |_| None), (&backup_calls, |_| None)).await;
        let outcome = queue.outcome(id).await;
        assert_eq!((outcome.0.as_str(), mail_calls.made(), backup_calls.made()), (expected, 0, calls));
        eventually(async || (queue.count("SELECT count(*) FROM jobs.tb_job_lease").await == 0).then_some(())).await;
        next.shutdown().await.unwrap();
    }
}
