//! What any worker does for all: rescue, promotion, waiting callbacks, maintenance.

use chrono::{DateTime, Utc};
use sqlx::{query, query_as};

use super::{Link, QueueError};

impl Link {
    /// Takes back the jobs of workers that have not been heard of for 10 s. Answers how many.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn rescue(&mut self) -> Result<i32, QueueError> {
        self.value("jobs.rescue", query_as("SELECT jobs.rescue()")).await
    }

    /// Makes scheduled jobs that are due ready. Answers how many.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn promote(&mut self, limit: i32) -> Result<i32, QueueError> {
        self.value("jobs.promote", query_as("SELECT jobs.promote($1)").bind(limit)).await
    }

    /// Moves waiting jobs of operations that were given a lane of their own there. Answers how many.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn move_to_lanes(&mut self, limit: i32) -> Result<i32, QueueError> {
        self.value("jobs.move_to_lanes", query_as("SELECT jobs.move_to_lanes($1)").bind(limit)).await
    }

    /// How long until the next scheduled job is due, by the database's clock; `None` where there is none.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn next_due_in(&mut self) -> Result<Option<chrono::Duration>, QueueError> {
        let query = query_as("SELECT jobs.next_due(), pg_catalog.clock_timestamp()");
        let rows: Vec<(Option<DateTime<Utc>>, DateTime<Utc>)> = self.rows("jobs.next_due", query).await?;
        Ok(rows.into_iter().next().and_then(|(due, now)| Some(due? - now)))
    }

    /// Runs callbacks that wait for a repetition and are due. Answers how many, and the SQLSTATEs with which any of them raised.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn run_callbacks(&mut self, limit: i32) -> Result<(i32, Option<String>), QueueError> {
        let sql = "SELECT tried, (
                SELECT pg_catalog.string_agg(DISTINCT raised.value, ', ' ORDER BY raised.value)
                FROM pg_catalog.jsonb_each_text(
                    nullif(pg_catalog.current_setting('specql.raised_callbacks', true), '')::jsonb) AS raised)
            FROM jobs.run_callbacks($1) AS r(tried)";
        self.one("jobs.run_callbacks", query_as(sql).bind(limit)).await
    }

    /// Makes ranges of jobs where the next two are not there. Answers how many steps that took; as a rule none.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn make_ranges(&mut self) -> Result<i32, QueueError> {
        self.value("jobs.make_ranges", query_as("SELECT jobs.make_ranges()")).await
    }

    /// Keeps ranges ahead, drops what is old, and clears the rows of dead workers.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn maintain(&mut self) -> Result<(), QueueError> {
        self.execute("jobs.maintain", query("SELECT jobs.maintain()")).await
    }
}
