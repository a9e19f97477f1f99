//! What an object needs, by the names in the text that PostgreSQL resolves.
//!
//! Finding too many costs a statement of a migration: only code is ever dropped for what it needs.

use std::collections::HashMap;

use super::signature;
use crate::sql::object::{Definition, Need, Object, ObjectKind, Table, base_name};

/// Finds what each of `objects` needs, among themselves and `others`.
pub(super) fn resolve(objects: &mut [Object], others: &[Object]) {
    // A text that holds a name holds its last word: only those that do are searched.
    let mut named: HashMap<String, Vec<(Need, String)>> = HashMap::new();
    for object in objects.iter().chain(others).filter(|object| is_needed(object.kind)) {
        let base = base_name(&object.name);
        if let Some(word) = words(base).next_back() {
            let need = Need::new(object.kind, &object.name);
            named.entry(word.to_owned()).or_default().push((need, base.to_owned()));
        }
    }
    for object in objects {
        let texts = texts_of(object);
        let mut needs: Vec<Need> = Vec::new();
        for text in &texts {
            for (need, base) in words(text).filter_map(|word| named.get(word)).flatten() {
                // Functions of one name stand apart, with other parameters.
                let itself = need.kind == object.kind && base == base_name(&object.name);
                if !itself && !needs.contains(need) && contains_name(text, base) {
                    needs.push(need.clone());
                }
            }
        }
        needs.sort();
        object.needs = needs;
    }
}

const fn is_needed(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Type | ObjectKind::Table | ObjectKind::Function | ObjectKind::View)
}

fn texts_of(object: &Object) -> Vec<String> {
    let plain = |text: &str| without_literals(&super::without_comments(text));
    match &object.definition {
        Definition::Table(table) => table_texts(table).map(|text| without_literals(&text)).collect(),
        Definition::Statements { create, .. } if object.kind == ObjectKind::Function => {
            create.iter().take(1).map(|text| plain(signature::header(text))).collect()
        }
        Definition::Statements { create, .. } => create.iter().map(|text| plain(text)).collect(),
    }
}

/// What people are told names whatever it likes.
fn without_literals(text: &str) -> String {
    text.split('\'').step_by(2).collect::<Vec<_>>().join("''")
}

fn table_texts(table: &Table) -> impl Iterator<Item = String> {
    let columns = table.columns.iter().flat_map(|column| {
        [Some(&column.ty), column.default.as_ref(), column.generated.as_ref()].into_iter().flatten().cloned()
    });
    columns.chain(table.constraints.iter().map(|constraint| constraint.rule.to_string()))
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|character| !in_name(character)).filter(|word| !word.is_empty())
}

/// Whether `text` holds `name` as a whole name, not as a part of a longer one.
fn contains_name(text: &str, name: &str) -> bool {
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
