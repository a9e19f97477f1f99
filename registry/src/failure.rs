//! The failure classes: one enum for every runner, the queue and the user.

use serde::{Deserialize, Serialize};

/// Why an attempt did not succeed, in terms of what may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureClass {
    /// Not allowed, a bad configuration.
    PolicyDenied,
    /// The input does not fit its schema, size or type.
    InvalidInput,
    /// Proven without effect: refused connection, DNS, TLS handshake, a credential that this worker does not have.
    NotStarted,
    /// The circuit breaker was open; nothing was sent.
    BreakerOpen,
    /// A rate limit held the call back; or the far side said when to come again: 429, and 503 with `Retry-After` where repeating
    /// the call is harmless.
    RateLimited,
    /// The runner had no room; nothing was sent.
    NoCapacity,
    /// Sent, outcome unknown: a timeout after the send, a reset, 500/502/504 (408 and 503 too where repeating the call may do
    /// harm), a lost lease.
    Ambiguous,
    /// It happened, but the answer is unusable.
    EffectResultLost,
    /// The far side reported a passing failure: 425, and 408 and 503 where repeating the call is harmless.
    TransientReported,
    /// The far side reported a final failure: other 4xx.
    PermanentReported,
    /// Our deadline passed, and the work is proven ended.
    Timeout,
    /// A limit on memory, CPU, output or the like was reached.
    ResourceLimit,
    /// Ended by a signal that was not ours.
    KilledExternal,
    /// The call succeeded, its callback did not.
    CallbackFailed,
    /// Cancelled by a user.
    Cancelled,
    /// A newer call of its key made it needless before it was done: `unique: latest`.
    Superseded,
    /// Three workers died while running this job.
    Poison,
}

/// When a class may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryRule {
    /// Never.
    Never,
    /// Always, within the job's attempts.
    Always,
    /// Only where repeating the call is harmless (`idempotent`).
    IfIdempotent,
    /// Put off without counting an attempt, until `give_up_after` is over: we did not start.
    Reschedule,
    /// The callback alone is repeated, never the call.
    CallbackOnly,
}

/// What a failure says of the service, to its circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Well,
    /// It does not: too many such failures open the breaker.
    Unwell,
    /// Nothing, for it was not called.
    Unknown,
}

impl FailureClass {
    /// All classes.
    pub const ALL: [Self; 17] = [
        Self::PolicyDenied,
        Self::InvalidInput,
        Self::NotStarted,
        Self::BreakerOpen,
        Self::RateLimited,
        Self::NoCapacity,
        Self::Ambiguous,
        Self::EffectResultLost,
        Self::TransientReported,
        Self::PermanentReported,
        Self::Timeout,
        Self::ResourceLimit,
        Self::KilledExternal,
        Self::CallbackFailed,
        Self::Cancelled,
        Self::Superseded,
        Self::Poison,
    ];

    /// The name in SQL, JSON and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PolicyDenied => "policy_denied",
            Self::InvalidInput => "invalid_input",
            Self::NotStarted => "not_started",
            Self::BreakerOpen => "breaker_open",
            Self::RateLimited => "rate_limited",
            Self::NoCapacity => "no_capacity",
            Self::Ambiguous => "ambiguous",
            Self::EffectResultLost => "effect_result_lost",
            Self::TransientReported => "transient_reported",
            Self::PermanentReported => "permanent_reported",
            Self::Timeout => "timeout",
            Self::ResourceLimit => "resource_limit",
            Self::KilledExternal => "killed_external",
            Self::CallbackFailed => "callback_failed",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Poison => "poison",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// When an attempt that ended so may be repeated.
    #[must_use]
    pub const fn retry_rule(self) -> RetryRule {
        match self {
            Self::TransientReported => RetryRule::Always,
            Self::Ambiguous | Self::EffectResultLost | Self::Timeout | Self::KilledExternal => RetryRule::IfIdempotent,
            Self::NotStarted | Self::BreakerOpen | Self::RateLimited | Self::NoCapacity => RetryRule::Reschedule,
            Self::CallbackFailed => RetryRule::CallbackOnly,
            Self::PolicyDenied
            | Self::InvalidInput
            | Self::PermanentReported
            | Self::ResourceLimit
            | Self::Cancelled
            | Self::Superseded
            | Self::Poison => RetryRule::Never,
        }
    }

    /// What it says of the service, where its runner does not know better.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::NotStarted | Self::Ambiguous | Self::TransientReported | Self::Timeout | Self::KilledExternal => {
                Health::Unwell
            }
            Self::PolicyDenied
            | Self::InvalidInput
            | Self::BreakerOpen
            | Self::RateLimited
            | Self::NoCapacity
            | Self::Superseded => Health::Unknown,
            Self::EffectResultLost
            | Self::PermanentReported
            | Self::ResourceLimit
            | Self::CallbackFailed
            | Self::Cancelled
            | Self::Poison => Health::Well,
        }
    }

    /// Whether another service may take the call over, if nothing was done.
    #[must_use]
    pub const fn permits_fallback(self) -> bool {
        matches!(self, Self::NotStarted | Self::BreakerOpen | Self::RateLimited | Self::NoCapacity)
    }

    /// Whether a failure of this class alone proves that nothing happened, so that the job's uniqueness key may be given back.
    /// Of others only the runner may know it: of a refusal by HTTP, say, but not of an exit code.
    #[must_use]
    pub const fn proves_no_effect(self) -> bool {
        matches!(
            self,
            Self::PolicyDenied
                | Self::InvalidInput
                | Self::NotStarted
                | Self::BreakerOpen
                | Self::RateLimited
                | Self::NoCapacity
        )
    }
}

impl std::fmt::Display for FailureClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
