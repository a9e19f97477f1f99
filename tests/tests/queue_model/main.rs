//! The queue's SQL against a model of what it should do, in random sequences of everything that can happen to a job.
//!
//! `SPECQL_PROPERTY_SEED=<n>` begins with another seed, `SPECQL_PROPERTY_SEQUENCES=<n>` makes more or fewer. A sequence that
//! shows a difference is printed cut down, with what was answered to each step.
//!
//! | file | holds |
//! |---|---|
//! | `step` | what can happen, and how often |
//! | `model`, `life`, `job` | what should come of it |
//! | `database` | the same steps in SQL, and where each job then stands |
//! | `invariants` | what holds at the end, by the tables alone |
//! | `search` | one beside the other, and shrinking |
//! | `mutations` | that a mistake in the SQL is found |
#![allow(clippy::unwrap_used, clippy::print_stdout)] // helpers that cannot go on end their test; how much was tried

mod database;
mod invariants;
mod job;
mod life;
mod model;
mod mutations;
mod search;
mod step;

use std::{env, time::Instant};

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
