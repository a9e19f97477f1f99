//! What is said while the database does not answer, and who is told that it does again.
//!
//! Every task of a worker meets the same outage, several times a second. It is said once, then at growing intervals, for all
//! of them together, and once more when the last of them works again.
//!
//! A call that was under way when a connection was cut off may wait for its answer for ever. The heartbeat finds out first
//! that the database answers again; calls from before that are given up then, so that all duties are back within seconds.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::queue::QueueError;

/// Between the first two warnings; doubled with each further one.
const FIRST_GAP: Duration = Duration::from_secs(10);
const LONGEST_GAP: Duration = Duration::from_secs(600);
/// Trouble that comes back sooner is the same trouble.
const SAME_TROUBLE: Duration = Duration::from_secs(60);
/// Heartbeats that fail for so long mean that connections may be half open.
const CUT_OFF: Duration = Duration::from_secs(2);
/// A call from before may still be answered for so long.
const GRACE: Duration = Duration::from_millis(500);

/// The name of the task whose success says that the database answers.
pub(crate) const HEARTBEAT: &str = "heartbeat";

/// What is in the way, for one worker.
#[derive(Debug)]
pub(crate) struct Outage {
    troubles: Mutex<HashMap<Cause, Trouble>>,
    /// Whether there is any: most calls succeed while there is none.
    any: AtomicBool,
    recoveries: watch::Sender<u64>,
}

/// What the database says, or that it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Cause {
    Unreachable,
    /// With this SQLSTATE.
    Refused(String),
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    /// The tasks that met it and have not worked since.
    failing: BTreeSet<&'static str>,
    /// When the last of them worked again.
    over: Option<Instant>,
    say_at: Instant,
    gap: Duration,
    unsaid: u32,
}

impl Cause {
    fn of(error: &QueueError) -> Self {
        let source = match error {
            QueueError::Timeout { .. } => return Self::Unreachable,
            QueueError::Connect { source, .. } | QueueError::Call { source, .. } => source,
        };
        match source.as_database_error().and_then(|error| error.code()) {
            // 08: the connection; 57P: the server goes, or comes.
            Some(code) if !code.starts_with("08") && !code.starts_with("57P") => Self::Refused(code.into_owned()),
            _ => Self::Unreachable,
        }
    }
}

impl Outage {
    pub(crate) fn new() -> Self {
        Self { troubles: Mutex::default(), any: AtomicBool::new(false), recoveries: watch::Sender::new(0) }
    }

    fn troubles(&self) -> MutexGuard<'_, HashMap<Cause, Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of this task failed and will be repeated. Answers whether it was said: not where it was said lately.
    pub(crate) fn failed(&self, task: &'static str, error: &QueueError) -> bool {
        let unsaid = self.note(task, Cause::of(error), Instant::now());
        match unsaid {
            Some(unsaid) => {
                tracing::warn!(task, unsaid, "the queue could not be asked and will be again: {}", error.describe());
            }
            None => tracing::debug!(task, "the queue could not be asked and will be again: {}", error.describe()),
        }
        unsaid.is_some()
    }

    /// How many failures were not said since the last time, where this one is to be said.
    fn note(&self, task: &'static str, cause: Cause, now: Instant) -> Option<u32> {
        let mut troubles = self.troubles();
        self.any.store(true, Ordering::Release);
        let new =
            || Trouble { since: now, failing: BTreeSet::new(), over: None, say_at: now, gap: FIRST_GAP, unsaid: 0 };
        let trouble = troubles.entry(cause).or_insert_with(new);
        if let Some(over) = trouble.over.take() {
            if now.duration_since(over) >= SAME_TROUBLE {
                *trouble = new();
            }
            trouble.since = now;
        }
        trouble.failing.insert(task);
        if now < trouble.say_at {
            trouble.unsaid += 1;
            return None;
        }
        trouble.say_at = now + trouble.gap;
        trouble.gap = (trouble.gap * 2).min(LONGEST_GAP);
        Some(std::mem::take(&mut trouble.unsaid))
    }

