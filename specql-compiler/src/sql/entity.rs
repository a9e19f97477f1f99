//! What every printer needs to know of an entity's table.

use super::quote::ident;
use crate::model::{
    Entity,
    expr::{ColumnRef, SystemColumn},
};

/// The tenant in whose name an action runs: a parameter of its functions.
pub(super) const TENANT: &str = "auth_tenant_id";

/// A column's name.
pub(super) fn column_name(entity: &Entity, column: ColumnRef) -> String {
    match column {
        ColumnRef::Field(field) => ident(&entity.field(field).column),
        ColumnRef::System(column) => system_column(column).to_owned(),
    }
}

/// The tenant in whose name the transaction acts: what the policies go by. NULL where none is set.
pub(super) const CURRENT_TENANT: &str = "nullif(current_setting('app.tenant_id', true), '')::uuid";

/// `tenant_id = <tenant>` with a leading ` AND `, where rows have a tenant.
pub(super) fn tenant_and(entity: &Entity, alias: &str, tenant: &str) -> String {
    if entity.multi_tenant { format!(" AND {alias}.tenant_id = {tenant}") } else { String::new() }
}

const fn system_column(column: SystemColumn) -> &'static str {
    match column {
        SystemColumn::Id => "id",
        SystemColumn::Identifier => "identifier",
        SystemColumn::TenantId => "tenant_id",
        SystemColumn::CreatedAt => "created_at",
        SystemColumn::UpdatedAt => "updated_at",
        SystemColumn::CreatedBy => "created_by",
        SystemColumn::UpdatedBy => "updated_by",
        SystemColumn::DeletedAt => "deleted_at",
        SystemColumn::DeletedBy => "deleted_by",
    }
}
