//! What may be a name of a field or a variable. What may be any name at all is the syntax's.

use crate::{
    diagnostics::{Diagnostic, rules::sq0137_reserved_name as reserved_name},
    model::expr::SystemColumn,
    source::Spanned,
};

pub(super) use crate::syntax::names::{check_entity, check_identifier, check_schema, is_identifier};

/// The columns that PostgreSQL gives every table (its manual, "System Columns").
const SERVER_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// What the emitted functions call who acts, and for whom. In a statement a column of that name would be ambiguous.
const PARAMETERS: &[&str] = &["auth_tenant_id", "auth_user_id"];

/// What a variable of an action may not be called, for it has a meaning of its own.
pub(crate) const SPECIAL_VARIABLES: &[&str] = &["input", "job", "output", "error"];

/// Checks the name of a field: an identifier that no column of SpecQL's own has.
pub(crate) fn check_field(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> bool {
    if !check_identifier(name, "a field", diagnostics) {
        return false;
    }
    let Spanned { value, span } = name;
    let reason = if SystemColumn::from_name(value).is_some() {
        Some("every entity has a column of that name".to_owned())
    } else if PARAMETERS.contains(&value.as_str()) {
        Some("the functions of actions have a parameter of that name".to_owned())
    } else if SERVER_COLUMNS.contains(&value.as_str()) {
        Some("PostgreSQL has a column of that name in every table".to_owned())
    } else {
        ["pk_", "fk_"]
            .into_iter()
            .find(|prefix| value.starts_with(prefix))
            .map(|prefix| format!("names that begin with `{prefix}` are those of keys"))
    };
    match reason {
        Some(reason) => {
            diagnostics.push(reserved_name::error(*span, "a field", value, &reason));
            false
        }
        None => true,
    }
}
