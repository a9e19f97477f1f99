//! `renamed_from`: what entities, fields and schedules were called before.

use std::collections::BTreeMap;

use super::{
    entity::{Entities, column_of},
    names,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0142_bad_rename as bad_rename},
    domain::Domains,
    model::{Field, FormerEntity, names::snake},
    source::{Span, Spanned},
    syntax::{entity::FieldSyntax, schedule::ScheduleSyntax},
};

/// What `renamed_from` of the entities says: a name, with its schema where that was another.
pub(super) fn entities(domains: &Domains, result: &mut Entities<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<(String, String), Span> = BTreeMap::new();
    for index in 0..result.entities.len() {
        let Some(written) = &result.syntax[index].renamed_from else { continue };
        let (schema, name) = match written.value.split_once('.') {
            Some((schema, name)) => (domains.resolve(schema).to_owned(), name),
            None => (result.entities[index].schema.clone(), written.value.as_str()),
        };
        if !names::check_entity(&Spanned { value: name.to_owned(), span: written.span }, diagnostics)
            || !names::is_identifier(&schema)
        {
            continue;
        }
        let former = FormerEntity { name: name.to_owned(), snake: snake(name), schema };
        let place = (former.schema.clone(), former.snake.clone());
        let there = result.entities.iter().position(|other| (&other.schema, &other.snake) == (&place.0, &place.1));
        if let Some(there) = there {
            let first = result.syntax[there].name.span;
            diagnostics.push(bad_rename::still_there(written.span, first, "entity", &written.value));
        } else if let Some(first) = taken.get(&place) {
            diagnostics.push(bad_rename::twice(written.span, *first, "entities", &written.value));
        } else {
            taken.insert(place, written.span);
            result.entities[index].renamed_from = Some(former);
        }
    }
}

/// What `renamed_from` of an entity's fields says. A reference's column was one before too: what was not is another field.
pub(super) fn fields(written: &[FieldSyntax], fields: &mut [Field], diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<&str, Span> = BTreeMap::new();
    for syntax in written {
        let Some(old) = &syntax.renamed_from else { continue };
        if !names::check_field(old, diagnostics) {
            continue;
        }
        if let Some(there) = written.iter().find(|other| other.name.value == old.value) {
            diagnostics.push(bad_rename::still_there(old.span, there.name.span, "field", &old.value));
        } else if let Some(first) = taken.get(old.value.as_str()) {
            diagnostics.push(bad_rename::twice(old.span, *first, "fields", &old.value));
        } else if let Some(field) = fields.iter_mut().find(|field| field.name == syntax.name.value) {
            taken.insert(&old.value, old.span);
            field.renamed_from = Some(column_of(&field.ty, &old.value));
        }
    }
}

/// What `renamed_from` of a schedule says; `None` where it says nothing, or nothing that can be.
pub(super) fn schedule(
    written: &[ScheduleSyntax],
    syntax: &ScheduleSyntax,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    let old = syntax.renamed_from.as_ref()?;
    if !names::check_identifier(old, "a schedule", diagnostics) {
        return None;
    }
    if let Some(there) = written.iter().find(|other| other.name.value == old.value) {
        diagnostics.push(bad_rename::still_there(old.span, there.name.span, "schedule", &old.value));
        return None;
    }
    let mut others = written.iter().take_while(|other| !std::ptr::eq(*other, syntax));
    if let Some(first) = others.find_map(|other| other.renamed_from.as_ref().filter(|name| name.value == old.value)) {
        diagnostics.push(bad_rename::twice(old.span, first.span, "schedules", &old.value));
        return None;
    }
    Some(old.value.clone())
}
