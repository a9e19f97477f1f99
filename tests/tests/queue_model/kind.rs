//! What a user of the queue does, how often, and what it may be told.

use specql_tests::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A generated action: it changes its order, and queues a call for it.
    Act,
    Enqueue,
    EnqueueMany,
    Claim,
    Heartbeat,
    Complete,
    Fail,
    Release,
    Cancel,
    Retry,
    Stall,
    Rescue,
    PassTime,
    Promote,
    RunCallbacks,
    LockOrder,
    Break,
}

const OFTEN: [(Kind, usize); 17] = [
    (Kind::Act, 7),
    (Kind::Enqueue, 2),
    (Kind::EnqueueMany, 1),
    (Kind::Claim, 7),
    (Kind::Heartbeat, 2),
    (Kind::Complete, 5),
    (Kind::Fail, 4),
    (Kind::Release, 3),
    (Kind::Cancel, 4),
    (Kind::Retry, 4),
    (Kind::Stall, 1),
    (Kind::Rescue, 2),
    (Kind::PassTime, 2),
    (Kind::Promote, 3),
    (Kind::RunCallbacks, 3),
    (Kind::LockOrder, 1),
    (Kind::Break, 1),
];

impl Kind {
    pub(crate) fn any(random: &mut Random) -> Self {
        let mut left = random.below(OFTEN.iter().map(|(_, often)| often).sum());
        for (kind, often) in OFTEN {
            if left < often {
                return kind;
            }
            left -= often;
        }
        Self::Claim
    }

    /// Whether the queue may refuse this so; anything else that it raises is a mistake.
    pub(crate) fn may_raise(self, code: &str) -> bool {
        match self {
            // A key that the caller chose, with another input.
            Self::Enqueue | Self::EnqueueMany => code == "SQ001",
            Self::Retry => code == "SQ409",
            // Somebody holds the lease; nothing was done, and the worker says it again.
            Self::Complete | Self::Fail | Self::Release | Self::Cancel => code == "55P03",
            // A job was touched between the look at it and its taking. Nothing was claimed.
            Self::Claim => code == "55P03",
            _ => false,
        }
    }
}
