//! That the search can fail: each mistake is made in the SQL, and found.

use crate::{
    database::Change,
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
    let what = found(Change { function: "rescue", from: "l.crashes + 1 AS crashes", to: "l.crashes AS crashes" });
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
    let what = found(Change { function: "fail", from: " OR g.class = ANY (_unknown_outcomes)", to: "" });
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
