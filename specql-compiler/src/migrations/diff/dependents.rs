//! Which objects must go before another one can.
//!
//! PostgreSQL knows dependencies by what a definition names. So do we, by the names in the text that PostgreSQL itself
//! would resolve: not the bodies of functions, which it keeps as text. Finding too many costs a statement; only code is
//! ever dropped for it.

use std::collections::{BTreeSet, HashMap};

use super::{Key, key};
use crate::sql::{Definition, Object, ObjectKind, Schema, object::Table};

/// Adds to `seeds` all code of `schema` that depends on one of them, directly or not.
pub(super) fn close<'a>(schema: &'a Schema, mut seeds: BTreeSet<Key<'a>>) -> BTreeSet<Key<'a>> {
    let mut waiting: Vec<Key<'a>> = seeds.iter().copied().filter(|seed| has_dependents(seed.0)).collect();
    if waiting.is_empty() {
        return seeds;
    }
    // A text that holds a name holds its last word: only those that do are searched.
    let mut by_word: HashMap<&str, Vec<&Object>> = HashMap::new();
    for object in schema.objects.iter().filter(|object| is_code(object.kind)) {
        for word in words_of(object) {
            by_word.entry(word).or_default().push(object);
        }
    }
    while let Some(seed) = waiting.pop() {
        for object in last_word(&seed).and_then(|word| by_word.get(word)).into_iter().flatten() {
            if !seeds.contains(&key(object)) && mentions(object, &seed) {
                seeds.insert(key(object));
                if has_dependents(object.kind) {
                    waiting.push(key(object));
                }
            }
        }
    }
    seeds
}

/// Whether what PostgreSQL resolves of `object` names one of these.
pub(super) fn mentions_any<'a>(object: &Object, of: impl Iterator<Item = &'a Key<'a>>) -> bool {
    let words = words_of(object);
    let mut of = of.filter(|of| last_word(of).is_some_and(|word| words.contains(word)));
    of.any(|of| mentions(object, of))
}

/// The words of what PostgreSQL resolves of `object`.
fn words_of(object: &Object) -> BTreeSet<&str> {
    texts_of(object).flat_map(words).collect()
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|character| !in_name(character)).filter(|word| !word.is_empty())
}

/// `v_order` of `sales.v_order`.
fn last_word<'a>(of: &Key<'a>) -> Option<&'a str> {
    words(base(of.1)).next_back()
}

/// Whether what PostgreSQL resolves of `object` names the object of that key.
pub(super) fn mentions(object: &Object, of: &Key<'_>) -> bool {
    // Functions of one name stand apart, with other parameters.
    let overloads = object.kind == of.0 && base_name(object) == base(of.1);
    !overloads && texts_of(object).any(|text| contains_name(text, base(of.1)))
}

fn texts_of(object: &Object) -> impl Iterator<Item = &str> {
    let texts: &[String] = match &object.definition {
        Definition::Table(_) => &[],
        Definition::Statements { create, .. } if object.kind == ObjectKind::Function => {
            create.get(..1).unwrap_or_default()
        }
        Definition::Statements { create, .. } => create,
    };
    texts.iter().map(|text| visible_part(object.kind, text))
}

/// Whether a grant on all of a schema must be made again, because one of these objects of it is new: PostgreSQL grants and
/// revokes on what is there at the time, and gives every new function to PUBLIC.
pub(super) fn covers_schema_of(grant: &Object, fresh: &[&str]) -> bool {
    let covered = schemas_covered(grant);
    fresh.iter().filter_map(|name| base(name).split_once('.')).any(|(schema, _)| covered.contains(&schema))
}

/// The schemas of which a grant gives or takes everything.
pub(super) fn schemas_covered(grant: &Object) -> Vec<&str> {
    match &grant.definition {
        Definition::Statements { create, .. } if grant.kind == ObjectKind::Grant => {
            create.iter().flat_map(|text| text.split("IN SCHEMA ").skip(1)).map(first_word).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a grant gives rights on single functions of one of these schemas.
pub(super) fn grants_in(grant: &Object, schemas: &[&str]) -> bool {
    let Definition::Statements { create, .. } = &grant.definition else { return false };
    let gives =
        |schema: &&str| create.iter().any(|text| text.contains("ON FUNCTION") && text.contains(&format!("{schema}.")));
    grant.kind == ObjectKind::Grant && schemas.iter().any(gives)
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
    // What is told before it names whatever it likes.
    let mut header = text;
    while let Some((_, rest)) = header.split_once('\n').filter(|_| header.starts_with("--")) {
        header = rest;
    }
    // The first dollar of a function's statement opens its body: its header holds none.
    match header.find("AS $") {
        Some(body) => header.get(..body).unwrap_or(header),
        None => header,
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
    text.match_indices(name).any(|(start, found)| {
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(start + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(in_name) && !after.is_some_and(in_name)
    })
}

/// Whether a name goes on with this character.
pub(super) fn in_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_depends_on_nothing_that_its_comment_names() {
        let create =
            "-- Planned as jobs.claim.\n--\n-- Like jobs.claim.\nCREATE FUNCTION jobs.f(_a jobs.t)\nAS $$ jobs.g() $$";
        let definition = Definition::Statements { create: vec![create.to_owned()], drop: Vec::new() };
        let function =
            Object { kind: ObjectKind::Function, name: "jobs.f(jobs.t)".to_owned(), origin: None, definition };
        let mentions = |name| mentions(&function, &(ObjectKind::Function, name));
        assert!(!mentions("jobs.claim(uuid)") && !mentions("jobs.g()"));
        assert!(mentions("jobs.t"));
        assert!(!mentions("jobs.f(jobs.t, text)"), "an overload is another function");
    }
}
