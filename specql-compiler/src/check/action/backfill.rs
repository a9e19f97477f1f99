//! `backfill:`: what rows that are there already get in a field that becomes required.

use std::collections::BTreeSet;

use super::{ActionChecker, Actions, Frame, FrameKind, Inputs};
use crate::{
    check::{
        Project,
        expr::{Place, Want, type_of},
    },
    diagnostics::{
        Diagnostic,
        rules::{sq0141_invalid_option as invalid_option, sq0302_unknown_name as unknown_name},
    },
    model::{ColumnRef, EntityId, Expr, ExprKind, FieldId},
    syntax::{entity::EntitySyntax, expr::Ast},
};

/// Checks the backfills of all entities; each with its field, in the order of the entities.
pub(crate) fn check_all(
    project: Project<'_>,
    written: &[&EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<(FieldId, Expr)>> {
    // An expression over a row calls none.
    let actions = Actions::default();
    let filled_fields = |(index, entity): (usize, &&EntitySyntax)| -> Vec<(EntityId, FieldId)> {
        let names = entity.fields.iter().filter(|field| field.backfill.is_some()).map(|field| &field.name.value);
        names.filter_map(|name| Some((EntityId(index), project.field(EntityId(index), name)?.0))).collect()
    };
    let filled: Filled = written.iter().enumerate().flat_map(filled_fields).collect();
    let of_entity = |(index, entity): (usize, &&EntitySyntax)| {
        let fields = entity.fields.iter().filter_map(|field| Some((&field.name.value, field.backfill.as_ref()?)));
        fields
            .filter_map(|(name, value)| {
                let (id, checked) = backfill(project, &actions, EntityId(index), name, value, diagnostics)?;
                if let Some((entity, field)) = filled_field(&checked, &filled) {
                    let read = &project.entity(entity).field(field).name;
                    diagnostics.push(invalid_option::error(
                        value.span,
                        format!("`{read}` is filled by a `backfill:` itself, and may be NULL when `{name}` is filled"),
                        format!(
                            "write out what `{read}` is filled with; or remove its `backfill:`, if the step that filled it is applied"
                        ),
                    ));
                    return None;
                }
                Some((id, checked))
            })
            .collect()
    };
    written.iter().enumerate().map(of_entity).collect()
}

/// The fields that are filled.
type Filled = BTreeSet<(EntityId, FieldId)>;

/// A field among these that an expression reads: nobody knows whether it has been filled yet.
fn filled_field(expr: &Expr, filled: &Filled) -> Option<(EntityId, FieldId)> {
    let read = match &expr.kind {
        ExprKind::Column { entity, column: ColumnRef::Field(field) }
        | ExprKind::Follow { entity, column: ColumnRef::Field(field), .. } => Some((*entity, *field)),
        _ => None,
    };
    let mut found = read.filter(|read| filled.contains(read));
    expr.children(&mut |child| found = found.or_else(|| filled_field(child, filled)));
    found
}

fn backfill(
    project: Project<'_>,
    actions: &Actions<'_>,
    entity: EntityId,
    name: &str,
    value: &Ast,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(FieldId, Expr)> {
    let (id, field) = project.field(entity, name)?;
    if !field.required {
        let message = format!("`{name}` may be NULL, and rows that are there are left as they are");
        diagnostics.push(invalid_option::error(
            value.span,
            message,
            "make it required by `!`, or leave `backfill:` out",
        ));
        return None;
    }
    let mut checker = ActionChecker::of_rows(project, actions, entity);
    let want = Want { ty: type_of(&field.ty), required: true, place: Place::Field(name.to_owned()) };
    let checked = checker.value(value, &want);
    diagnostics.append(&mut checker.diagnostics);
    let checked = checked?;
    if names_what_is_not_there(&checked) {
        let reason = "there is no action, and no row but the one that is filled";
        let help = "name the row's other fields";
        diagnostics.push(unknown_name::not_here(value.span, "…", reason, help));
        return None;
    }
    Some((id, checked))
}

/// Whether an expression reads anything but the columns of the row.
fn names_what_is_not_there(expr: &Expr) -> bool {
    let itself = matches!(
        expr.kind,
        ExprKind::VarColumn { .. }
            | ExprKind::Row(_)
            | ExprKind::Input(_)
            | ExprKind::Value(_)
            | ExprKind::JobId(_)
            | ExprKind::Job(_)
            | ExprKind::Output(_)
            | ExprKind::Error(_)
            | ExprKind::Each(_)
    );
    let mut found = itself;
    expr.children(&mut |child| found |= names_what_is_not_there(child));
    found
}

impl<'a> ActionChecker<'a> {
    /// One for an expression over the columns of a row, outside of any action.
    pub(super) fn of_rows(project: Project<'a>, actions: &'a Actions<'a>, entity: EntityId) -> Self {
        Self {
            project,
            actions,
            entity,
            diagnostics: Vec::new(),
            inputs: Inputs { declared: true, ..Inputs::default() },
            frames: vec![Frame::new(FrameKind::Action, false)],
            statement: Some(entity),
            complete: true,
            name: String::new(),
            row_alone: true,
            inserts_own: true,
            loaded: None,
            result: None,
            calls: std::collections::BTreeMap::new(),
            call_names: std::collections::BTreeSet::new(),
            callbacks: Vec::new(),
            batches: None,
            sequences: Vec::new(),
            counting: super::Counting::default(),
        }
    }
}
