//! Who waits for a job is told of its end: one connection listens to `jobs_done` for all that wait in this process.
//!
//! A notification is a short cut, as everywhere: a pooler may swallow LISTEN, and a job that ends at the moment at which
//! somebody begins to wait announces nothing. So whoever waits looks for himself now and then.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::Notify;
use uuid::Uuid;

/// How long silence is believed before the connection is tried, and how long it is kept when nobody waits.
const SILENCE: Duration = Duration::from_secs(20);
/// Limit of each call.
const LIMIT: Duration = Duration::from_secs(5);
/// Before another attempt at a lost connection.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// The listeners of this process, one for each pool in which somebody waits.
static LISTENERS: Mutex<Vec<Arc<Listener>>> = Mutex::new(Vec::new());

/// The listeners, also after a panic: no step leaves them half done.
fn listeners() -> MutexGuard<'static, Vec<Arc<Listener>>> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one connection hears, and for whom.
#[derive(Debug)]
struct Listener {
    /// Those of the pool, which are its identity while they are held here.
    options: Arc<PgConnectOptions>,
    listens: AtomicBool,
    waiting: Mutex<HashMap<Uuid, Vec<Arc<Notify>>>>,
}

/// Somebody's wait for a job. Dropping it ends the wait.
#[derive(Debug)]
pub(crate) struct Wait {
    listener: Arc<Listener>,
    job: Uuid,
    told: Arc<Notify>,
}

impl Wait {
    /// Begins to wait. Needs a runtime, as the pool does.
    pub(crate) fn begin(pool: &PgPool, job: Uuid) -> Self {
        let options = pool.connect_options();
        let told = Arc::new(Notify::new());
        let mut listeners = listeners();
        let known = listeners.iter().find(|listener| Arc::ptr_eq(&listener.options, &options)).cloned();
        let is_new = known.is_none();
        let listener = known.unwrap_or_else(|| {
            let listener =
                Arc::new(Listener { options, listens: AtomicBool::new(false), waiting: Mutex::new(HashMap::new()) });
            listeners.push(Arc::clone(&listener));
            listener
        });
        // Under the lock: a listener ends only where nobody waits.
        listener.waiting().entry(job).or_default().push(Arc::clone(&told));
        drop(listeners);
        if is_new {
            tokio::spawn(run(Registered(Arc::clone(&listener))));
        }
        Self { listener, job, told }
    }

    /// Whether a notification would be heard. If so, `jobs.watch` asks for one.
    pub(crate) fn listens(&self) -> bool {
        self.listener.listens.load(Ordering::Acquire)
    }

    /// Returns when it is time to look at the job: its end was announced, or the connection came or went.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.listener.waiting();
        if let Some(told) = waiting.get_mut(&self.job) {
            told.retain(|told| !Arc::ptr_eq(told, &self.told));
            if told.is_empty() {
                waiting.remove(&self.job);
            }
        }
    }
}

impl Listener {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Arc<Notify>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, job: Uuid) {
        for told in self.waiting().get(&job).into_iter().flatten() {
            told.notify_one();
        }
    }

    fn set_listens(&self, listens: bool) {
        self.listens.store(listens, Ordering::Release);
        for told in self.waiting().values().flatten() {
            told.notify_one();
        }
    }

    /// Listens until the connection is lost, or nobody waits any more.
    async fn listen(&self) -> Result<(), sqlx::Error> {
        // A pool of one, because that is what a listener is made from; the application's own connections stay its own.
        let options = (*self.options).clone().application_name("specql wait");
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(LIMIT).connect_lazy_with(options);
        let mut listener = limited(PgListener::connect_with(&pool)).await?;
        limited(listener.listen("jobs_done")).await?;
        self.set_listens(true);
        let mut needed_at = Instant::now();
        loop {
            if !self.waiting().is_empty() {
                needed_at = Instant::now();
            } else if needed_at.elapsed() >= SILENCE {
                return Ok(());
            }
            // `try_recv` and not `recv`: a lost connection must be seen, for notifications were missed then.
            match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    if let Ok(job) = notification.payload().parse() {
                        self.tell(job);
                    }
                }
                Ok(Ok(None)) => return Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
                Ok(Err(error)) => return Err(error),
                // Listening again is a harmless way to find out whether anybody is there.
                Err(_) => limited(listener.listen("jobs_done")).await?,
            }
        }
    }
}

/// A listener whose task runs. However that ends, the next wait begins another.
struct Registered(Arc<Listener>);

impl Registered {
    /// Takes it off the list if nobody waits.
    fn ends(&self) -> bool {
        let mut listeners = listeners();
        let ends = self.0.waiting().is_empty();
        if ends {
            listeners.retain(|listener| !Arc::ptr_eq(listener, &self.0));
        }
        ends
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        listeners().retain(|listener| !Arc::ptr_eq(listener, &self.0));
        self.0.set_listens(false);
    }
}

async fn run(registered: Registered) {
    loop {
        let heard = registered.0.listen().await;
        registered.0.set_listens(false);
        if registered.ends() {
            return;
        }
        if let Err(error) = heard {
            tracing::debug!("LISTEN was lost and will be taken up again; waiting goes on by looking: {error}");
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
