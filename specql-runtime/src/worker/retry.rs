//! What follows a failed attempt: the wait before the next one, or the end.

use std::time::Duration;

use rand::Rng;
use specql_registry::{
    FailureClass,
    failure::{Health, RetryRule},
    service::{Operation, RetryPolicy},
};

use crate::runner::Failure;

/// The shortest wait of what is put off; without one it would be handed over.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
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

/// How often a job was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    /// Which attempt this was, from 1.
    pub(crate) attempt: u32,
    /// Attempts in all.
    pub(crate) max_attempts: u32,
    /// How often in a row it was put off before.
    pub(crate) put_off: u32,
    /// It was to find out, for all, whether the service works again.
    pub(crate) probes: bool,
}

/// Judges a failed attempt by its class, the operation and the attempts left.
///
/// What was put off uses no attempt up, and ends by time, which the database knows. So is a probe that finds its service away:
/// the others wait, and it shall not pay for them.
pub(crate) fn judge(failure: &Failure, operation: &Operation, tries: Tries) -> Verdict {
    let rule = failure.class.retry_rule();
    let by_class = match rule {
        RetryRule::Always | RetryRule::Reschedule => true,
        RetryRule::IfIdempotent => operation.idempotent,
        RetryRule::Never | RetryRule::CallbackOnly => false,
    };
    let wanted = match failure.retry {
        // No list of status codes makes it safe to repeat what may have happened.
        Some(true) => by_class || failure.class == FailureClass::PermanentReported,
        Some(false) => false,
        None => by_class,
    };
    if wanted && (rule == RetryRule::Reschedule || tries.probes && failure.health == Health::Unwell) {
        let wait = wait(failure, &operation.retry, tries.put_off.saturating_add(1));
        return Verdict { retry_in: Some(wait.max(SHORTEST_WAIT)), counted: false };
    }
    let again = wanted && tries.attempt < tries.max_attempts;
    Verdict { retry_in: again.then(|| wait(failure, &operation.retry, tries.attempt)), counted: true }
}

/// Our own wait; or what the far side asked for, within reason, and up to as long again or our own wait, so that those who were
/// told the same do not come back at the same moment.
fn wait(failure: &Failure, policy: &RetryPolicy, tries: u32) -> Duration {
    let own = ceiling(policy, tries);
    let Some(asked) = failure.retry_after.map(|asked| asked.min(LONGEST_RETRY_AFTER)) else {
        return if policy.jitter { up_to(own) } else { own };
    };
    if !policy.jitter {
        return asked.max(own);
    }
    // An open breaker lets one through after the other.
    let spread = if failure.class == FailureClass::BreakerOpen { own } else { asked.max(own) };
    asked + up_to(spread)
}

/// The longest wait after so many tries: exponential.
fn ceiling(policy: &RetryPolicy, tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(63);
    Duration::from_millis(policy.initial_ms.saturating_mul(1_u64 << doublings).min(policy.max_ms))
}

