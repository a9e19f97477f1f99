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
            Self::Restart => write!(f, "PostgreSQL: restart"),
            Self::Crash => write!(f, "PostgreSQL: crash"),
        }
    }
}

/// The events of a run of that length, each with its time.
#[must_use]
pub fn draw(seed: u64, length: Duration) -> Vec<(Duration, Event)> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut plan, mut deck) = (Vec::new(), Vec::new());
    let mut at = Duration::from_millis(1_000);
    while at < length {
        if deck.is_empty() {
            deck = shuffled_deck(&mut random);
        }
        plan.extend(deck.pop().map(|event| (at, event)));
        at += Duration::from_millis(random.random_range(200..2_200));
    }
    plan
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
    for fault in [Fault::BlackHole, Fault::BlackHole, delay, Fault::Reset, cuts[0], cuts[1]] {
        deck.push(Event::Network { worker: worker(random), fault, time: millis(random, 200, 12_000) });
    }
    deck.shuffle(random);
    deck
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(has(|event| matches!(event, Event::Restart)) && has(|event| matches!(event, Event::Crash)));
    }
}
