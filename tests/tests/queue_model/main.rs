//! The queue's SQL against a model of what it should do, in random sequences of everything that can happen to a job; and
//! sequences of several users at the same time, after which no invariant may be broken.
//!
//! `SPECQL_PROPERTY_SEED=<n>` begins with another seed, `SPECQL_PROPERTY_SEQUENCES=<n>` makes more or fewer sequences of one
//! user, `SPECQL_PROPERTY_SECONDS=<n>` gives those of several users more time or less. A sequence of one user that
//! shows a difference is printed cut down, with what was answered to each step.
//!
//! | file | holds |
//! |---|---|
//! | `step` | what can happen, and how often |
//! | `model`, `life`, `job` | what should come of it |
//! | `database` | the same steps in SQL, and where each job then stands |
//! | `invariants` | what holds at the end, by the tables alone |
//! | `search` | one beside the other, and shrinking |
//! | `kind`, `actor`, `concurrent` | several users, each with its own connection, its locks and its delays |
//! | `ledger` | what they were told, and whether it was true |
//! | `mutations` | that a mistake in the SQL is found |
#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers that cannot go on end their test; how much was tried

mod actor;
mod concurrent;
mod database;
mod invariants;
mod job;
mod kind;
mod ledger;
mod life;
mod model;
mod mutations;
mod search;
mod step;

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use concurrent::Run;
use search::{Figures, Found, search};

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Each of these must come about in a run, or it proves nothing about it.
const MUST_HAPPEN: [&str; 15] = [
    "queued",
    "duplicate",
    "claimed",
    "completed",
    "callback_waiting",
    "retrying",
    "failed",
    "cancelled",
    "cancelling",
    "finished",
    "fenced",
    "SQ409",
    "ambiguous",
    "poison",
    "callback_failed",
];

#[test]
fn random_sequences_leave_the_queue_as_the_model_says_and_break_no_invariant() {
    let began = Instant::now();
    let seed = setting("SPECQL_PROPERTY_SEED", 1);
    let sequences = u32::try_from(setting("SPECQL_PROPERTY_SEQUENCES", 1_000)).unwrap();
    // A database for each half, for one connection keeps one core busy.
    let halves: Vec<_> = [sequences.div_ceil(2), sequences / 2]
        .into_iter()
        .zip([seed.wrapping_mul(2), seed.wrapping_mul(2).wrapping_add(1)])
        .map(|(sequences, seed)| std::thread::spawn(move || search(seed, sequences, None)))
        .collect();
    let mut sum = Figures::default();
    for half in halves {
        match half.join().unwrap().unwrap() {
            Found::Nothing(figures) => sum.add(figures),
            Found::Difference(steps, what) => panic!("seed {seed}, {} steps:\n{what}", steps.len()),
        }
    }
    println!("{} sequences, {} steps in {:.0?}: {:?}", sum.sequences, sum.steps, began.elapsed(), sum.answers);
    assert_eq!(sum.sequences, sequences);
    for answer in MUST_HAPPEN {
        assert!(sum.answers.contains_key(answer), "nothing came to `{answer}`");
    }
}

/// The same for several users at once.
const MUST_HAPPEN_AT_ONCE: [&str; 16] = [
    "queued",
    "duplicate",
    "claimed",
    "completed",
    "callback_waiting",
    "retrying",
    "failed",
    "cancelled",
    "cancelling",
    "finished",
    "fenced",
    "released",
    "retried",
    "SQ409",
    "SQ001",
    "longest ms",
];

#[test]
fn users_at_the_same_time_break_no_invariant_and_wait_for_nobody_for_long() {
    let seed = setting("SPECQL_PROPERTY_SEED", 1);
    let time = Duration::from_secs(setting("SPECQL_PROPERTY_SECONDS", 20));
    println!("SPECQL_PROPERTY_SEED={seed}");
    // Two queues, for their users wait most of the time.
    let halves = [2 * seed, 2 * seed + 1].map(|seed| std::thread::spawn(move || concurrent::run(seed, time, None)));
    let mut sum: BTreeMap<String, u32> = BTreeMap::new();
    for half in halves {
        match half.join().unwrap().unwrap() {
            Run::Wrong(what) => panic!("{what}"),
            Run::Right { rounds, figures } => {
                println!("{rounds} rounds: {figures:?}");
                figures.into_iter().for_each(|(answer, count)| *sum.entry(answer).or_default() += count);
            }
        }
    }
    for answer in MUST_HAPPEN_AT_ONCE {
        assert!(sum.contains_key(answer), "nothing came to `{answer}`");
    }
}
