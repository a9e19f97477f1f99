//! The queue's protocol, every history of it: two workers, three jobs, and up to so many faults, each at any point.
//!
//! The other tests run the SQL, one history at a time; this is a model of it, in which every order of steps is tried. That it
//! is a model of the SQL is tried, too: histories of it are done again on PostgreSQL. A
//! fault is a worker that dies, is paused or does not hear an answer, a crash of PostgreSQL that undoes claims which were
//! not on disk, a skipped notification, a callback that raises, a call of unknown outcome, and a cancel.
//!
//! `SPECQL_PROPERTY_SEED=<n>` walks through other histories, `SPECQL_PROTOCOL_HISTORIES=<n>` through more or fewer.
#![allow(clippy::print_stdout)] // how large the space was

mod properties;
mod protocol;
mod replay;
mod state;
mod tables;

use std::{collections::HashMap, env, time::Instant};

use properties::{FENCED, IN_TIME, NOTHING_LOST, ONE_CALL, ONE_EFFECT};
use protocol::{AS_DESIGNED, Protocol, Rules};
use replay::{Ended, Figures, replay};
use specql_tests::change::Change;
use stateright::{Checker, HasDiscoveries, Model as _};

/// As many as are explored within seconds in all their orders.
const FAULTS: u8 = 2;
/// As many as a history has that shows what a rule is for.
const FAULTS_OF_A_BREACH: u8 = 3;
/// A history that is done again on PostgreSQL is one of many, so it may have more.
const FAULTS_OF_A_HISTORY: u8 = 6;

