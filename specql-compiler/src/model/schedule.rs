//! Schedules: actions that are called at times of their own.

use specql_registry::timing::CatchUp;

use super::EntityId;
use crate::source::Origin;

/// A schedule.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The entity under which it is written.
    pub entity: EntityId,
    /// Its name, unique in that entity.
    pub name: String,
    /// Its name before, and that of its entity, where either was another: `Order.nightly`.
    pub renamed_from: Option<String>,
    /// Wrapper of the action that it calls.
    pub wrapper: String,
    /// The rule, one that can be read.
    pub cron: String,
    /// An IANA time zone.
    pub timezone: String,
    /// What the action is given, one it accepts.
    pub input: serde_json::Map<String, serde_json::Value>,
    /// The entity of whose rows each is a tenant to call it for.
    pub tenants: Option<EntityId>,
    /// What happens to missed times.
    pub catch_up: CatchUp,
    /// Where it is written.
    pub origin: Origin,
}
