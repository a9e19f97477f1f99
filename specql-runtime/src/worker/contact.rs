//! Whether the worker may still believe in its leases.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::clock::Moment;

/// The database takes a lease back ten seconds after its last renewal; the worker stops by itself before that.
pub(crate) const FENCE_AFTER: Duration = Duration::from_secs(8);

/// When something was last known to hold: the worker of a successful heartbeat, a lease of its claim or renewal. What counts
/// is when the question was *sent*. The database's clock plays no part in it, nor does the worker's wall clock.
#[derive(Debug)]
pub(crate) struct Contact(AtomicU64);

impl Contact {
    /// Known at this moment.
    pub(crate) fn at(sent: Moment) -> Self {
        Self(AtomicU64::new(sent.as_millis()))
    }

    /// What was sent then has succeeded. An answer that arrives late does not turn the clock back.
    pub(crate) fn succeeded(&self, sent: Moment) {
        self.0.fetch_max(sent.as_millis(), Ordering::AcqRel);
    }

    /// When it stops being believed, unless it is renewed.
    pub(crate) fn fence_at(&self) -> Moment {
        Moment::from_millis(self.0.load(Ordering::Acquire)) + FENCE_AFTER
    }

    pub(crate) fn is_fresh(&self) -> bool {
        Moment::now() < self.fence_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_ends_eight_seconds_after_the_last_heartbeat_was_sent() {
        let began = Moment::from_millis(1_000);
        let contact = Contact::at(began);
        let sent = began + Duration::from_secs(3);
        contact.succeeded(sent);
        assert_eq!(contact.fence_at(), sent + FENCE_AFTER);
        // An answer that arrives late does not turn the clock back.
        contact.succeeded(began + Duration::from_secs(1));
        assert_eq!(contact.fence_at(), sent + FENCE_AFTER);
    }

    #[test]
    fn what_is_too_old_is_not_believed() {
        assert!(Contact::at(Moment::ago(FENCE_AFTER / 2)).is_fresh());
        assert!(!Contact::at(Moment::ago(FENCE_AFTER)).is_fresh());
    }
}
