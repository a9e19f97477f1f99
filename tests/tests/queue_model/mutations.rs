//! That the search can fail: each mistake is made in the SQL, and found.

use std::time::Duration;

use specql_tests::change::Change;

use crate::{
    concurrent::{Run, run},
    search::{Found, search},
};

/// Many times what any of these mistakes needs to show itself.
const SEQUENCES: u32 = 500;

/// The shortest sequence that shows the mistake, printed, as those who read a failure will see it.
fn found(change: Change<'_>) -> String {
    match search(1, SEQUENCES, Some(&change)).unwrap() {
        Found::Nothing(figures) => panic!("{change:?} was not found: {figures:?}"),
        Found::Difference(steps, what) => {
            println!("{change:?} was found with {} steps:\n{what}", steps.len());
            what
        }
    }
}

#[test]
fn a_completion_that_does_not_compare_the_epoch_is_found() {
    let change = Change { function: "complete_plain", from: " AND l.epoch = g.epoch", to: "" };
    let what = found(change);
    assert!(what.contains("fenced"), "{what}");
}

#[test]
fn a_rescue_that_does_not_count_crashes_is_found() {
    let what = found(Change {
        function: "rescue",
        from: "coalesce(l.crashes, 0) + 1 AS crashes",
        to: "coalesce(l.crashes, 0) AS crashes",
    });
    assert!(what.contains("crashes"), "{what}");
}

#[test]
fn a_key_given_back_after_a_failure_that_proves_nothing_is_found() {
    let to = "'policy_denied', 'resource_limit'";
    let what = found(Change { function: "proves_no_effect", from: "'policy_denied'", to });
    assert!(what.contains("resource_limit"), "{what}");
}

#[test]
fn a_worker_that_is_believed_to_know_an_unknown_outcome_is_found() {
    let what = found(Change { function: "judge_failures", from: " OR g.class = ANY (_unknown_outcomes)", to: "" });
    assert!(what.contains("effect f"), "{what}");
}

#[test]
fn a_promotion_that_forgets_how_often_a_job_was_put_off_is_found() {
    let what =
        found(Change { function: "promote", from: "t.effect_possible, t.put_off,", to: "t.effect_possible, 0," });
    assert!(what.contains("put off"), "{what}");
}

#[test]
fn a_callback_that_runs_twice_is_found() {
    let call = "EXECUTE format('SELECT %I.%I($1, $2)', _schema, _function) USING _job_run_id, _result;";
    let what = found(Change { function: "call_callback", from: call, to: &format!("{call} {call}") });
    assert!(what.contains("effects 2/0") || what.contains("effects 0/2"), "{what}");
}

/// Many times what users at the same time need to show any of these mistakes.
const AT_ONCE: Duration = Duration::from_secs(120);

fn found_at_once(change: Change<'_>) -> String {
    match run(1, AT_ONCE, Some(&change)).unwrap() {
        Run::Right { rounds, figures } => panic!("{change:?} was not found in {rounds} rounds: {figures:?}"),
        Run::Wrong(what) => {
            println!("{change:?} was found:\n{what}");
            what
        }
    }
}

#[test]
fn a_job_that_begins_to_wait_while_the_earlier_one_ends_and_is_forgotten_is_found() {
    let what = found_at_once(Change { function: "promote", from: "PERFORM jobs.start_followers();", to: "" });
    assert!(what.contains("wait for the end of jobs that have ended"), "{what}");
}

#[test]
fn a_newer_call_that_does_not_wait_for_the_earlier_one_is_found() {
    let change =
        Change { function: "take_over", from: "IF jobs.outcome_of(_earlier) IS NULL THEN", to: "IF false THEN" };
    let what = found_at_once(change);
    assert!(what.contains("jobs of one key never run at the same time"), "{what}");
}

#[test]
fn a_release_that_looks_for_a_cancel_without_a_lock_is_found() {
    let what = found_at_once(Change {
        function: "release",
        from: "SELECT l.held INTO STRICT _held FROM jobs.lock_leases(_worker, _pks, _epochs, _answer_busy) AS l;",
        to: "_held := ARRAY(SELECT l.pk_job_run FROM unnest(_pks, _epochs) AS g (pk, epoch)
            JOIN jobs.tb_job_lease AS l ON l.pk_job_run = g.pk AND l.epoch = g.epoch AND l.worker_code = jobs.code_of(_worker));",
    });
    assert!(what.contains("began again after their cancel was promised"), "{what}");
}
