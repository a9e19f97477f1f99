//! Workers in Python, on the queue of [`specql_tests::work`].

use std::{fs, path::Path, process::Command};

use specql_tests::{app::repository, process::Process, tool, work::Queue};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};

/// Who the workers in Python are. The role belongs to the server, so tests that run at the same time share it. The owner of the
/// database must be able to end its connections.
const ROLE: &str = "DO $$ BEGIN
        CREATE ROLE specql_any_language LOGIN PASSWORD 'any language' IN ROLE specql_worker ROLE CURRENT_USER;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
    END $$";

/// A worker in Python, which may do what `specql_worker` may and nothing else.
pub(crate) struct Python {
    pub(crate) process: Process,
    /// As the far side knows it.
    pub(crate) id: i32,
    log: tempfile::NamedTempFile,
}

impl Python {
    /// One that carries out the tasks of the project, and stops a job only where a heartbeat says so.
    pub(crate) async fn start(queue: &Queue) -> Self {
        Self::behind(queue, queue.url(), 600).await
    }

    /// One that reaches the database by another URL, and stops its jobs when there was no heartbeat for so many seconds.
    pub(crate) async fn behind(queue: &Queue, url: &str, lease: u32) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/any_language/tasks.py");
        Self::run(queue, command(queue, &program, url).await.env("LEASE", lease.to_string())).await
    }

    /// The example, unchanged.
    pub(crate) async fn example(queue: &Queue) -> Self {
        let program = repository().join("examples/python/worker.py");
        Self::run(queue, &mut command(queue, &program, queue.url()).await).await
    }

    /// Starts it, and waits until the database knows the worker.
    async fn run(queue: &Queue, command: &mut Command) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let process = Process::start(command.stderr(log.reopen().unwrap()));
        let mut python = Self { id: i32::try_from(process.id()).unwrap(), process, log };
        specql_tests::process::eventually("the worker has registered", async || {
            assert!(!python.process.has_ended(), "{}", python.said());
            queue.count("SELECT count(*) FROM jobs.tb_worker WHERE name = 'worker.py'").await > 0
        })
        .await;
        python
    }

    /// What it wrote to its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    /// Waits until it says so.
    pub(crate) async fn says(&self, line: &str) {
        specql_tests::process::eventually(line, async || self.said().contains(line)).await;
    }

    /// Waits until it says that the database has refused what it reported of a job.
    pub(crate) async fn is_fenced(&self, job: uuid::Uuid) {
        self.says(&format!("WARNING:root:job {job}: fenced\n")).await;
    }
}

/// Makes the role, and says how the worker connects.
pub(crate) async fn worker_options(pool: &sqlx::PgPool, url: &str) -> PgConnectOptions {
    sqlx::raw_sql(ROLE).execute(pool).await.unwrap();
    url.parse::<PgConnectOptions>().unwrap().username("specql_any_language").password("any language")
}

async fn command(queue: &Queue, program: &Path, url: &str) -> Command {
    let worker = worker_options(queue.pool(), url).await;
    let mut command = Command::new(tool::python());
    command
        .arg(program)
        .env("PYTHONPATH", repository().join("examples/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DATABASE_URL", libpq_url(&worker))
        .env("FAR_SIDE_URL", libpq_url(&queue.options()));
    command
}

/// A URL without the parameters that are sqlx's own: libpq refuses what it does not know.
fn libpq_url(options: &PgConnectOptions) -> String {
    let mut url = options.to_url_lossy();
    let known: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name == "host" || name == "port")
        .map(|(n, v)| (n.into(), v.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(known);
    url.to_string()
}
