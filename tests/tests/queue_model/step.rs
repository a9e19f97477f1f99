//! One step of a random sequence. Steps name jobs and leases by number, modulo how many there are, so that a sequence
//! still makes sense when shrinking has taken steps out of it.

use std::fmt;

use proptest::prelude::*;
use specql_registry::FailureClass;

/// How many workers there are.
pub(crate) const WORKERS: u8 = 3;
/// How many rows the jobs with callbacks are about.
pub(crate) const ORDERS: u8 = 2;

/// The registered operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// `in_flight`; may be repeated; three attempts.
    Charge,
    /// `in_flight`; may not be repeated; three attempts.
    Transfer,
    /// `once`; may be repeated; two attempts.
    Refund,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Charge, Self::Transfer, Self::Refund];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Transfer => "transfer",
            Self::Refund => "refund",
        }
    }

    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Charge | Self::Transfer => Rule::InFlight,
            Self::Refund => Rule::Once,
        }
    }

    pub(crate) const fn idempotent(self) -> bool {
        !matches!(self, Self::Transfer)
    }

    pub(crate) const fn max_attempts(self) -> i32 {
        match self {
            Self::Charge | Self::Transfer => 3,
            Self::Refund => 2,
        }
    }
}

/// Uniqueness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    InFlight,
    Once,
    Never,
}

impl Rule {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Once => "once",
            Self::Never => "never",
        }
    }
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub(crate) struct NewJob {
    pub(crate) operation: Operation,
    pub(crate) key: Option<u8>,
    /// Where it is absent the operation's own applies.
    pub(crate) unique: Option<Rule>,
    pub(crate) priority: i32,
    pub(crate) delayed: bool,
    pub(crate) max_attempts: Option<i32>,
    /// The order it is about. With one it is queued as a generated action does, and may have callbacks.
    pub(crate) order: Option<u8>,
    pub(crate) on_success: bool,
    pub(crate) on_failure: bool,
}

/// What is wrong with a worker's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgery {
    None,
    /// It is another worker's.
    WrongWorker,
    /// It names the claim before.
    OldEpoch,
}

/// A worker's report on leases that it believes to hold.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) worker: u8,
    /// A bit for every third lease in the worker's memory; all, where none is met.
    pub(crate) picks: u8,
    pub(crate) forgery: Forgery,
    /// The worker does not learn that its report arrived, and may report again.
    pub(crate) answer_lost: bool,
}

/// How a call failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) class: FailureClass,
    pub(crate) wait: Wait,
    pub(crate) counted: bool,
    /// What the worker says of whether nothing happened, if anything.
    pub(crate) no_effect: Option<bool>,
}

impl Failure {
    /// The message; invariants read it in the audit trail.
    pub(crate) const fn says(self) -> &'static str {
        match self.no_effect {
            None => "declined",
            Some(true) => "nothing happened",
            Some(false) => "something may have happened",
        }
    }
}

/// What the worker asks for after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// No other attempt.
    Final,
    /// Another attempt at once.
    Now,
    /// Another attempt later.
    Later,
}

#[derive(Clone)]
pub(crate) enum Step {
    Enqueue(NewJob),
    /// One call of `jobs.enqueue_many`; `None` gives no keys at all.
    EnqueueMany {
        operation: Operation,
        count: u8,
        keys: Option<Vec<Option<u8>>>,
        unique: Option<Rule>,
        priority: i32,
        delayed: bool,
    },
    Claim {
        worker: u8,
        /// A bit for each operation.
        operations: u8,
        limit: u8,
        full_scan: bool,
    },
    Heartbeat(Report),
    Complete(Report),
    Fail(Report, Failure),
    Release(Report),
    Cancel {
        job: u8,
    },
    Retry {
        job: u8,
    },
    /// The worker forgets its leases and renews them no more.
    Crash {
        worker: u8,
    },
    /// The worker renews its leases no more, and does not know.
    Stall {
        worker: u8,
    },
    Rescue,
    /// All that waits for a time is due.
    PassTime,
    Promote,
    RunCallbacks,
    /// Whether callbacks of an order raise.
    Break {
        order: u8,
        broken: bool,
    },
}

