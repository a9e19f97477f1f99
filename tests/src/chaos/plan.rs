//! What goes wrong, and when: drawn from a seed, so that a run can be had again.

use std::{fmt, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::proxy::Fault;

/// Workers at work.
pub const WORKERS: usize = 3;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// `kill -9` of a worker, which is started again after that time.
    Kill {
        /// Which.
        worker: usize,
        /// How long it is away.
        away: Duration,
    },
    /// A worker is stopped and goes on after that time, as on a machine that is suspended.
    Pause {
        /// Which.
        worker: usize,
        /// How long.
        time: Duration,
    },
    /// Sessions are terminated: one of so many, of workers and producers alike.
    Backends {
        /// 1: all of them.
        one_of: i32,
    },
    /// The network between a worker and PostgreSQL.
    Network {
        /// Which.
        worker: usize,
        /// What it does.
        fault: Fault,
        /// How long.
        time: Duration,
    },
    /// The network between all workers and PostgreSQL.
    Networks {
        /// What it does.
        fault: Fault,
        /// How long.
        time: Duration,
    },
    /// One connection of a worker passes nothing on, and all others go on.
    Stall {
        /// Which worker.
        worker: usize,
        /// What the connection is for: its `application_name`.
        connection: &'static str,
        /// How long.
        time: Duration,
    },
    /// A transaction of somebody else holds rows that callbacks want.
    Rows {
        /// How long.
        time: Duration,
    },
    /// A transaction of somebody else has cancelled jobs that run, and stays open.
    Cancel {
        /// How long.
        time: Duration,
        /// Whether it is committed then, and not rolled back.
        commit: bool,
    },
    /// PostgreSQL is shut down and started.
    Restart,
    /// PostgreSQL is killed and started.
    Crash,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { worker, away } => write!(f, "worker {worker}: kill -9, back after {away:?}"),
            Self::Pause { worker, time } => write!(f, "worker {worker}: paused for {time:?}"),
            Self::Backends { one_of: 1 } => write!(f, "PostgreSQL: all sessions terminated"),
            Self::Backends { one_of } => write!(f, "PostgreSQL: one of {one_of} sessions terminated"),
            Self::Network { worker, fault, time } => write!(f, "worker {worker}: network {fault:?} for {time:?}"),
            Self::Networks { fault, time } => write!(f, "all workers: network {fault:?} for {time:?}"),
            Self::Stall { worker, connection, time } => {
                write!(f, "worker {worker}: a connection `{connection}` stalls for {time:?}")
            }
            Self::Rows { time } => write!(f, "a transaction holds rows of callbacks for {time:?}"),
            Self::Cancel { time, commit } => {
                let end = if *commit { "committed" } else { "rolled back" };
                write!(f, "a transaction cancels running jobs, and is {end} after {time:?}")
            }
            Self::Restart => write!(f, "PostgreSQL: restart"),
            Self::Crash => write!(f, "PostgreSQL: crash"),
        }
    }
}

/// What a worker's connections are for.
const CONNECTIONS: [&str; 6] =
    ["specql claim", "specql finish", "specql heartbeat", "specql rescue", "specql control", "specql listen"];
/// A worker whose network works again may need so long until it has noticed which of its connections are dead.
pub(super) const NOTICES: Duration = Duration::from_secs(5);

/// The events of a run of that length, each with its time. At any time one worker at least is neither paused nor cut off, so
/// that there is one that can take over; but for the times at which all are.
#[must_use]
pub fn draw(seed: u64, length: Duration) -> Vec<(Duration, Event)> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut plan, mut deck) = (Vec::new(), Vec::new());
    let mut until = Until::default();
    let mut at = Duration::from_millis(1_000);
    while at < length {
        if deck.is_empty() {
            deck = shuffled_deck(&mut random);
        }
        plan.extend(deck.pop().map(|event| (at, sparing_one(event, at, &mut until))));
        at += Duration::from_millis(random.random_range(200..2_200));
    }
    plan
}

/// Until when workers are in trouble.
#[derive(Default)]
struct Until {
    /// Paused, or cut off.
    cut: [Duration; WORKERS],
    /// That, or killed and not back; and for as long as it takes to notice.
    unwell: [Duration; WORKERS],
}

