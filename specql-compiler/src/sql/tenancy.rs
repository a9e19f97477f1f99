//! Row level security: what stands behind the predicates of a multi-tenant table.
//!
//! Every generated statement carries the tenant's predicate. The policies hold for all others too, the owner's own
//! included: without a tenant there are no rows.

use super::{
    entity::CURRENT_TENANT,
    object::{Need, Object, ObjectKind},
    quote::qualified,
};
use crate::model::Entity;

/// Row level security of an entity's table, where its rows belong to tenants.
pub(super) fn policies(entity: &Entity) -> Vec<Object> {
    if !entity.multi_tenant {
        return Vec::new();
    }
    let table = qualified(&entity.schema, &entity.table());
    let object = |name: &str, create: Vec<String>, drop: Vec<String>| {
        Object::made_by(ObjectKind::Policy, format!("{name} ON {table}"), create)
            .from(&entity.origin)
            .unmade_by(drop)
            .that_needs([Need::table(&*table)])
    };
    vec![
        object(
            "row level security",
            vec![
                format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
                format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
            ],
            vec![
                format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"),
                format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            ],
        ),
        object(
            "tenant",
            vec![format!(
                "CREATE POLICY tenant ON {table}\n    USING (tenant_id = {CURRENT_TENANT})\n    WITH CHECK (tenant_id = {CURRENT_TENANT})"
            )],
            Vec::new(),
        ),
    ]
}
