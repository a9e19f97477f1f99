//! What follows a failed attempt: the wait before the next one, or the end.

use std::time::Duration;

use rand::Rng;
use specql_registry::{
    FailureClass,
    failure::RetryRule,
    service::{Operation, RetryPolicy},
};

use crate::runner::Failure;

/// The longest wait that a far side may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What becomes of a job whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The wait before the next attempt; `None`: there is none.
    pub(crate) retry_in: Option<Duration>,
    /// Whether the attempt is used up.
    pub(crate) counted: bool,
}

/// Judges a failed attempt by its class, the operation and the attempts left.
pub(crate) fn judge(failure: &Failure, operation: &Operation, attempt: u32, max_attempts: u32) -> Verdict {
    let rule = failure.class.retry_rule();
    if rule == RetryRule::Reschedule {
        return Verdict { retry_in: Some(wait(failure, &operation.retry, attempt)), counted: false };
    }
    let by_class = match rule {
        RetryRule::Always => true,
        RetryRule::IfIdempotent => operation.idempotent,
        RetryRule::Never | RetryRule::CallbackOnly | RetryRule::Reschedule => false,
    };
    let wanted = match failure.retry {
        // No list of status codes makes it safe to repeat what may have happened.
        Some(true) => may_widen(failure.class, operation),
        Some(false) => false,
        None => by_class,
    };
    let retry_in = (wanted && attempt < max_attempts).then(|| wait(failure, &operation.retry, attempt));
    Verdict { retry_in, counted: true }
}

/// Whether `retry_on` may turn a failure of this class into a retry.
fn may_widen(class: FailureClass, operation: &Operation) -> bool {
    match class {
        FailureClass::PermanentReported => true,
        _ => match class.retry_rule() {
            RetryRule::Always => true,
            RetryRule::IfIdempotent => operation.idempotent,
            RetryRule::Never | RetryRule::CallbackOnly | RetryRule::Reschedule => false,
        },
    }
}

/// What the far side asked for, within reason, but never less than our own wait.
fn wait(failure: &Failure, policy: &RetryPolicy, attempt: u32) -> Duration {
    let own = backoff(policy, attempt);
    failure.retry_after.map_or(own, |asked| asked.min(LONGEST_RETRY_AFTER).max(own))
}

/// Exponential, with full jitter: many jobs that failed together do not come back together.
fn backoff(policy: &RetryPolicy, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(63);
    let ceiling = policy.initial_ms.saturating_mul(1_u64 << doublings).min(policy.max_ms);
    let millis = if policy.jitter { rand::rng().random_range(0..=ceiling) } else { ceiling };
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use specql_registry::{
        Schema,
        service::{Call, Unique},
    };

    use super::*;

    fn operation(idempotent: bool) -> Operation {
        Operation {
            name: "charge".into(),
            description: None,
            input: Schema::default(),
            output: Schema::default(),
            timeout_seconds: 30,
            max_attempts: 5,
            unique: Unique::InFlight,
            idempotent,
            retry: RetryPolicy { initial_ms: 100, max_ms: 1_000, jitter: false },
            circuit_breaker: None,
            call: Call::Handler,
        }
    }

    fn verdict(class: FailureClass, idempotent: bool, attempt: u32) -> Verdict {
        judge(&Failure::new(class, "x"), &operation(idempotent), attempt, 3)
    }

    #[test]
    fn an_unknown_outcome_is_repeated_only_where_that_is_harmless() {
        let again = Verdict { retry_in: Some(Duration::from_millis(100)), counted: true };
        let over = Verdict { retry_in: None, counted: true };
        assert_eq!(verdict(FailureClass::Ambiguous, true, 1), again);
        assert_eq!(verdict(FailureClass::Ambiguous, false, 1), over);
        assert_eq!(verdict(FailureClass::NotStarted, false, 1), again);
    }

    #[test]
    fn the_last_attempt_has_no_successor() {
        assert!(verdict(FailureClass::NotStarted, true, 2).retry_in.is_some());
        assert_eq!(verdict(FailureClass::NotStarted, true, 3).retry_in, None);
    }

    #[test]
    fn what_did_not_start_uses_no_attempt_up() {
        let verdict = verdict(FailureClass::RateLimited, false, 3);
        assert!(!verdict.counted);
        assert!(verdict.retry_in.is_some());
    }

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let policy = RetryPolicy { initial_ms: 100, max_ms: 1_000, jitter: false };
        let waits: Vec<u128> = (1..=6).map(|attempt| backoff(&policy, attempt).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff(&policy, u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn jitter_never_exceeds_the_wait() {
        let policy = RetryPolicy { initial_ms: 8, max_ms: 8, jitter: true };
        assert!((0..200).all(|_| backoff(&policy, 1) <= Duration::from_millis(8)));
    }

    #[test]
    fn retry_after_is_obeyed_up_to_an_hour() {
        let asked = |seconds| {
            let failure = Failure::new(FailureClass::TransientReported, "x").retry_after(Duration::from_secs(seconds));
            judge(&failure, &operation(false), 1, 3).retry_in
        };
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(1_000_000_000), Some(LONGEST_RETRY_AFTER));
        assert_eq!(asked(0), Some(Duration::from_millis(100)), "zero must not make a hot loop");
    }

    #[test]
    fn retry_on_widens_a_reported_failure_but_never_an_unknown_outcome() {
        let listed = |class| {
            let failure = Failure { retry: Some(true), ..Failure::new(class, "x") };
            judge(&failure, &operation(false), 1, 3).retry_in.is_some()
        };
        assert!(listed(FailureClass::PermanentReported));
        assert!(!listed(FailureClass::Ambiguous));
        assert!(!listed(FailureClass::PolicyDenied));
    }
}
