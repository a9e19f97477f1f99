//! What a worker may hold in memory, in bytes: counts alone bound nothing where one input may be megabytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Inputs of claimed jobs, waiting and running, where nothing is said; and as many of outputs that wait to be written. One that is
/// larger by itself is carried out all the same.
pub(crate) const MEMORY: usize = 64 * 1024 * 1024;
/// Outputs that are written with one call. One that is larger by itself is written alone.
pub(crate) const BATCH: usize = 8 * 1024 * 1024;

/// A permit stands for so many bytes.
const UNIT: usize = 1024;

/// Room for outputs.
#[derive(Debug)]
pub(crate) struct Outputs {
    room: Arc<Semaphore>,
    units: usize,
}

impl Outputs {
    /// Of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(units)), units }
    }

    /// Waits for room, which is taken until the answer is dropped.
    pub(crate) async fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(UNIT).min(self.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        // It is never closed.
        if units == 0 { None } else { Arc::clone(&self.room).acquire_many_owned(units).await.ok() }
    }
}

/// Cuts a batch where it becomes too large, in its order.
pub(crate) fn cut<T>(items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut left = 0;
    for item in items {
        let bytes = size(&item);
        match batches.last_mut() {
            Some(batch) if bytes <= left => batch.push(item),
            _ => {
                batches.push(vec![item]);
                left = BATCH;
            }
        }
        left = left.saturating_sub(bytes);
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_batch_is_cut_where_it_becomes_too_large() {
        let half = BATCH / 2;
        let cut = cut(vec![1, half, half, half, BATCH * 3, 0, 1], |bytes| *bytes);
        assert_eq!(cut, [vec![1, half], vec![half, half], vec![BATCH * 3, 0], vec![1]]);
    }

    #[tokio::test]
    async fn outputs_wait_for_room_and_the_largest_fits() {
        let outputs = Outputs::new(MEMORY);
        let first = outputs.room_for(MEMORY * 2).await;
        assert!(first.is_some());
        assert!(outputs.room_for(0).await.is_none(), "nothing needs no room");
        let second = outputs.room_for(1);
        tokio::pin!(second);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut second).await.is_err());
        drop(first);
        assert!(second.await.is_some());
    }
}
