//! Whether the worker may still believe in its leases.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The database takes a lease back ten seconds after its last renewal; the worker stops by itself before that.
pub(crate) const FENCE_AFTER: Duration = Duration::from_secs(8);

/// When the last successful heartbeat was sent. The database's clock plays no part in it, nor does the worker's wall
/// clock.
#[derive(Debug)]
pub(crate) struct Contact {
    origin: Instant,
    last_millis: AtomicU64,
}

impl Contact {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), last_millis: AtomicU64::new(0) }
    }

    /// A heartbeat that was sent then has succeeded.
    pub(crate) fn succeeded(&self, sent: Instant) {
        let millis = u64::try_from(sent.duration_since(self.origin).as_millis()).unwrap_or(u64::MAX);
        self.last_millis.fetch_max(millis, Ordering::AcqRel);
    }

    /// When the leases stop being believed, unless another heartbeat succeeds.
    pub(crate) fn fence_at(&self) -> Instant {
        self.origin + Duration::from_millis(self.last_millis.load(Ordering::Acquire)) + FENCE_AFTER
    }

    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.fence_at()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_ends_eight_seconds_after_the_last_heartbeat_was_sent() {
        let contact = Contact::new();
        let sent = contact.origin + Duration::from_secs(3);
        contact.succeeded(sent);
        assert_eq!(contact.fence_at(), sent + FENCE_AFTER);
        // An answer that arrives late does not turn the clock back.
        contact.succeeded(contact.origin + Duration::from_secs(1));
        assert_eq!(contact.fence_at(), sent + FENCE_AFTER);
    }
}
