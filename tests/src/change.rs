//! Mistakes on purpose: a change to the text of one of the queue's functions, to show that a test would find it.

use anyhow::{Result, ensure};
use sqlx::{AssertSqlSafe, PgConnection};

/// A change to the text of a function of schema `jobs`.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Its name.
    pub function: &'a str,
    /// What stands in it. That it still does is made sure of.
    pub from: &'a str,
    /// What shall stand there.
    pub to: &'a str,
}

impl Change<'_> {
    /// Makes the change in a database.
    ///
    /// # Errors
    /// When the function has no such text, or the database refuses.
    pub async fn make(&self, connection: &mut PgConnection) -> Result<()> {
        let Self { function, from, to } = self;
        let source: String = sqlx::query_scalar(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p
            WHERE p.pronamespace = 'jobs'::regnamespace AND p.proname = $1",
        )
        .bind(function)
        .fetch_one(&mut *connection)
        .await?;
        ensure!(source.contains(from), "jobs.{function} has no `{from}` that could be changed");
        sqlx::raw_sql(AssertSqlSafe(source.replace(from, to))).execute(connection).await?;
        Ok(())
    }
}
