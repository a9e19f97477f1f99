//! What holds calls back: limits over all workers, and circuit breakers.

use serde::{Deserialize, Serialize};

/// What the jobs of a service may do over all workers together. An absent limit does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Jobs that may run at once.
    pub concurrency: Option<u32>,
    /// How often a job may start.
    pub rate: Option<Rate>,
}

/// So many starts in so long. They are spaced evenly; after a quiet time a tenth of them may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Starts, 1 or more.
    pub starts: u32,
    /// Milliseconds: a second, a minute, an hour.
    pub period_ms: u32,
}

/// When the calls of an operation stop for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// How many of the latest calls are looked at.
    pub window: u32,
    /// Of fewer calls nothing is concluded.
    pub minimum_calls: u32,
    /// Percent of calls that fail, 1 to 100, at which it opens.
    pub failure_rate: u32,
    /// Milliseconds that it stays open at first; doubled with each probe that fails.
    pub open_for_ms: u64,
    /// Milliseconds that it stays open at most.
    pub max_open_ms: u64,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { window: 20, minimum_calls: 5, failure_rate: 50, open_for_ms: 30_000, max_open_ms: 300_000 }
    }
}

impl std::str::FromStr for Rate {
    type Err = ();

    /// `100/s`, `20/m`, `5/h`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (starts, unit) = text.split_once('/').ok_or(())?;
        let period_ms = match unit.trim() {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(()),
        };
        let starts = starts.trim().parse().map_err(|_| ())?;
        if starts == 0 { Err(()) } else { Ok(Self { starts, period_ms }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_over_a_unit() {
        assert_eq!("100/s".parse(), Ok(Rate { starts: 100, period_ms: 1_000 }));
        assert_eq!("5 / h".parse(), Ok(Rate { starts: 5, period_ms: 3_600_000 }));
        for wrong in ["", "100", "0/s", "-1/s", "1/d", "1.5/s", "/s", "5000000000/s"] {
            assert_eq!(wrong.parse::<Rate>(), Err(()), "{wrong}");
        }
    }
}
