//! Spreads what many workers do at intervals.

use std::time::Duration;

use rand::Rng;

/// The interval, up to a quarter shorter or longer: workers that started together do not stay together.
pub(crate) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_varies_by_a_quarter() {
        let second = Duration::from_secs(1);
        let drawn: Vec<Duration> = (0..100).map(|_| jittered(second)).collect();
        assert!(drawn.iter().all(|one| (second.mul_f64(0.75)..second.mul_f64(1.25)).contains(one)));
        assert!(drawn.iter().any(|one| *one != drawn[0]));
    }
}
