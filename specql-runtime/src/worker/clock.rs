//! A clock that runs on while the machine is suspended: a lease does too, in the database.
//!
//! On Linux it is `CLOCK_BOOTTIME`. Elsewhere it is the clock of [`std::time::Instant`], which stands still in a suspended
//! machine on some systems: there, what a worker did before it was suspended may go on until its next heartbeat.

use std::time::Duration;

/// A point in time of this clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        // Neither is ever negative.
        Self(Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default()))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn now() -> Self {
        static ORIGIN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
        Self(ORIGIN.elapsed())
    }

    /// How long ago that was.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    /// How long it is until then; nothing, where it is over.
    pub(crate) fn remaining(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    /// For an atomic.
    pub(crate) fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

#[cfg(test)]
impl Moment {
    /// So long ago.
    pub(crate) fn ago(duration: Duration) -> Self {
        Self(Self::now().0.saturating_sub(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let before = Moment::now();
        std::thread::sleep(Duration::from_millis(5));
        assert!(before.elapsed() >= Duration::from_millis(5));
        assert!(Moment::now() > before);
        assert_eq!(before.remaining(), Duration::ZERO);
        assert!((Moment::now() + Duration::from_secs(60)).remaining() > Duration::from_secs(50));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_counts_from_the_machines_start_with_its_sleep() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let difference = (Moment::now().0.as_secs_f64() - uptime).abs();
        assert!(difference < 5.0, "{difference} s");
    }
}
