//! The server all share, and a fresh database for each measurement.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use specql_runtime::{Database, Project};
use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

static PROJECT: Project =
    Project { name: "specql_race", root: "", compiler_version: "", migrations: &[], registry: "", uses_jobs: false, functions: &[] };

const MAY_CHECKPOINT: &str = "SELECT pg_has_role('pg_checkpoint', 'USAGE')";

/// PostgreSQL, for as long as this lives.
pub(crate) struct Server {
    database: Database,
    made: AtomicUsize,
}

/// A database that is dropped by [`Server::drop`].
pub(crate) struct Scratch {
    name: String,
    /// For children: every contender's driver takes it.
    pub(crate) url: String,
    pub(crate) pool: PgPool,
}

/// A database that is copied.
pub(crate) struct Template {
    name: String,
}

impl Server {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        Ok(Self { database: Database::open(&PROJECT).await?, made: AtomicUsize::new(0) })
    }

    async fn show(&self, setting: &str) -> anyhow::Result<String> {
        Ok(sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(self.database.pool()).await?)
    }

    /// The server and the machine, in one line.
    pub(crate) async fn facts(&self) -> anyhow::Result<String> {
        let mut facts = vec![format!("PostgreSQL {}", self.show("server_version").await?)];
        for setting in ["fsync", "synchronous_commit", "shared_buffers", "max_wal_size"] {
            facts.push(format!("{setting} {}", self.show(setting).await?));
        }
        let cores = std::thread::available_parallelism()?;
        let model = std::fs::read_to_string("/proc/cpuinfo")?;
        let model =
            model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
        facts.push(format!("{cores} cores of {}", model.unwrap_or("an unnamed processor")));
        let memory = std::fs::read_to_string("/proc/meminfo")?;
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).context("no MemTotal")?;
        let kib: f64 = memory.trim().trim_end_matches(" kB").parse()?;
        facts.push(format!("{:.0} GiB of memory", kib / 1024.0 / 1024.0));
        let may_checkpoint: bool = sqlx::query_scalar(MAY_CHECKPOINT).fetch_one(self.database.pool()).await?;
        facts.push(format!("{} checkpoint before a drain", if may_checkpoint { "a" } else { "no" }));
        Ok(facts.join(", "))
    }

    /// An empty one, or a copy of another to which nobody is connected.
    pub(crate) async fn scratch(&self, template: Option<&Template>) -> anyhow::Result<Scratch> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("specql_race_{}_{number}", std::process::id());
        let template = template.map_or("template1", |template| &template.name);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.database.pool()).await?;
        let options: PgConnectOptions = self.database.pool().connect_options().as_ref().clone().database(&name);
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options.clone()).await?;
        Ok(Scratch { name, url: options.to_url_lossy().to_string(), pool })
    }

    /// Keeps a database to copy it.
    pub(crate) async fn keep(scratch: Scratch) -> Template {
        scratch.pool.close().await;
        Template { name: scratch.name }
    }

    /// Not WITH (FORCE): only a superuser may end an autovacuum so, while a plain DROP waits for it.
    pub(crate) async fn drop(&self, scratch: Scratch) -> anyhow::Result<()> {
        self.forget(Self::keep(scratch).await).await
    }

    pub(crate) async fn forget(&self, template: Template) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE {}", template.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.database.pool()).await?;
        Ok(())
    }
}

impl Scratch {
    pub(crate) async fn wal_position(&self) -> anyhow::Result<f64> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    /// What a minute of autovacuum would have done, and, where the role may, dirty pages on disk: all start a drain alike.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        sqlx::raw_sql("ANALYZE").execute(&self.pool).await?;
        if sqlx::query_scalar(MAY_CHECKPOINT).fetch_one(&self.pool).await? {
            sqlx::raw_sql("CHECKPOINT").execute(&self.pool).await?;
        }
        Ok(())
    }
}
