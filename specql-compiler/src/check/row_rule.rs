//! `unique:` and `indexes:` of an entity.

use std::collections::BTreeSet;

use super::entity::{Entities, innermost};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0140_unknown_field as unknown_field, sq0141_invalid_option as invalid_option},
    },
    model::{ColumnRef, EntityId, FieldId, FieldType, expr::SystemColumn, row_rule::Columns},
    source::Sources,
    syntax::row_rule::FieldsSyntax,
};

/// PostgreSQL's `INDEX_MAX_KEYS`; that of a tenant is one of them.
const MOST_COLUMNS: usize = 32;

/// Checks both of an entity whose fields are known.
pub(super) fn check(sources: &Sources, result: &mut Entities<'_>, id: EntityId, diagnostics: &mut Vec<Diagnostic>) {
    let written = result.syntax[id.0];
    let entity = &result.entities[id.0];
    let unique = columns(sources, result, id, &written.unique, &[], diagnostics, |columns| {
        let name = entity.column_name(*columns.first()?);
        (columns.len() == 1)
            .then(|| (format!("`{name}` alone is unique by its own key"), "write `unique: true` at the field"))
    });
    let indexes = columns(sources, result, id, &written.indexes, &OF_EVERY_ROW, diagnostics, |columns| {
        let first = *columns.first()?;
        let has_one = match first {
            ColumnRef::Field(field) => {
                entity.field(field).unique || matches!(entity.field(field).ty, FieldType::Ref { .. })
            }
            ColumnRef::System(column) => column == SystemColumn::Id,
        };
        (columns.len() == 1 && has_one).then(|| {
            let help = "leave it out: `id`, references and unique fields are indexed";
            (format!("`{}` has an index already", entity.column_name(first)), help)
        })
    });
    result.entities[id.0].unique = unique;
    result.entities[id.0].indexes = indexes;
}

/// The columns besides the declared fields by which readers order and page.
const OF_EVERY_ROW: [SystemColumn; 3] = [SystemColumn::CreatedAt, SystemColumn::UpdatedAt, SystemColumn::Id];

/// The lists of columns that can have an index: of declared fields, and of `besides`. `needless` says why one is not wanted.
fn columns(
    sources: &Sources,
    result: &Entities<'_>,
    id: EntityId,
    written: &[FieldsSyntax],
    besides: &[SystemColumn],
    diagnostics: &mut Vec<Diagnostic>,
    needless: impl Fn(&[ColumnRef]) -> Option<(String, &'static str)>,
) -> Vec<Columns> {
    let entity = &result.entities[id.0];
    let mut known: Vec<Vec<ColumnRef>> = Vec::new();
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut out = Vec::new();
    for list in written {
        let mut found: Vec<ColumnRef> = Vec::new();
        for name in &list.names {
            let of_every_row = besides.iter().copied().find(|column| column.name() == name.value);
            let field = || entity.fields.iter().position(|field| field.name == name.value);
            let declared = || field().map(|field| ColumnRef::Field(FieldId(field)));
            let Some(column) = of_every_row.map(ColumnRef::System).or_else(declared) else {
                if !result.broken_fields.contains(&(id, name.value.clone())) {
                    let names = entity.fields.iter().map(|field| field.name.as_str());
                    diagnostics.push(unknown_field::error(name.span, &entity.name, &name.value, names));
                }
                continue;
            };
            // PostgreSQL has no order of points, which an index wants.
            let is_point = |ty: &FieldType| matches!(ty, FieldType::Value(ty) if innermost(ty).is_point());
            if matches!(column, ColumnRef::Field(field) if is_point(&entity.field(field).ty)) {
                let help = "keep the two numbers in fields of their own";
                diagnostics.push(invalid_option::error(name.span, "points have no order, and so no index", help));
            } else if found.contains(&column) {
                diagnostics.push(invalid_option::error(
                    name.span,
                    format!("`{}` stands twice", name.value),
                    "keep one",
                ));
            } else {
                found.push(column);
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
        } else if !known.contains(&found) {
            known.push(found.clone());
            names.insert(joined);
            out.push(Columns { columns: found, origin: sources.origin(list.span) });
        } else {
            diagnostics.push(invalid_option::error(list.span, "this list stands twice", "keep one"));
        }
    }
    out
}
