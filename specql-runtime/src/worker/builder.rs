//! What a worker is told before it starts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use specql_registry::{ExecutionType, Registry};
use uuid::Uuid;

use super::{
    StartError, Worker,
    budget::MEMORY,
    catalog::{self, Catalog, Runners},
    readiness::{self, Announcement, Readiness, Standing},
};
use crate::{
    Database,
    client::Operation,
    database::{PooledByTransaction, migrate::compatible, pooler},
    queue::{Link, registration::operation_records},
    runner::{
        Runner, Settings,
        handler::{Handler, HandlerRunner},
    },
};

/// Jobs at a time, where nothing is said. Most jobs wait for somebody else's answer.
const CONCURRENCY: usize = 100;
/// How long [`Worker::shutdown`] waits for running jobs, where nothing is said.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit of each call to the database.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Makes a [`Worker`].
#[must_use = "a worker does nothing until it is started"]
pub struct WorkerBuilder {
    pub(super) database: Database,
    environment: Option<String>,
    settings: HashMap<String, String>,
    pub(super) concurrency: usize,
    pub(super) memory: usize,
    pub(super) shutdown_timeout: Duration,
    look_every: Duration,
    runners: Runners,
}

impl WorkerBuilder {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            environment: std::env::var("SPECQL_ENV").ok().filter(|name| !name.is_empty()),
            settings: HashMap::new(),
            concurrency: CONCURRENCY,
            memory: MEMORY,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            look_every: readiness::LOOK_EVERY,
            runners: Runners::built_in(),
        }
    }

    /// The environment whose configuration is used, instead of `SPECQL_ENV`. Without either it is production.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// Gives the value of an `{env: NAME}` reference, instead of the process environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Jobs at a time.
    pub const fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// How many bytes of inputs are held at a time, of jobs that run or wait for a slot, and how many of outputs that are not
    /// written yet: 64 MiB each, where nothing is said. One that is larger by itself is carried out all the same.
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// How long [`Worker::shutdown`] waits for running jobs before it stops them.
    pub const fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// How often it is looked whether what a service lacks is there by now, instead of each ten seconds.
    pub const fn readiness_interval(mut self, interval: Duration) -> Self {
        self.look_every = interval;
        self
    }

    /// Serves operation `O` with a function:
    ///
    /// ```
    /// # use specql_runtime::{Database, Worker, worker::WorkerBuilder};
    /// # mod services { pub mod pdf {
    /// #     use serde::{Deserialize, Serialize};
    /// #     pub struct Render;
    /// #     #[derive(Serialize, Deserialize)] pub struct RenderInput { pub template: String }
    /// #     #[derive(Serialize, Deserialize)] pub struct RenderOutput { pub pages: i32 }
    /// #     impl specql_runtime::client::Operation for Render {
    /// #         const SERVICE: &'static str = "pdf";
    /// #         const OPERATION: &'static str = "render";
    /// #         type Input = RenderInput;
    /// #         type Output = RenderOutput;
    /// #     }
    /// # } }
    /// # async fn render(_template: &str) -> std::io::Result<i32> { Ok(1) }
    /// # fn example(db: &Database) -> WorkerBuilder {
    /// Worker::builder(db).handle::<services::pdf::Render>(|input, job| async move {
    ///     let pages = render(&input.template).await?;
    ///     Ok::<_, std::io::Error>(services::pdf::RenderOutput { pages })
    /// })
    /// # }
    /// ```
    ///
    /// The input is checked before the function is called. What an error means for the job: [`Handler`].
    pub fn handle<O: Operation>(mut self, handler: impl Handler<O>) -> Self {
        let runner: Arc<dyn Runner> = Arc::new(HandlerRunner::<O, _>::new(handler));
        self.runners.handlers.insert((O::SERVICE, O::OPERATION), runner);
        self
    }

    /// Serves all operations of an execution type, instead of the built-in runner.
    pub fn runner(mut self, execution_type: ExecutionType, runner: impl Runner + 'static) -> Self {
        self.runners.by_type.insert(execution_type, Arc::new(runner));
        self
    }

    /// Checks the registry, makes the worker known to the database, and starts it.
    ///
    /// A service for which this machine lacks something, a credential say, is not served: that is logged, shown in
    /// `jobs.v_worker`, and looked at again now and then. Its jobs wait.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<Worker, StartError> {
        if self.concurrency == 0 {
            return Err(StartError::NoConcurrency);
        }
        let registry: Registry =
            serde_json::from_str(self.database.project().registry).map_err(StartError::Registry)?;
        let environment = self.environment.as_deref();
        let (served, unserved) = catalog::resolve(&registry, environment, &self.runners)?;
        if !unserved.is_empty() {
            tracing::info!(
                operations = unserved.join(", "),
                "no handler or runner here for these; their jobs wait for another worker"
            );
        }
        let worker = Uuid::new_v4();
        let options = self.database.pool().connect_options();
        // Before anything is set, which would stay on a session that somebody else is given.
        if !pooler::is_kept(&options, CALL_LIMIT).await? {
            return Err(PooledByTransaction::WORKER.into());
        }
        let mut link = Link::new(&options, "control", CALL_LIMIT);
        if let Some(lacking) = link.lacking_rights().await? {
            return Err(StartError::Rights(lacking));
        }
        compatible::check(self.database.project().migrations, link.last_breaking().await?)?;
        for function in link.missing_functions(self.database.project().functions).await? {
            tracing::warn!(
                %function,
                "steps call a function that the database does not have: actions and callbacks with such a step fail until it is there"
            );
        }
        let codes = link.register_operations(&operation_records(&registry, environment)).await?;
        let registry = codes.first().map(|registered| registered.registry);
        let catalog = Catalog::new(served, codes)?;
        let settings = Arc::new(Settings::new(self.settings.clone()));
        let standing = Standing::look(&catalog, &settings);
        let announcement = Announcement {
            name: self.database.project().name,
            version: env!("CARGO_PKG_VERSION"),
            environment: self.environment.clone(),
            concurrency: self.concurrency,
            registry,
        };
        let capabilities = announcement.capabilities(&catalog, &standing);
        link.register_worker(worker, announcement.name, announcement.version, &capabilities, registry).await?;
        tracing::info!(%worker, operations = %capabilities["operations"], "worker started");
        standing.report(None, &catalog);
        let readiness = Readiness::new(standing, announcement, self.look_every);
        Ok(Worker::spawn(&self, worker, (catalog, readiness), settings, link))
    }
}

impl std::fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("environment", &self.environment)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
