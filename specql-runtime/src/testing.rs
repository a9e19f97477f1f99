//! A database per test: cloned from a template, dropped afterwards.
//!
//! The server is that of `TEST_DATABASE_URL`, else `DATABASE_URL`, else a throw-away one that this process starts. The role
//! of the URL must be allowed to create databases.
//!
//! ```no_run
//! # use specql_runtime::{Project, testing::TestDatabase};
//! # static PROJECT: Project = Project { name: "shop", root: "", compiler_version: "", migrations: &[], registry: "", uses_jobs: false, functions: &[] };
//! # async fn example() -> Result<(), specql_runtime::testing::TestError> {
//! let db = TestDatabase::migrated(&PROJECT).await?; // derefs to Database
//! let mut tx = db.begin().await?;
//! # Ok(()) }
//! ```

use std::{env, ops::Deref, time::Duration};

use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{Database, Project, database::MigrateError};

/// Why there is no test database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// No server.
    #[cfg(all(feature = "embedded", unix))]
    #[error(transparent)]
    Server(#[from] crate::database::embedded::EmbeddedError),
    /// No server, and this build cannot start one.
    #[error("set `TEST_DATABASE_URL`: this build has no embedded PostgreSQL")]
    NoServer,
    /// The project's migrations failed.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database refused something.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The server that tests use.
#[derive(Debug)]
pub struct TestServer {
    owner: PgConnectOptions,
    owner_url: String,
    superuser_url: Option<String>,
    _server: Option<Box<dyn std::any::Any + Send + Sync>>,
}

/// The server of this process's tests, started when the first one asks.
///
/// # Errors
/// When there is none and none can be started.
pub async fn server() -> Result<&'static TestServer, TestError> {
    static SERVER: OnceCell<TestServer> = OnceCell::const_new();
    SERVER.get_or_try_init(TestServer::find).await
}

impl TestServer {
    async fn find() -> Result<Self, TestError> {
        let given = ["TEST_DATABASE_URL", "DATABASE_URL"].iter().find_map(|name| env::var(name).ok());
        if let Some(owner_url) = given.filter(|url| !url.is_empty()) {
            let superuser_url = env::var("TEST_DATABASE_SUPERUSER_URL").ok();
            return Ok(Self { owner: owner_url.parse()?, owner_url, superuser_url, _server: None });
        }
        Self::start().await
    }

    #[cfg(all(feature = "embedded", unix))]
    async fn start() -> Result<Self, TestError> {
        use crate::database::embedded::{Plan, Server};

        let server = Server::start(Plan::disposable()).await?;
        server.database("specql").await?;
        Ok(Self {
            owner: server.connect_options("specql"),
            owner_url: server.url("specql", "specql"),
            superuser_url: Some(server.url("postgres", "postgres")),
            _server: Some(Box::new(server)),
        })
    }

    #[cfg(not(all(feature = "embedded", unix)))]
    async fn start() -> Result<Self, TestError> {
        Err(TestError::NoServer)
    }

    /// URL of an ordinary role that may create databases.
    #[must_use]
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// URL of a superuser, where there is one: `TEST_DATABASE_SUPERUSER_URL`, or that of the throw-away server.
    #[must_use]
    pub fn superuser_url(&self) -> Option<&str> {
        self.superuser_url.as_deref()
    }
}

/// A database of one test. Dropping the value drops it.
#[derive(Debug)]
pub struct TestDatabase {
    database: Database,
    name: String,
    server: &'static TestServer,
}

/// For databases that are made from SQL alone.
static NO_PROJECT: Project = Project {
    name: "test",
    root: "",
    compiler_version: "",
    migrations: &[],
    registry: "{\"services\":{}}",
    uses_jobs: false,
    functions: &[],
};

impl TestDatabase {
    /// A database with the project's migrations applied and its operations registered.
    ///
    /// # Errors
    /// When the server or a migration refuses.
    pub async fn migrated(project: &'static Project) -> Result<Self, TestError> {
        let mut digest = Sha256::new();
        digest.update(project.registry);
        // All that decides what is in it, and where the one text ends and the next begins.
        digest.update(format!("{:?}", project.migrations));
        let server = server().await?;
        let template = template(server, digest, async |pool| {
            Database::from_pool(pool, project).migrate().await.map_err(TestError::from)
        })
        .await?;
        Self::clone_of(server, &template, project).await
    }

    /// A database that was made by running this SQL.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn from_sql(sql: &str) -> Result<Self, TestError> {
        let server = server().await?;
        let template = template(server, Sha256::new_with_prefix(sql), async |pool| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await?;
            Ok(())
        })
        .await?;
        Self::clone_of(server, &template, &NO_PROJECT).await
    }

    async fn clone_of(
        server: &'static TestServer,
        template: &str,
        project: &'static Project,
    ) -> Result<Self, TestError> {
        let name = format!("specql_t_{}", Uuid::new_v4().simple());
        let mut connection = server.owner.clone().connect().await?;
        // Names are ours: letters, digits and underscores.
        let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await?;
        connection.close().await?;
        let pool = pool(server.owner.clone().database(&name)).await?;
        // Nobody else knows of it.
        Ok(Self { database: Database::from_pool(pool, project).may_undo_open(true), name, server })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A URL for other processes.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.owner.clone().database(&self.name).to_url_lossy().to_string()
    }

    /// The database, for code that wants to own a handle.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// A connection as superuser to this database, where the server gives one.
    ///
    /// # Errors
    /// When the superuser cannot connect.
    pub async fn superuser(&self) -> Result<Option<PgConnection>, TestError> {
        let Some(url) = self.server.superuser_url() else { return Ok(None) };
        let options: PgConnectOptions = url.parse()?;
        Ok(Some(options.database(&self.name).connect().await?))
    }
}

impl Deref for TestDatabase {
    type Target = Database;
    fn deref(&self) -> &Database {
        &self.database
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let options = self.server.owner.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A drop cannot await, and the test's runtime may be at its end: another thread does it.
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = options.connect().await.map_err(std::io::Error::other)?;
                sqlx::raw_sql(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await
                    .map_err(std::io::Error::other)?;
                connection.close().await.map_err(std::io::Error::other)
            })
        });
        if let Ok(Err(error)) = worker.join() {
            eprintln!("specql: the test database {} could not be dropped: {error}", self.name);
        }
    }
}

async fn pool(options: PgConnectOptions) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(12).acquire_timeout(Duration::from_secs(60)).connect_with(options).await
}

/// The template with that digest, made by `fill` if nobody made it before.
async fn template(
    server: &TestServer,
    digest: Sha256,
    fill: impl AsyncFnOnce(PgPool) -> Result<(), TestError>,
) -> Result<String, TestError> {
    let digest = digest.finalize();
    let hex: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("specql_template_{hex}");
    let mut connection = server.owner.clone().connect().await?;
    // Held by this connection until it is closed, which also happens when we fail.
    let key = digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte));
    sqlx::query("SELECT pg_catalog.pg_advisory_lock($1)").bind(key).execute(&mut connection).await?;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut connection)
        .await?;
    if !there {
        let building = format!("{name}_building");
        for statement in [
            format!("DROP DATABASE IF EXISTS {building} WITH (FORCE)"),
            format!("CREATE DATABASE {building} TEMPLATE template0"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        let filling = pool(server.owner.clone().database(&building)).await?;
        let filled = fill(filling.clone()).await;
        filling.close().await;
        filled?;
        let finish = format!("ALTER DATABASE {building} RENAME TO {name}");
        sqlx::raw_sql(AssertSqlSafe(finish)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(name)
}
