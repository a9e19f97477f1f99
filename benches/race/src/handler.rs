//! The job, the same for all: it counts, and where a workload says so it takes the time or writes a row.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::Notify;

/// What a job carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// Which one: also the row that a callback writes.
    pub(crate) n: i64,
    /// When its enqueuing began, in microseconds since 1970: processes of one machine share the clock.
    pub(crate) sent: i64,
}

impl Payload {
    pub(crate) fn now(n: i64) -> Self {
        Self { n, sent: micros() }
    }
}

fn micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(now.as_micros()).expect("the clock is before the year 290000")
}

/// Called by a contender for each job.
#[derive(Clone)]
pub(crate) struct Handler(Arc<State>);

#[derive(Default)]
struct State {
    calls: AtomicU64,
    first: OnceLock<Instant>,
    called: Notify,
    /// How long each job took since its enqueuing began, where that is wanted.
    latencies: Option<Mutex<Vec<Duration>>>,
    /// Where the handler writes its job's row itself.
    rows: Option<PgPool>,
    /// How long a job takes.
    work: Duration,
    /// Jobs that are in it now, and the most that ever were.
    inside: AtomicU64,
    most: AtomicU64,
}

// graphile_worker asks it of what it hands to handlers.
impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

impl Handler {
    /// Counts.
    pub(crate) fn counting() -> Self {
        Self(Arc::default())
    }

    /// Counts and takes the time.
    pub(crate) fn timing() -> Self {
        Self(Arc::new(State { latencies: Some(Mutex::default()), ..State::default() }))
    }

    /// Counts and writes the job's row, in a transaction of its own.
    pub(crate) fn writing(rows: PgPool) -> Self {
        Self(Arc::new(State { rows: Some(rows), ..State::default() }))
    }

    /// Counts and takes so long.
    pub(crate) fn working(work: Duration) -> Self {
        Self(Arc::new(State { work, ..State::default() }))
    }

    pub(crate) async fn call(&self, job: Payload) -> Result<(), sqlx::Error> {
        let state = &self.0;
        state.first.get_or_init(Instant::now);
        if let Some(latencies) = &state.latencies {
            let waited = Duration::from_micros(u64::try_from(micros() - job.sent).unwrap_or(0));
            latencies.lock().expect("nothing panics while it holds the lock").push(waited);
        }
        if let Some(rows) = &state.rows {
            sqlx::query("UPDATE public.originating SET done = true WHERE pk = $1").bind(job.n).execute(rows).await?;
        }
        if !state.work.is_zero() {
            let inside = state.inside.fetch_add(1, Ordering::Relaxed) + 1;
            state.most.fetch_max(inside, Ordering::Relaxed);
            tokio::time::sleep(state.work).await;
            state.inside.fetch_sub(1, Ordering::Relaxed);
        }
        state.calls.fetch_add(1, Ordering::Relaxed);
        state.called.notify_one();
        Ok(())
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// The most jobs that took their time at once.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.0.most.load(Ordering::Relaxed)
    }

    /// When the first job came.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.0.first.get().copied()
    }

    /// Until so many jobs were called.
    pub(crate) async fn wait_for(&self, calls: u64) {
        while self.calls() < calls {
            self.0.called.notified().await;
        }
    }

    pub(crate) fn take_latencies(&self) -> Vec<Duration> {
        let latencies =
            self.0.latencies.as_ref().map(|latencies| latencies.lock().map(|mut all| std::mem::take(&mut *all)));
        latencies.and_then(Result::ok).unwrap_or_default()
    }
}
