//! `unique:` and `indexes:` of an entity.

use std::collections::BTreeSet;

use super::entity::{Entities, innermost};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0140_unknown_field as unknown_field, sq0141_invalid_option as invalid_option},
    },
    model::{EntityId, FieldId, FieldType, row_rule::Fields},
    source::Sources,
    syntax::row_rule::FieldsSyntax,
};

/// PostgreSQL's `INDEX_MAX_KEYS`; that of a tenant is one of them.
const MOST_COLUMNS: usize = 32;

/// Checks both of an entity whose fields are known.
pub(super) fn check(sources: &Sources, result: &mut Entities<'_>, id: EntityId, diagnostics: &mut Vec<Diagnostic>) {
    let written = result.syntax[id.0];
    let unique = fields(sources, result, id, &written.unique, diagnostics, |fields| {
        let field = &result.entities[id.0].fields[fields.first()?.0];
        (fields.len() == 1)
            .then(|| (format!("`{}` alone is unique by its own key", field.name), "write `unique: true` at the field"))
    });
    let indexes = fields(sources, result, id, &written.indexes, diagnostics, |fields| {
        let field = &result.entities[id.0].fields[fields.first()?.0];
        let has_one = field.unique || matches!(field.ty, FieldType::Ref { .. });
        (fields.len() == 1 && has_one).then(|| {
            (format!("`{}` has an index already", field.name), "leave it out: references and unique fields are indexed")
        })
    });
    result.entities[id.0].unique = unique;
    result.entities[id.0].indexes = indexes;
}

/// The lists of fields that can have an index. `needless` says why one is not wanted.
fn fields(
    sources: &Sources,
    result: &Entities<'_>,
    id: EntityId,
    written: &[FieldsSyntax],
    diagnostics: &mut Vec<Diagnostic>,
    needless: impl Fn(&[FieldId]) -> Option<(String, &'static str)>,
) -> Vec<Fields> {
    let entity = &result.entities[id.0];
    let mut known: BTreeSet<Vec<FieldId>> = BTreeSet::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut out = Vec::new();
    for list in written {
        let mut found: Vec<FieldId> = Vec::new();
        for name in &list.names {
            let Some(index) = entity.fields.iter().position(|field| field.name == name.value) else {
                if !result.broken_fields.contains(&(id, name.value.clone())) {
                    let names = entity.fields.iter().map(|field| field.name.as_str());
                    diagnostics.push(unknown_field::error(name.span, &entity.name, &name.value, names));
                }
                continue;
            };
            // PostgreSQL has no order of points, which an index wants.
            if matches!(&entity.fields[index].ty, FieldType::Value(ty) if innermost(ty).is_point()) {
                let help = "keep the two numbers in fields of their own";
                diagnostics.push(invalid_option::error(name.span, "points have no order, and so no index", help));
            } else if found.contains(&FieldId(index)) {
                diagnostics.push(invalid_option::error(
                    name.span,
                    format!("`{}` stands twice", name.value),
                    "keep one",
                ));
            } else {
                found.push(FieldId(index));
            }
        }
        if found.len() < list.names.len() {
            continue;
        }
        let most = MOST_COLUMNS - usize::from(entity.multi_tenant);
        if found.len() > most {
            let message = format!("an index has at most {most} fields here");
            diagnostics.push(invalid_option::error(list.span, message, "leave some of them out"));
            continue;
        }
        let joined = list.names.iter().map(|name| &*name.value).collect::<Vec<_>>().join("__");
        if found.len() > 1
            && (entity.fields.iter().any(|field| field.name == joined) || names.contains(&joined))
            && !known.contains(&found)
        {
            let message = format!("the index of these fields would have the name of another: `{joined}`");
            diagnostics.push(invalid_option::error(list.span, message, "rename the field, or change the order here"));
        } else if let Some((message, help)) = needless(&found) {
            diagnostics.push(invalid_option::error(list.span, message, help));
        } else if known.insert(found.clone()) {
            names.insert(joined);
            out.push(Fields { fields: found, origin: sources.origin(list.span) });
        } else {
            diagnostics.push(invalid_option::error(list.span, "this list stands twice", "keep one"));
        }
    }
    out
}