/// Every class that a worker may report.
fn class() -> impl Strategy<Value = FailureClass> {
    let reported: Vec<FailureClass> = FailureClass::ALL
        .into_iter()
        .filter(|class| {
            !matches!(class, FailureClass::CallbackFailed | FailureClass::Superseded | FailureClass::Poison)
        })
        .collect();
    // The two that matter most, more often than one time in fourteen.
    prop_oneof![
        2 => prop::sample::select(reported),
        1 => Just(FailureClass::PermanentReported),
        1 => Just(FailureClass::Ambiguous),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select(Operation::ALL.to_vec())
}

fn unique() -> impl Strategy<Value = Option<Rule>> {
    prop_oneof![
        5 => Just(None),
        1 => prop::sample::select(vec![Some(Rule::InFlight), Some(Rule::Once), Some(Rule::Never)]),
    ]
}

fn new_job() -> impl Strategy<Value = NewJob> {
    let key = prop::option::weighted(0.7, 0..3_u8);
    let delayed = prop::bool::weighted(0.2);
    let max_attempts = prop::option::weighted(0.3, 1..=5_i32);
    let order = prop::option::weighted(0.85, 0..ORDERS);
    let callbacks = (prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    (operation(), key, unique(), -1..=1_i32, delayed, max_attempts, order, callbacks).prop_map(
        |(operation, key, unique, priority, delayed, max_attempts, order, (on_success, on_failure))| NewJob {
            operation,
            key,
            unique,
            priority,
            delayed,
            max_attempts,
            order,
            on_success: on_success && order.is_some(),
            on_failure: on_failure && order.is_some(),
        },
    )
}

fn enqueue_many() -> impl Strategy<Value = Step> {
    let keys = prop::option::weighted(0.8, prop::collection::vec(prop::option::weighted(0.8, 0..3_u8), 1..=3));
    (operation(), 1..=3_u8, keys, unique(), -1..=1_i32, prop::bool::weighted(0.2)).prop_map(
        |(operation, count, keys, unique, priority, delayed)| {
            let count = keys.as_ref().map_or(count, |keys| u8::try_from(keys.len()).expect("three keys at most"));
            Step::EnqueueMany { operation, count, keys, unique, priority, delayed }
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let forgery = prop_oneof![
        12 => Just(Forgery::None),
        1 => Just(Forgery::WrongWorker),
        1 => Just(Forgery::OldEpoch),
    ];
    (0..WORKERS, 0..8_u8, forgery, prop::bool::weighted(0.2)).prop_map(|(worker, picks, forgery, answer_lost)| Report {
        worker,
        picks,
        forgery,
        answer_lost,
    })
}

fn claim() -> impl Strategy<Value = Step> {
    let operations = prop_oneof![4 => Just(0b111_u8), 1 => 1..0b111_u8];
    (0..WORKERS, operations, 1..=6_u8, prop::bool::weighted(0.8))
        .prop_map(|(worker, operations, limit, full_scan)| Step::Claim { worker, operations, limit, full_scan })
}

fn failure() -> impl Strategy<Value = Failure> {
    let wait = prop_oneof![1 => Just(Wait::Final), 2 => Just(Wait::Now), 1 => Just(Wait::Later)];
    let no_effect = prop::option::weighted(0.4, any::<bool>());
    (class(), wait, prop::bool::weighted(0.75), no_effect).prop_map(|(class, wait, counted, no_effect)| Failure {
        class,
        wait,
        counted,
        no_effect,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => new_job().prop_map(Step::Enqueue),
        2 => enqueue_many(),
        6 => claim(),
        2 => report().prop_map(Step::Heartbeat),
        5 => report().prop_map(Step::Complete),
        5 => (report(), failure()).prop_map(|(report, failure)| Step::Fail(report, failure)),
        1 => report().prop_map(Step::Release),
        1 => any::<u8>().prop_map(|job| Step::Cancel { job }),
        3 => any::<u8>().prop_map(|job| Step::Retry { job }),
        2 => (0..WORKERS).prop_map(|worker| Step::Crash { worker }),
        2 => (0..WORKERS).prop_map(|worker| Step::Stall { worker }),
        3 => Just(Step::Rescue),
        2 => Just(Step::PassTime),
        3 => Just(Step::Promote),
        4 => Just(Step::RunCallbacks),
        3 => (0..ORDERS, prop::bool::weighted(0.7)).prop_map(|(order, broken)| Step::Break { order, broken }),
    ]
}

/// Steps that often follow each other, so that jobs come far within a sequence.
fn episode() -> impl Strategy<Value = Vec<Step>> {
    let alone = step().prop_map(|step| vec![step]);
    let together = (claim(), report(), failure(), 0..5_u8).prop_map(|(claim, mut report, failure, what)| {
        let Step::Claim { worker, .. } = claim else { unreachable!("claim() makes claims") };
        report.worker = worker;
        match what {
            0 => vec![claim, Step::Complete(report)],
            1 => vec![claim, Step::Fail(report, failure), Step::PassTime, Step::Promote],
            2 | 3 => vec![claim, Step::Crash { worker }, Step::Rescue],
            _ => vec![claim, Step::Stall { worker }, Step::Rescue, Step::Complete(report)],
        }
    });
    prop_oneof![4 => alone, 1 => together]
}

/// A sequence; shrinking takes whole episodes out of it, and makes steps simpler.
pub(crate) fn sequence() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(episode(), 1..=40).prop_map(|episodes| episodes.concat())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forged = match self.forgery {
            Forgery::None => "",
            Forgery::WrongWorker => ", in another's name",
            Forgery::OldEpoch => ", with the epoch before",
        };
        let lost = if self.answer_lost { ", and the answer is lost" } else { "" };
        write!(f, "leases {:#05b}{forged}{lost}", self.picks)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enqueue(job) => {
                write!(f, "enqueue a {}, priority {}", job.operation.name(), job.priority)?;
                if let Some(key) = job.key {
                    write!(f, ", key {key}")?;
                }
                if let Some(rule) = job.unique {
                    write!(f, ", {}", rule.name())?;
                }
                if job.delayed {
                    write!(f, ", delayed")?;
                }
                if let Some(attempts) = job.max_attempts {
                    write!(f, ", {attempts} attempts")?;
                }
                if let Some(order) = job.order {
                    let with = match (job.on_success, job.on_failure) {
                        (true, true) => " with both callbacks",
                        (true, false) => " with on_success",
                        (false, true) => " with on_failure",
                        (false, false) => "",
                    };
                    write!(f, ", for order {order}{with}")?;
                }
                Ok(())
            }
            Self::EnqueueMany { operation, count, keys, unique, priority, delayed } => {
                let rule = unique.map_or("", Rule::name);
                let delayed = if *delayed { ", delayed" } else { "" };
                write!(f, "enqueue {count} of {} {rule}, priority {priority}, keys {keys:?}{delayed}", operation.name())
            }
            Self::Claim { worker, operations, limit, full_scan } => {
                let scan = if *full_scan { ", full scan" } else { "" };
                write!(f, "worker {worker} claims up to {limit} of operations {operations:#05b}{scan}")
            }
            Self::Heartbeat(report) => write!(f, "worker {} renews {report}", report.worker),
            Self::Complete(report) => write!(f, "worker {} completes {report}", report.worker),
            Self::Fail(report, failure) => {
                let counted = if failure.counted { "" } else { ", not counted" };
                let Failure { class, wait, .. } = failure;
                write!(f, "worker {} fails {report}: {class}, {wait:?}{counted}, {}", report.worker, failure.says())
            }
            Self::Release(report) => write!(f, "worker {} gives back {report}", report.worker),
            Self::Cancel { job } => write!(f, "cancel job {job}"),
            Self::Retry { job } => write!(f, "retry job {job}"),
            Self::Crash { worker } => write!(f, "worker {worker} dies"),
            Self::Stall { worker } => write!(f, "worker {worker} stalls"),
            Self::Rescue => write!(f, "rescue"),
            Self::PassTime => write!(f, "time passes"),
            Self::Promote => write!(f, "promote"),
            Self::RunCallbacks => write!(f, "run callbacks"),
            Self::Break { order, broken: true } => write!(f, "break order {order}"),
            Self::Break { order, broken: false } => write!(f, "mend order {order}"),
        }
    }
}
