//! Calls the actions of schedules that run for each tenant.
//!
//! `jobs.run_schedule` has written the tenants down. Every worker takes from them, one transaction for each tenant; the
//! tenant's row decides that it is run once. What fails for one tenant keeps no other from being run.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::queue::{Link, QueueError, periodic::ScheduledTenant};

/// Tenants that are asked for at once.
const PAGE: i32 = 100;
/// After so long the times of all schedules are looked at again.
const TURN: Duration = Duration::from_secs(1);

/// Where the tenants are gone on with.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    after: Option<ScheduledTenant>,
    /// One failed since the first of them.
    failed: Option<QueueError>,
}

impl Tenants {
    /// Runs what is to be run for tenants, for about a second. Whether there is more.
    ///
    /// # Errors
    /// Of the database; of an action whose transaction was undone, when all others have had their turn.
    pub(super) async fn run(&mut self, shared: &Shared, link: &mut Link) -> Result<bool, QueueError> {
        let began = Instant::now();
        loop {
            let page = link.scheduled_tenants(self.after.as_ref(), PAGE).await?;
            let last = i32::try_from(page.len()).is_ok_and(|tenants| tenants < PAGE);
            for one in page {
                if shared.stopping.is_cancelled() {
                    return Ok(false);
                }
                match link.run_for_tenant(&one).await {
                    Ok(ran) => {
                        let tenant = Some(one.tenant_id);
                        super::scheduler::say(shared, &one.key, tenant, one.due, 0, &ran);
                    }
                    Err(error @ QueueError::Call { .. }) if !error.outcome_unknown() => self.failed = Some(error),
                    Err(error) => return Err(error),
                }
                self.after = Some(one);
                if began.elapsed() >= TURN {
                    return Ok(true);
                }
            }
            if last {
                self.after = None;
                return self.failed.take().map_or(Ok(false), Err);
            }
        }
    }
}
