//! `checks:` of an entity: conditions over the columns of a row.

use std::collections::BTreeSet;

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

use super::{ActionChecker, Actions};
use crate::{
    check::{Project, names::check_identifier},
    diagnostics::{Diagnostic, rules::sq0141_invalid_option as invalid_option},
    model::{
        ColumnRef, EntityId, Expr, ExprKind, FieldId,
        expr::{BinaryOp, ExprType},
        function::{Function, Volatility},
        row_rule::Check,
    },
    syntax::{entity::EntitySyntax, row_rule::CheckSyntax},
};

/// Checks the conditions of all entities, in the order of the entities.
pub(crate) fn check_all(
    project: Project<'_>,
    written: &[&EntitySyntax],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<Check>> {
    // An expression over a row calls none.
    let actions = Actions::default();
    let of_entity = |(index, entity): (usize, &&EntitySyntax)| {
        let checks = entity.checks.iter();
        checks.filter_map(|check| row_check(project, &actions, EntityId(index), check, diagnostics)).collect()
    };
    written.iter().enumerate().map(of_entity).collect()
}

fn row_check(
    project: Project<'_>,
    actions: &Actions<'_>,
    entity: EntityId,
    written: &CheckSyntax,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Check> {
    let name = &written.name;
    let named = check_identifier(name, "a check", diagnostics);
    if project.field(entity, &name.value).is_some() {
        let message = format!("`{}` is a field, whose type has a constraint of that name", name.value);
        diagnostics.push(invalid_option::error(name.span, message, "say in the name what must hold"));
        return None;
    }
    let mut checker = ActionChecker::of_rows(project, actions, entity);
    let condition = checker.condition(&written.condition);
    diagnostics.append(&mut checker.diagnostics);
    let condition = condition.filter(|_| named)?;
    let mut fields = BTreeSet::new();
    if let Some(reason) = reads_more(&condition, &mut fields) {
        let help = "name fields of the row, constants, and functions whose answer depends on nothing else; what needs more is a `validate:` of the actions";
        diagnostics.push(invalid_option::error(written.condition.span, reason, help));
        return None;
    }
    if fields.is_empty() {
        let message = "this condition names no field of the row";
        diagnostics.push(invalid_option::error(written.condition.span, message, "leave it out"));
        return None;
    }
    let origin = project.sources.origin(name.span);
    Some(Check { name: name.value.clone(), condition, fields: fields.into_iter().collect(), origin })
}

/// Whether the text of a value depends on settings such as `TimeZone` and `DateStyle`.
fn of_session(ty: &ExprType) -> bool {
    match ty {
        ExprType::Value(ValueType::Basic(Basic::Timestamp | Basic::Float)) | ExprType::Interval => true,
        ExprType::Value(ValueType::Scalar(scalar)) => {
            matches!(scalar.info().base, ScalarBase::Date | ScalarBase::Interval | ScalarBase::Time)
        }
        _ => false,
    }
}

/// What a condition needs besides the fields of its row, which are collected: PostgreSQL looks at it when the row is written, and never
/// again.
fn reads_more(expr: &Expr, fields: &mut BTreeSet<FieldId>) -> Option<String> {
    let mut found = match &expr.kind {
        ExprKind::Column { column: ColumnRef::Field(field), .. } => {
            fields.insert(*field);
            None
        }
        ExprKind::Column { column: ColumnRef::System(column), .. } => {
            Some(format!("`{}` is not a field of the entity's own", column.name()))
        }
        ExprKind::Follow { .. } | ExprKind::PublicId(_) | ExprKind::KeyOf { .. } | ExprKind::OfRows(_) => {
            Some("a check sees its own row alone, and no row that this one refers to".to_owned())
        }
        ExprKind::Each(_) => Some("a check is a condition on one row".to_owned()),
        ExprKind::Call { function, .. } => Function::find(function)
            .filter(|found| found.volatility != Volatility::Immutable)
            .map(|_| format!("`{function}` has another answer at another time")),
        ExprKind::Binary(BinaryOp::Concat, left, right) => [left, right]
            .into_iter()
            .any(|part| of_session(&part.ty))
            .then(|| "how a date or a time reads as a text depends on the session".to_owned()),
        ExprKind::UserCall { .. } => {
            Some("a function of your own may not be there yet when the table is made".to_owned())
        }
        ExprKind::VarColumn { .. }
        | ExprKind::Row(_)
        | ExprKind::Input(_)
        | ExprKind::Value(_)
        | ExprKind::JobId(_)
        | ExprKind::Job(_)
        | ExprKind::Output(_)
        | ExprKind::Error(_)
        | ExprKind::Sequence { .. } => Some("there is no action here, and no row but this one".to_owned()),
        _ => None,
    };
    expr.children(&mut |child| found = found.take().or_else(|| reads_more(child, fields)));
    found
}
