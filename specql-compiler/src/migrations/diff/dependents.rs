//! Which objects must go before another one can.

use std::collections::{BTreeSet, HashMap};

use super::{Key, key};
use crate::sql::{
    Object, ObjectKind, Schema,
    facts::Facts,
    object::{Need, split_name},
};

/// Adds to `seeds` all code of `schema` that needs one of them, directly or not.
pub(super) fn close<'a>(schema: &'a Schema, mut seeds: BTreeSet<Key<'a>>) -> BTreeSet<Key<'a>> {
    let mut waiting: Vec<Key<'a>> = seeds.iter().copied().filter(|seed| has_dependents(seed.0)).collect();
    if waiting.is_empty() {
        return seeds;
    }
    let mut users: HashMap<Key<'a>, Vec<Key<'a>>> = HashMap::new();
    for object in schema.objects.iter().filter(|object| is_code(object.kind)) {
        for need in &object.needs {
            users.entry(need_key(need)).or_default().push(key(object));
        }
    }
    while let Some(seed) = waiting.pop() {
        for user in users.get(&seed).into_iter().flatten() {
            if seeds.insert(*user) && has_dependents(user.0) {
                waiting.push(*user);
            }
        }
    }
    seeds
}

fn need_key(need: &Need) -> Key<'_> {
    (need.kind, &need.name)
}

/// Whether the object needs one of these.
pub(super) fn needs_any<'a>(object: &Object, mut of: impl Iterator<Item = &'a Key<'a>>) -> bool {
    of.any(|of| object.needs.iter().any(|need| need_key(need) == *of))
}

/// Whether a grant on all of a schema must be made again, because one of these objects of it is new: PostgreSQL grants and
/// revokes on what is there at the time, and gives every new function to PUBLIC.
pub(super) fn covers_schema_of(grant: &Object, fresh: &[&str]) -> bool {
    let mut schemas = fresh.iter().filter_map(|name| split_name(name)).map(|(schema, _)| schema);
    schema_covered(grant).is_some_and(|covered| schemas.any(|schema| schema == covered))
}

/// The schema of which a grant gives or takes everything.
pub(super) fn schema_covered(grant: &Object) -> Option<&str> {
    match grant.facts() {
        Facts::AllFunctions { schema } => Some(schema),
        _ => None,
    }
}

/// Whether a grant gives rights on single functions of one of these schemas.
pub(super) fn grants_in(grant: &Object, schemas: &[&str]) -> bool {
    let is_in = |need: &Need| split_name(&need.name).is_some_and(|(schema, _)| schemas.contains(&schema));
    grant.kind == ObjectKind::Grant && grant.needs.iter().any(|need| need.kind == ObjectKind::Function && is_in(need))
}

/// The first table of `schema` with a column or constraint that uses this type or function.
pub(super) fn table_using<'a>(schema: &'a Schema, used: &Object) -> Option<&'a Object> {
    if !matches!(used.kind, ObjectKind::Type | ObjectKind::Function) {
        return None;
    }
    let needs_it = |table: &&Object| table.needs.iter().any(|need| need_key(need) == key(used));
    schema.objects.iter().filter(|object| object.kind == ObjectKind::Table).find(needs_it)
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