#[test]
fn the_promises_hold_in_every_history() {
    let began = Instant::now();
    let checker = Protocol { faults: FAULTS, rules: AS_DESIGNED }.checker().threads(2).spawn_bfs().join();
    println!(
        "{} states ({} visits), {} steps deep, in {:.1?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    checker.assert_properties();
    assert!(checker.is_done(), "all of it was explored");
    assert!(checker.unique_state_count() > 100_000, "the model has lost most of its states");
}

/// `NOTHING_LOST` looks at the states in which nothing more can happen. That is every job's end only if each history
/// comes to such a state, that is, if none can go round in a circle.
#[test]
fn no_history_goes_round_in_a_circle() {
    #[derive(PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let protocol = Protocol { faults: 2, rules: AS_DESIGNED };
    let mut marks = HashMap::new();
    let mut path =
        protocol.init_states().into_iter().map(|state| (state, protocol.next_steps(&state))).collect::<Vec<_>>();
    marks.insert(path[0].0, Mark::Open);
    while let Some((state, next)) = path.last_mut() {
        match next.pop() {
            None => {
                marks.insert(*state, Mark::Done);
                path.pop();
            }
            Some((action, next)) => match marks.get(&next) {
                Some(Mark::Open) => panic!("{action:?} leads back to {next:#?}"),
                Some(Mark::Done) => {}
                None => {
                    marks.insert(next, Mark::Open);
                    path.push((next, protocol.next_steps(&next)));
                }
            },
        }
    }
    println!("{} states", marks.len());
}

/// The promise is broken without the rule, by the history that is printed: a shortest one.
fn breaks(rules: Rules, promise: &'static str) {
    let checker = Protocol { faults: FAULTS_OF_A_BREACH, rules }
        .checker()
        .finish_when(HasDiscoveries::AnyOf([promise].into()))
        .spawn_bfs()
        .join();
    let history = checker.discovery(promise).unwrap_or_else(|| panic!("{rules:?}: it still holds that {promise}"));
    println!("{rules:?}: it does not hold that {promise}");
    for (_, action) in history.into_vec() {
        println!("  {action:?}");
    }
}

#[test]
fn without_the_epoch_an_earlier_claim_of_the_same_worker_records_a_success() {
    breaks(Rules { compares_epoch: false, ..AS_DESIGNED }, FENCED);
}

/// A crash that undoes a claim lets the next one have the same epoch.
#[test]
fn without_the_workers_id_a_claim_that_postgresql_lost_records_a_success() {
    breaks(Rules { compares_worker: false, ..AS_DESIGNED }, FENCED);
}

#[test]
fn with_claims_that_never_wait_for_the_disk_a_call_that_may_not_be_repeated_is_made_twice() {
    breaks(Rules { flushes_claims: false, ..AS_DESIGNED }, ONE_CALL);
}

#[test]
fn without_the_idle_poll_a_job_is_left_lying_when_its_notification_is_skipped() {
    breaks(Rules { idle_poll: false, ..AS_DESIGNED }, NOTHING_LOST);
}

#[test]
fn without_the_linger_poll_an_active_worker_leaves_a_job_to_its_idle_poll() {
    breaks(Rules { linger_poll: false, ..AS_DESIGNED }, IN_TIME);
}

#[test]
fn without_the_rollback_of_a_callback_that_raises_its_effect_is_there_twice() {
    breaks(Rules { rolls_back_callbacks: false, ..AS_DESIGNED }, ONE_EFFECT);
}

/// Each of these must come about in the histories, or they prove nothing about it.
const MUST_HAPPEN: [&str; 16] = [
    "claimed",
    "claim not heard of",
    "claim on disk",
    "claim not on disk",
    "claim undone by a crash",
    "completed",
    "callback_waiting",
    "callback repeated",
    "retrying",
    "failed",
    "cancelled",
    "cancelling",
    "fenced",
    "heartbeat",
    "rescued",
    "told",
];

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn postgresql_does_and_answers_what_the_model_does_in_its_histories() {
    let began = Instant::now();
    let seed = setting("SPECQL_PROPERTY_SEED", 1);
    let histories = u32::try_from(setting("SPECQL_PROTOCOL_HISTORIES", 200)).expect("fewer than 2^32 histories");
    println!("SPECQL_PROPERTY_SEED={seed}");
    let halves: Vec<_> = [2 * seed, 2 * seed + 1]
        .into_iter()
        .map(|seed| {
            std::thread::spawn(move || {
                replay(&Protocol { faults: FAULTS_OF_A_HISTORY, rules: AS_DESIGNED }, seed, histories.div_ceil(2), None)
            })
        })
        .collect();
    let mut sum = Figures::new();
    for half in halves {
        match half.join().expect("no panic").expect("a database") {
            Ended::Alike(figures) => {
                figures.into_iter().for_each(|(what, count)| *sum.entry(what).or_default() += count)
            }
            Ended::Apart(what) => panic!("{what}"),
        }
    }
    println!("{histories} histories in {:.1?}: {sum:?}", began.elapsed());
    for what in MUST_HAPPEN {
        assert!(sum.contains_key(what), "no history has: {what}");
    }
}

/// Model and SQL are found to differ: where, is printed.
fn differ(rules: Rules, change: Option<Change<'_>>) -> String {
    match replay(&Protocol { faults: FAULTS_OF_A_HISTORY, rules }, 1, 200, change.as_ref()).expect("a database") {
        Ended::Alike(figures) => panic!("{rules:?} and {change:?} were taken for the same: {figures:?}"),
        Ended::Apart(what) => {
            println!("{what}");
            what
        }
    }
}

#[test]
fn sql_that_does_not_compare_the_epoch_is_not_what_the_model_says() {
    let change = Change { function: "complete_called", from: " AND l.epoch = g.epoch", to: "" };
    let what = differ(AS_DESIGNED, Some(change));
    assert!(what.contains("which is not its lease") || what.contains("should be `fenced`"), "{what}");
}

#[test]
fn sql_that_claims_without_the_disk_is_not_what_the_model_says() {
    let change = Change { function: "claim", from: "bool_and(c.idempotent)", to: "bool_and(true)" };
    let what = differ(AS_DESIGNED, Some(change));
    assert!(what.contains("the claim waits for the disk: false, not true"), "{what}");
}

#[test]
fn sql_that_rescues_without_counting_crashes_is_not_what_the_model_says() {
    let change = Change {
        function: "rescue",
        from: "coalesce(l.crashes, 0) + 1 AS crashes",
        to: "coalesce(l.crashes, 0) AS crashes",
    };
    let what = differ(AS_DESIGNED, Some(change));
    assert!(what.contains("crashes"), "{what}");
}

#[test]
fn sql_that_never_notifies_is_not_what_the_model_says() {
    let notify = "pg_catalog.pg_notify('jobs_ready', '')";
    let change = Change { function: "wake_workers", from: notify, to: "pg_catalog.pg_sleep(0)" };
    let what = differ(AS_DESIGNED, Some(change));
    assert!(what.contains("nobody was woken"), "{what}");
}

/// The other way round: a model that is wrong is found by the SQL.
#[test]
fn a_model_that_does_not_compare_the_epoch_is_not_what_the_sql_does() {
    let what = differ(Rules { compares_epoch: false, ..AS_DESIGNED }, None);
    assert!(what.contains("the answer is `fenced`"), "{what}");
}