    /// A call of this task succeeded.
    pub(crate) fn worked(&self, task: &'static str) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        let mut troubles = self.troubles();
        #[allow(clippy::iter_over_hash_type)] // which of several is said first does not matter
        for (cause, trouble) in troubles.iter_mut() {
            if !trouble.failing.remove(task) {
                continue;
            }
            let lasted = now.duration_since(trouble.since);
            if task == HEARTBEAT && *cause == Cause::Unreachable && lasted >= CUT_OFF {
                self.recoveries.send_modify(|count| *count += 1);
            }
            if trouble.failing.is_empty() {
                trouble.over = Some(now);
                tracing::info!(?lasted, unsaid = trouble.unsaid, "the queue can be asked again");
                trouble.unsaid = 0;
            }
        }
        troubles.retain(|_, trouble| trouble.over.is_none_or(|over| now.duration_since(over) < SAME_TROUBLE));
        self.any.store(!troubles.is_empty(), Ordering::Release);
    }

    /// Ends when the database answers again after it could not be reached, a moment later.
    pub(crate) async fn recovery(&self) {
        let mut recoveries = self.recoveries.subscribe();
        // It cannot be closed: the sender is in `self`.
        let _ = recoveries.changed().await;
        tokio::time::sleep(GRACE).await;
    }

    /// The answer of a call, which is given up when it is from before a [recovery](Self::recovery).
    pub(crate) async fn or_recovery<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        let sent = Instant::now();
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.recovery() => Err(QueueError::Timeout { call, limit: sent.elapsed() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(outage: &Outage, task: &'static str, now: Instant) -> Option<u32> {
        outage.note(task, Cause::Unreachable, now)
    }

    #[test]
    fn an_outage_of_a_minute_is_said_a_few_times_whoever_meets_it() {
        let (outage, began) = (Outage::new(), Instant::now());
        let mut said = 0;
        for tenth in 0..650 {
            for task in ["claim", "upkeep", HEARTBEAT] {
                let now = began + Duration::from_millis(tenth * 100);
                said += u32::from(unreachable(&outage, task, now).is_some());
            }
        }
        assert_eq!(said, 3, "at once, after 10 s and after 30 s");
    }

    #[test]
    fn it_is_over_when_every_task_works_again_and_what_comes_back_soon_is_the_same() {
        let (outage, began) = (Outage::new(), Instant::now());
        assert_eq!(unreachable(&outage, "claim", began), Some(0));
        assert_eq!(unreachable(&outage, "upkeep", began), None);
        outage.worked("claim");
        assert!(outage.troubles()[&Cause::Unreachable].over.is_none());
        outage.worked("upkeep");
        assert!(outage.troubles()[&Cause::Unreachable].over.is_some());
        assert_eq!(unreachable(&outage, "claim", began + Duration::from_secs(2)), None);
        outage.worked("claim");
        assert_eq!(unreachable(&outage, "claim", began + SAME_TROUBLE * 2), Some(0), "another one");
    }

    #[test]
    fn another_cause_is_said_by_itself() {
        let (outage, now) = (Outage::new(), Instant::now());
        assert!(unreachable(&outage, "claim", now).is_some());
        assert!(outage.note("claim", Cause::Refused("25006".into()), now).is_some());
        let limit = Duration::from_secs(1);
        assert!(!outage.failed("claim", &QueueError::Timeout { call: "jobs.claim", limit }));
    }

    #[tokio::test]
    async fn a_call_from_before_the_recovery_is_given_up_and_a_later_one_is_not() {
        let outage = Outage::new();
        let long_ago = Instant::now().checked_sub(CUT_OFF).expect("the machine has run for a while");
        unreachable(&outage, HEARTBEAT, long_ago);
        let hangs = outage.or_recovery("jobs.claim", std::future::pending::<Result<(), QueueError>>());
        let heals = async {
            tokio::task::yield_now().await;
            outage.worked(HEARTBEAT);
        };
        let (answer, ()) = tokio::join!(hangs, heals);
        assert!(answer.is_err_and(|error| error.outcome_unknown()));
        let works = outage.or_recovery("jobs.claim", async {
            tokio::time::sleep(GRACE * 4).await;
            Ok(7)
        });
        assert_eq!(works.await.ok(), Some(7));
    }

    #[tokio::test]
    async fn one_slow_heartbeat_gives_no_call_up() {
        let outage = Outage::new();
        unreachable(&outage, HEARTBEAT, Instant::now());
        let call = outage.or_recovery("jobs.claim", async {
            outage.worked(HEARTBEAT);
            tokio::time::sleep(GRACE * 4).await;
            Ok(())
        });
        assert!(call.await.is_ok());
    }
}
