//! The hands that a worker has for its schedules.
//!
//! One hand looks, and makes the calls one after another. While a call takes long, because it has much to do or waits for a lock,
//! another hand goes on from where the first one was. So a slow call holds up its own schedule and tenant only, and as long as no
//! call is slow, one connection is enough.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{scheduled_tenants::Tenants, scheduler::Rules};
use crate::queue::Link;

/// So many calls of schedules may be under way at once.
pub(super) const HANDS: u8 = 4;
/// After so long a call is slow.
const SLOW: Duration = Duration::from_secs(1);

/// What whoever looks knows from before.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(super) rules: Rules,
    pub(super) tenants: Tenants,
}

/// How a look ended.
#[derive(Debug)]
pub(super) enum Round {
    /// It is over, and there is more to be done for tenants, or not.
    Looked { more: bool },
    /// A call of it was slow, and another hand goes on.
    HandedOn,
    /// A call that this hand waits for no longer still runs.
    Busy,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Hand {
    known: Arc<Mutex<Known>>,
    turn: Option<OwnedMutexGuard<Known>>,
    name: Uuid,
}

impl Hand {
    /// The hand of this number of a worker.
    pub(crate) fn new(known: &Arc<Mutex<Known>>, worker: Uuid, number: u8) -> Self {
        let name = Uuid::from_u128(worker.as_u128() ^ u128::from(number));
        Self { known: Arc::clone(known), turn: None, name }
    }

    /// The name under which it runs one tenant's call at a time.
    pub(super) const fn name(&self) -> Uuid {
        self.name
    }

    pub(super) const fn has_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits until it is this hand that looks, without a connection. False where the worker stops before.
    pub(super) async fn take_turn(&mut self, link: &mut Link, stopping: &CancellationToken) -> bool {
        if self.turn.is_none() {
            let known = Arc::clone(&self.known);
            self.turn = known.try_lock_owned().ok();
        }
        if self.turn.is_none() {
            link.close().await;
            tokio::select! {
                turn = Arc::clone(&self.known).lock_owned() => self.turn = Some(turn),
                () = stopping.cancelled() => {}
            }
        }
        self.turn.is_some()
    }

    /// Lets another hand look.
    pub(super) fn hand_on(&mut self) {
        self.turn = None;
    }

    /// What is known to the hand that looks.
    pub(super) fn looks(&mut self) -> &mut Known {
        self.turn.as_mut().expect("a round ends with its turn")
    }

    /// The answer of a call. Where it takes long, this hand's turn is over.
    pub(super) async fn call<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        if let Ok(answer) = timeout(SLOW, &mut answer).await {
            return answer;
        }
        self.hand_on();
        answer.await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_slow_call_lets_the_next_hand_look() {
        let (known, stopping) = (Arc::default(), CancellationToken::new());
        let mut link = Link::new(&sqlx::postgres::PgConnectOptions::new(), "test", SLOW);
        let [mut first, mut second] = [0, 1].map(|number| Hand::new(&known, Uuid::nil(), number));
        assert_ne!(first.name(), second.name());
        assert!(first.take_turn(&mut link, &stopping).await);
        first.call(std::future::ready(())).await;
        assert!(first.has_turn(), "it was quick");
        let began = Instant::now();
        let slow = first.call(tokio::time::sleep(SLOW * 3));
        let looks = async {
            assert!(second.take_turn(&mut link, &stopping).await);
            began.elapsed()
        };
        let ((), waited) = tokio::join!(slow, looks);
        assert!(waited < SLOW * 2, "{waited:?}");
        assert!(!first.has_turn());
        stopping.cancel();
        let mut other = Link::new(&sqlx::postgres::PgConnectOptions::new(), "test", SLOW);
        assert!(!first.take_turn(&mut other, &stopping).await, "the second one has it");
    }
}