/// Full jitter: many jobs that failed together do not come back together.
fn up_to(longest: Duration) -> Duration {
    longest.mul_f64(rand::rng().random_range(0.0..=1.0))
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
            give_up_after_seconds: 86_400,
            unique: Unique::InFlight,
            idempotent,
            retry: RetryPolicy { initial_ms: 100, max_ms: 1_000, jitter: false },
            circuit_breaker: None,
            call: Call::Handler,
        }
    }

    const fn tries(attempt: u32) -> Tries {
        Tries { attempt, max_attempts: 3, put_off: 0, probes: false }
    }

    fn verdict(class: FailureClass, idempotent: bool, attempt: u32) -> Verdict {
        judge(&Failure::new(class, "x"), &operation(idempotent), tries(attempt))
    }

    #[test]
    fn an_unknown_outcome_is_repeated_only_where_that_is_harmless() {
        let again = Verdict { retry_in: Some(Duration::from_millis(100)), counted: true };
        let over = Verdict { retry_in: None, counted: true };
        assert_eq!(verdict(FailureClass::Ambiguous, true, 1), again);
        assert_eq!(verdict(FailureClass::Ambiguous, false, 1), over);
        assert_eq!(verdict(FailureClass::TransientReported, false, 1), again);
    }

    #[test]
    fn the_last_attempt_has_no_successor() {
        assert!(verdict(FailureClass::TransientReported, true, 2).retry_in.is_some());
        assert_eq!(verdict(FailureClass::TransientReported, true, 3).retry_in, None);
    }

    #[test]
    fn what_did_not_start_uses_no_attempt_up() {
        use FailureClass::{BreakerOpen, NoCapacity, NotStarted, RateLimited};
        for class in [NotStarted, BreakerOpen, RateLimited, NoCapacity] {
            let verdict = verdict(class, false, 3);
            assert!(!verdict.counted && verdict.retry_in.is_some(), "{class}");
            // Unless the operation says that it is not to be repeated.
            let failure = Failure { retry: Some(false), ..Failure::new(class, "x") };
            let verdict = judge(&failure, &operation(false), tries(1));
            assert_eq!(verdict, Verdict { retry_in: None, counted: true }, "{class}");
        }
    }

    /// Its attempt does not rise, so that would be a busy loop.
    #[test]
    fn what_is_put_off_again_comes_back_ever_more_slowly() {
        let waits = [0, 1, 2, 3, 4, 5, u32::MAX].map(|put_off| {
            let failure = Failure::new(FailureClass::NoCapacity, "full");
            judge(&failure, &operation(false), Tries { put_off, ..tries(1) }).retry_in.unwrap().as_millis()
        });
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn a_probe_that_finds_its_service_away_uses_no_attempt_up() {
        let probe = |class, idempotent, put_off| {
            let tries = Tries { probes: true, put_off, ..tries(3) };
            judge(&Failure::new(class, "x"), &operation(idempotent), tries)
        };
        let put_off = Verdict { retry_in: Some(Duration::from_millis(400)), counted: false };
        let over = Verdict { retry_in: None, counted: true };
        assert_eq!(probe(FailureClass::Ambiguous, true, 2), put_off);
        assert_eq!(probe(FailureClass::TransientReported, false, 2), put_off);
        // It may have happened, and must not happen twice; and a refusal says that the service works.
        assert_eq!(probe(FailureClass::Ambiguous, false, 2), over);
        assert_eq!(probe(FailureClass::PermanentReported, true, 2), over);
        assert_eq!(probe(FailureClass::EffectResultLost, true, 2), over);
    }

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let policy = RetryPolicy { initial_ms: 100, max_ms: 1_000, jitter: false };
        let waits: Vec<u128> = (1..=6).map(|tries| ceiling(&policy, tries).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(ceiling(&policy, u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn jitter_never_exceeds_the_wait() {
        let policy = RetryPolicy { initial_ms: 8, max_ms: 8, jitter: true };
        let failure = Failure::new(FailureClass::TransientReported, "x");
        assert!((0..200).all(|_| wait(&failure, &policy, 1) <= Duration::from_millis(8)));
    }

    #[test]
    fn those_who_were_told_the_same_time_come_back_over_a_while_after_it_that_grows() {
        let policy = RetryPolicy { initial_ms: 1_000, max_ms: 600_000, jitter: true };
        let failure = Failure::new(FailureClass::RateLimited, "429").retry_after(Duration::from_secs(1));
        for (tries, longest) in [(1, 2_000), (2, 3_000), (4, 9_000)] {
            let mut waits: Vec<_> = (0..200).map(|_| wait(&failure, &policy, tries).as_millis()).collect();
            waits.sort_unstable();
            assert!(waits[0] >= 1_000 && waits[199] <= longest, "{} to {}", waits[0], waits[199]);
            assert!(waits[150] - waits[50] > (longest - 1_000) / 4, "{} to {}", waits[50], waits[150]);
        }
    }

    #[test]
    fn retry_after_is_obeyed_up_to_an_hour() {
        let asked = |seconds| {
            let failure = Failure::new(FailureClass::TransientReported, "x").retry_after(Duration::from_secs(seconds));
            judge(&failure, &operation(false), tries(1)).retry_in
        };
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(1_000_000_000), Some(LONGEST_RETRY_AFTER));
        assert_eq!(asked(0), Some(Duration::from_millis(100)), "zero must not make a hot loop");
    }

    #[test]
    fn retry_on_widens_a_reported_failure_but_never_an_unknown_outcome() {
        let listed = |class| {
            let failure = Failure { retry: Some(true), ..Failure::new(class, "x") };
            judge(&failure, &operation(false), tries(1)).retry_in.is_some()
        };
        assert!(listed(FailureClass::PermanentReported));
        assert!(!listed(FailureClass::Ambiguous));
        assert!(!listed(FailureClass::PolicyDenied));
    }
}
