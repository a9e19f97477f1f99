//! Calls the actions of schedules that run for each tenant, or that go on in batches.
//!
//! `jobs.run_schedule` has written the tenants down. Every worker takes from them, one transaction for each tenant; the
//! tenant's row decides that it is run once. What fails for one tenant keeps no other from being run, and the tenants of one
//! schedule keep those of another waiting for one run only: schedules take turns.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    hands::{Hand, Round},
    scheduler::{MORE, fault, say},
    shared::Shared,
};
use crate::queue::{Link, QueueError, periodic::ScheduledTenant};

/// Tenants that are asked for at once.
const PAGE: i32 = 100;
/// After so long the times of all schedules are looked at again.
const TURN: Duration = Duration::from_secs(1);

/// How far the tenants of each schedule are gone through.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    places: HashMap<String, Place>,
}

#[derive(Debug, Default)]
struct Place {
    next: VecDeque<ScheduledTenant>,
    /// The last one that was tried, whatever came of it.
    after: Option<Uuid>,
}

impl Place {
    /// The tenant that is next; none when all have had their turn. Then it begins anew.
    async fn next(&mut self, link: &mut Link, key: &str) -> Result<Option<ScheduledTenant>, QueueError> {
        if self.next.is_empty() {
            self.next.extend(link.scheduled_tenants(key, self.after, PAGE).await?);
        }
        let next = self.next.pop_front();
        self.after = next.map(|one| one.tenant_id);
        Ok(next)
    }
}

impl Tenants {
    /// The next tenant of this schedule.
    async fn next(&mut self, link: &mut Link, key: &str) -> Result<Option<ScheduledTenant>, QueueError> {
        self.places.entry(key.to_owned()).or_default().next(link, key).await
    }
}

/// Runs what is to be run for tenants, for about a second. Then the hand still has its turn, or a call took so long that another
/// hand goes on from there.
///
/// # Errors
/// Of the database; of an action whose transaction was undone, when the others have had their turn.
pub(super) async fn run(shared: &Shared, link: &mut Link, hand: &mut Hand) -> Result<Round, QueueError> {
    let mut keys = link.schedules_for_tenants().await?;
    hand.looks().tenants.places.retain(|key, _| keys.contains(key));
    let began = Instant::now();
    let mut failed = None;
    let mut more = false;
    while !keys.is_empty() {
        let mut left = Vec::new();
        for key in keys {
            if shared.stopping.is_cancelled() {
                return Ok(Round::Looked { more: false });
            }
            let Some(one) = hand.looks().tenants.next(link, &key).await? else { continue };
            let name = hand.name();
            match hand.call(link.run_for_tenant(name, &key, one)).await {
                // The one before goes on, over a connection that was lost. Nobody is passed over: each is asked for again.
                Ok(ran) if ran.status == "busy" => return failed.map_or(Ok(Round::Busy), Err),
                Ok(ran) => {
                    // The next batch comes when the others have had their turn.
                    more |= ran.status == MORE;
                    say(shared, &key, one.tenant(), one.due, 0, &ran);
                }
                Err(error) => failed = fault(&key, one.tenant(), one.due, error)?.or(failed),
            }
            if !hand.has_turn() {
                return failed.map_or(Ok(Round::HandedOn), Err);
            }
            left.push(key);
            if began.elapsed() >= TURN {
                return failed.map_or(Ok(Round::Looked { more: true }), Err);
            }
        }
        keys = left;
    }
    failed.map_or(Ok(Round::Looked { more }), Err)
}
