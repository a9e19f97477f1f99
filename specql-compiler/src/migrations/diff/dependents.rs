//! Which objects must go before another one can.
//!
//! PostgreSQL knows dependencies by what a definition names. So do we, by the names in the text that PostgreSQL itself
//! would resolve: not the bodies of functions, which it keeps as text. Finding too many costs a statement; only code is
//! ever dropped for it.

use std::collections::BTreeSet;

use super::{Key, key};
use crate::sql::{Definition, Object, ObjectKind, Schema, object::Table};

/// Adds to `seeds` all code of `schema` that depends on one of them, directly or not.
pub(super) fn close<'a>(schema: &'a Schema, mut seeds: BTreeSet<Key<'a>>) -> BTreeSet<Key<'a>> {
    loop {
        let found: Vec<Key<'a>> = (schema.objects.iter())
            .filter(|object| is_code(object.kind) && !seeds.contains(&key(object)))
            .filter(|object| seeds.iter().any(|seed| has_dependents(seed.0) && mentions(object, seed)))
            .map(key)
            .collect();
        if found.is_empty() {
            return seeds;
        }
        seeds.extend(found);
    }
}

/// Whether what PostgreSQL resolves of `object` names the object of that key.
pub(super) fn mentions(object: &Object, of: &Key<'_>) -> bool {
    let Definition::Statements { create, .. } = &object.definition else { return false };
    let name = base(of.1);
    let texts: &[String] =
        if object.kind == ObjectKind::Function { create.get(..1).unwrap_or_default() } else { create };
    texts.iter().any(|text| contains_name(visible_part(object.kind, text), name))
}

/// Whether a grant on all of a schema must be made again, because one of these objects of it is new: PostgreSQL grants and
/// revokes on what is there at the time, and gives every new function to PUBLIC.
pub(super) fn covers_schema_of(grant: &Object, fresh: &[&str]) -> bool {
    let Definition::Statements { create, .. } = &grant.definition else { return false };
    grant.kind == ObjectKind::Grant
        && fresh.iter().filter_map(|name| base(name).split_once('.')).any(|(schema, _)| {
            create.iter().any(|text| text.split("IN SCHEMA ").skip(1).any(|rest| first_word(rest) == schema))
        })
}

fn first_word(text: &str) -> &str {
    text.split(|character: char| character.is_whitespace() || matches!(character, ',' | ';')).next().unwrap_or_default()
}

/// The first table of `schema` with a column or constraint that uses this type or function.
pub(super) fn table_using<'a>(schema: &'a Schema, used: &Object) -> Option<&'a Object> {
    if !matches!(used.kind, ObjectKind::Type | ObjectKind::Function) {
        return None;
    }
    let name = base_name(used);
    schema.objects.iter().find(|object| match &object.definition {
        Definition::Table(table) => table_texts(table).any(|text| contains_name(text, name)),
        Definition::Statements { create, .. } => {
            object.kind == ObjectKind::Table && create.iter().any(|text| contains_name(text, name))
        }
    })
}

fn table_texts(table: &Table) -> impl Iterator<Item = &str> {
    let columns = table.columns.iter().flat_map(|column| {
        [Some(column.ty.as_str()), column.default.as_deref(), column.generated.as_deref()].into_iter().flatten()
    });
    columns.chain(table.constraints.iter().map(|constraint| constraint.definition.as_str()))
}

/// What PostgreSQL resolves when it makes the object: for a function all but its body, which it only stores.
pub(super) fn visible(object: &Object) -> Vec<&str> {
    match &object.definition {
        Definition::Statements { create, .. } => {
            create.iter().map(|text| visible_part(object.kind, text).trim_end()).collect()
        }
        Definition::Table(_) => Vec::new(),
    }
}

fn visible_part(kind: ObjectKind, text: &str) -> &str {
    if kind != ObjectKind::Function {
        return text;
    }
    // The first dollar of a function's statement opens its body: its header holds none.
    match text.find("AS $") {
        Some(body) => text.get(..body).unwrap_or(text),
        None => text,
    }
}

/// `sales.place_order` of `sales.place_order(uuid, jsonb)`.
pub(super) fn base_name(object: &Object) -> &str {
    base(&object.name)
}

fn base(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// Whether `text` holds `name` as a whole name, not as a part of a longer one.
pub(super) fn contains_name(text: &str, name: &str) -> bool {
    let inner = |character: char| character.is_alphanumeric() || character == '_' || character == '$';
    text.match_indices(name).any(|(start, found)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(inner) && !after.is_some_and(inner)
    })
}

const fn is_code(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Function | ObjectKind::Trigger | ObjectKind::View | ObjectKind::Policy | ObjectKind::Grant
    )
}

const fn has_dependents(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Type | ObjectKind::Function | ObjectKind::View)
}