/// The event, of another worker where it would meet the last that is not cut off, or the last that is well.
fn sparing_one(mut event: Event, at: Duration, until: &mut Until) -> Event {
    if let Event::Kill { worker, away } = event {
        until.unwell[worker] = until.unwell[worker].max(at + away + NOTICES);
    }
    let (Event::Pause { worker, time } | Event::Network { worker, time, .. } | Event::Stall { worker, time, .. }) =
        &mut event
    else {
        return event;
    };
    let is_last = |until: &[Duration; WORKERS]| {
        until[*worker] <= at && (0..WORKERS).all(|other| other == *worker || until[other] > at)
    };
    if is_last(&until.cut) || is_last(&until.unwell) {
        *worker = (*worker + 1) % WORKERS;
    }
    until.cut[*worker] = until.cut[*worker].max(at + *time);
    until.unwell[*worker] = until.unwell[*worker].max(at + *time + NOTICES);
    event
}

/// Each kind at least once, so that even a short run meets them all.
fn shuffled_deck(random: &mut StdRng) -> Vec<Event> {
    let millis = |random: &mut StdRng, from, to| Duration::from_millis(random.random_range(from..to));
    let worker = |random: &mut StdRng| random.random_range(0..WORKERS);
    let mut deck = vec![Event::Restart, Event::Crash];
    for _ in 0..4 {
        deck.push(Event::Kill { worker: worker(random), away: millis(random, 0, 2_000) });
    }
    for time in [(100, 2_000), (9_000, 14_000)] {
        deck.push(Event::Pause { worker: worker(random), time: millis(random, time.0, time.1) });
    }
    for one_of in [1, 2, 5] {
        deck.push(Event::Backends { one_of });
    }
    let delay = Fault::Delay(millis(random, 5, 400));
    let cuts = [random.random_range(0..50), random.random_range(50..5_000)].map(Fault::CutAfter);
    for fault in [Fault::BlackHole, Fault::BlackHole, delay, Fault::Reset, cuts[0], cuts[1], Fault::ReadOnly] {
        deck.push(Event::Network { worker: worker(random), fault, time: millis(random, 200, 12_000) });
    }
    // Longer than workers believe in their leases.
    deck.push(Event::Networks { fault: Fault::BlackHole, time: millis(random, 8_500, 11_000) });
    deck.push(Event::Networks { fault: Fault::ReadOnly, time: millis(random, 500, 5_000) });
    for _ in 0..3 {
        let connection = CONNECTIONS[random.random_range(0..CONNECTIONS.len())];
        deck.push(Event::Stall { worker: worker(random), connection, time: millis(random, 1_000, 20_000) });
    }
    for _ in 0..2 {
        deck.push(Event::Rows { time: millis(random, 1_000, 20_000) });
    }
    for commit in [false, true] {
        deck.push(Event::Cancel { time: millis(random, 1_000, 15_000), commit });
    }
    deck.shuffle(random);
    deck
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_is_always_well() {
        for seed in 0..50 {
            let plan = draw(seed, Duration::from_secs(600));
            let disturbed = |worker: usize, at: Duration| {
                plan.iter().any(|(from, event)| {
                    let (Event::Pause { worker: who, time }
                    | Event::Network { worker: who, time, .. }
                    | Event::Stall { worker: who, time, .. }) = event
                    else {
                        return false;
                    };
                    *who == worker && *from <= at && at < *from + *time
                })
            };
            for (at, _) in &plan {
                assert!((0..WORKERS).any(|worker| !disturbed(worker, *at)), "seed {seed}: none is well at {at:?}");
            }
        }
    }

    #[test]
    fn a_seed_draws_the_same_plan_again_and_a_short_one_has_every_kind() {
        let plan = draw(7, Duration::from_secs(45));
        assert_eq!(plan, draw(7, Duration::from_secs(45)));
        assert_ne!(plan, draw(8, Duration::from_secs(45)));
        let has = |kind: fn(&Event) -> bool| plan.iter().any(|(_, event)| kind(event));
        assert!(has(|event| matches!(event, Event::Kill { .. })));
        assert!(has(|event| matches!(event, Event::Pause { .. })));
        assert!(has(|event| matches!(event, Event::Backends { .. })));
        assert!(has(|event| matches!(event, Event::Network { fault: Fault::BlackHole, .. })));
        assert!(
            has(|event| matches!(event, Event::Networks { .. })) && has(|event| matches!(event, Event::Stall { .. }))
        );
        assert!(has(|event| matches!(event, Event::Rows { .. })) && has(|event| matches!(event, Event::Cancel { .. })));
        assert!(has(|event| matches!(event, Event::Restart)) && has(|event| matches!(event, Event::Crash)));
    }
}
