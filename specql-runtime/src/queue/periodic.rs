//! Schedules: which there are, and the run of one time.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Row, postgres::PgRow, query_as};
use uuid::Uuid;

use super::{Link, QueueError, unexpected::Unexpected};

/// A schedule, as its row has it.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// `Order.nightly`.
    pub key: String,
    /// The cron rule.
    pub cron: String,
    /// The time zone.
    pub timezone: String,
    /// `none`, `one` or `all`.
    pub catch_up: String,
    /// Every time up to here was run or skipped.
    pub counted_to: DateTime<Utc>,
    /// The database's clock.
    pub clock: DateTime<Utc>,
}

/// What became of one time of a schedule.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The action's status, `more` (batches of it are left), `skipped`, `taken`, `spread` (it is to be run for each tenant, or behind
    /// batches of an earlier time), or `busy`.
    pub status: String,
    /// Of an action that ended with an error that nobody foresaw.
    pub unexpected: Option<Unexpected>,
}

/// A tenant for which a time of a schedule is still to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledTenant {
    /// The tenant.
    pub tenant_id: Uuid,
    /// The time.
    pub due: DateTime<Utc>,
}

impl ScheduledTenant {
    /// The tenant; none where a schedule goes on in batches that is not run for each tenant.
    #[must_use]
    pub fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant_id).filter(|tenant| !tenant.is_nil())
    }
}

impl<'r> FromRow<'r, PgRow> for ScheduledTenant {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { tenant_id: row.try_get(0)?, due: row.try_get(1)? })
    }
}

impl<'r> FromRow<'r, PgRow> for Scheduled {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get(0)?,
            cron: row.try_get(1)?,
            timezone: row.try_get(2)?,
            catch_up: row.try_get(3)?,
            counted_to: row.try_get(4)?,
            clock: row.try_get(5)?,
        })
    }
}

impl Link {
    /// All schedules, each with the database's time.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn schedules(&mut self) -> Result<Vec<Scheduled>, QueueError> {
        let sql = "SELECT key, cron, timezone, catch_up, counted_to, clock FROM jobs.schedules()";
        self.rows("jobs.schedules", query_as(sql)).await
    }

    /// Runs a schedule's action for the time `due`, if nobody has counted on since the row was read. `skipped` times before
    /// it are not caught up with; without `call` it is one of those itself.
    ///
    /// # Errors
    /// [`QueueError`]; a run is recorded in its own transaction, so a repetition after an unknown outcome is safe.
    pub async fn run_schedule(
        &mut self,
        schedule: &Scheduled,
        due: DateTime<Utc>,
        skipped: usize,
        call: bool,
    ) -> Result<Ran, QueueError> {
        let sql = "SELECT status, pg_catalog.current_setting('specql.unexpected_error', true) \
                   FROM jobs.run_schedule($1, $2, $3, $4, $5, $6, $7) AS r(status)";
        let query = query_as(sql)
            .bind(&schedule.key)
            .bind(&schedule.cron)
            .bind(&schedule.timezone)
            .bind(schedule.counted_to)
            .bind(due)
            .bind(i32::try_from(skipped).unwrap_or(i32::MAX))
            .bind(call);
        let (status, setting): (String, Option<String>) = self.one("jobs.run_schedule", query).await?;
        Ok(Ran { unexpected: Unexpected::of(&status, setting.as_deref()), status })
    }

    /// The schedules that are still to be run for some tenants, by their keys.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn schedules_for_tenants(&mut self) -> Result<Vec<String>, QueueError> {
        let sql = "SELECT key FROM jobs.schedules_for_tenants() AS s(key)";
        let keys: Vec<(String,)> = self.rows("jobs.schedules_for_tenants", query_as(sql)).await?;
        Ok(keys.into_iter().map(|(key,)| key).collect())
    }

    /// The next tenants behind `after` for which a schedule is still to be run, so many at most.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn scheduled_tenants(
        &mut self,
        key: &str,
        after: Option<Uuid>,
        limit: i32,
    ) -> Result<Vec<ScheduledTenant>, QueueError> {
        let sql = "SELECT tenant_id, due FROM jobs.scheduled_tenants($1, $2, $3)";
        self.rows("jobs.scheduled_tenants", query_as(sql).bind(key).bind(after).bind(limit)).await
    }

    /// Runs a schedule's action for a tenant, if nobody else has and this worker runs no other.
    ///
    /// # Errors
    /// [`QueueError`]; a run is recorded in its own transaction, so a repetition after an unknown outcome is safe.
    pub async fn run_for_tenant(&mut self, worker: Uuid, key: &str, one: ScheduledTenant) -> Result<Ran, QueueError> {
        let sql = "SELECT status, pg_catalog.current_setting('specql.unexpected_error', true) \
                   FROM jobs.run_for_tenant($1, $2, $3, $4) AS r(status)";
        let query = query_as(sql).bind(worker).bind(key).bind(one.tenant_id).bind(one.due);
        let (status, setting): (String, Option<String>) = self.one("jobs.run_for_tenant", query).await?;
        Ok(Ran { unexpected: Unexpected::of(&status, setting.as_deref()), status })
    }
}
