//! What a name means: a field, a row, an input, or what a callback is given.

use specql_registry::{Basic, ValueType};

use super::{Want, describe_type, join, key_of, type_of};
use crate::{
    check::action::{ActionChecker, Binding, FrameKind},
    diagnostics::rules::{
        sq0204_no_current_row as no_current_row, sq0302_unknown_name as unknown_name,
        sq0303_type_mismatch as type_mismatch, sq0307_untyped_input as untyped_input,
        sq0406_unknown_output as unknown_output,
    },
    model::{
        CallbackKind, EntityId, Expr, ExprKind, FieldType, VarId,
        expr::{ColumnRef, ErrorField, ExprType, JobField, SystemColumn},
    },
    source::{Span, Spanned},
};

/// The fields of `$job`, with their types and whether they may be NULL.
const JOB_FIELDS: &[(&str, JobField, Option<Basic>, bool)] = &[
    ("id", JobField::Id, None, false),
    ("service", JobField::Service, Some(Basic::Text), false),
    ("operation", JobField::Operation, Some(Basic::Text), false),
    ("correlation_id", JobField::CorrelationId, Some(Basic::Text), true),
    ("attempts", JobField::Attempts, Some(Basic::Integer), false),
];

impl ActionChecker<'_> {
    /// A name without `$`.
    pub(super) fn bare_name(&mut self, name: &str, span: Span) -> Option<Expr> {
        let entity = self.statement.unwrap_or(self.entity);
        let Some(column) = self.project.column(entity, name) else {
            if self.project.is_broken_field(entity, name) {
                return None;
            }
            let known: Vec<&str> = self.project.columns(entity).collect();
            return self.report(unknown_name::bare(span, name, &self.project.entity(entity).name, known));
        };
        if self.statement.is_some() {
            return Some(self.column_of(entity, column, ExprKind::Column { entity, column }, false));
        }
        if let Some(var) = self.current_row() {
            let gone = self.may_be_gone(var);
            let column = self.column_of(entity, column, ExprKind::VarColumn { var, column }, gone);
            return Some(self.narrowed(column));
        }
        let owner = &self.project.entity(self.entity);
        if self.frames.len() > 1 {
            return self.report(no_current_row::callback(span, &owner.name));
        }
        // Before the insert of the own entity a bare name is the input that will become the field.
        match column {
            ColumnRef::Field(_) => self.input(name, span, None),
            ColumnRef::System(_) => self.report(no_current_row::before_insert(span, &owner.snake, &owner.name)),
        }
    }

    /// `$root.a.b`.
    pub(super) fn path(
        &mut self,
        root: &Spanned<String>,
        members: &[Spanned<String>],
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        match root.value.as_str() {
            "input" => self.input_path(root, members, span, wanted),
            "job" | "output" | "error" => self.callback_path(root, members, span),
            _ => self.row_path(root, members, span),
        }
    }

    fn input_path(
        &mut self,
        root: &Spanned<String>,
        members: &[Spanned<String>],
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        if self.frames.len() > 1 {
            let help = "keep what the callback needs in a field of the row, and read it from there";
            return self.report(unknown_name::not_here(span, "input", "a callback runs later, by itself", help));
        }
        let Some((first, rest)) = members.split_first() else {
            return self.report(unknown_name::incomplete(span, &root.value, "$input.total"));
        };
        let wanted = if rest.is_empty() { wanted } else { None };
        let input = self.input(&first.value, join(root.span, first.span), wanted)?;
        self.follow(input, &format!("$input.{}", first.value), rest)
    }

    /// The input of that name, inferred where inputs are not declared.
    fn input(&mut self, name: &str, span: Span, wanted: Option<&Want>) -> Option<Expr> {
        if !self.knows_input(name) {
            if self.inputs.declared {
                if self.inputs.broken.contains(name) {
                    return None;
                }
                let known: Vec<String> = self.inputs.fields.iter().map(|field| field.name.clone()).collect();
                let error = unknown_name::member(span, "the action's `input:`", name, known.iter().map(String::as_str));
                return self.report(error);
            }
            if !self.infer_input(name, wanted) {
                if self.project.is_broken_field(self.entity, name) {
                    return None;
                }
                return self.report(untyped_input::error(span, name));
            }
        }
        let field = self.inputs.fields.iter().find(|field| field.name == name)?;
        let nullable = !field.required && !self.fills_required_field(field);
        let kind = ExprKind::Input(name.to_owned());
        let value = |ty| self.narrowed(Expr { kind, ty, nullable });
        Some(match &field.ty {
            FieldType::Value(ty) => value(ExprType::Value(ty.clone())),
            FieldType::Ref { target, .. } => key_of(*target, value(ExprType::uuid()), name),
        })
    }

    /// `$job.…`, `$output.…`, `$error.…`.
    fn callback_path(&mut self, root: &Spanned<String>, members: &[Spanned<String>], span: Span) -> Option<Expr> {
        let FrameKind::Callback { kind, service, operation } = self.frame().kind.clone() else {
            let help = "use it in the steps of `on_success:` or `on_failure:`";
            return self.report(unknown_name::not_here(span, &root.value, "there is no finished call", help));
        };
        let wrong_end = match (root.value.as_str(), kind) {
            ("output", CallbackKind::Failure) => {
                Some(("a call that failed has no output", "`$error.message` says why it failed"))
            }
            ("error", CallbackKind::Success) => Some(("the call succeeded", "`$output` holds its answer")),
            _ => None,
        };
        if let Some((reason, help)) = wrong_end {
            return self.report(unknown_name::not_here(span, &root.value, reason, help));
        }
        let Some((first, rest)) = members.split_first() else {
            let example = match root.value.as_str() {
                "job" => "$job.id",
                "output" => "$output.id",
                _ => "$error.message",
            };
            return self.report(unknown_name::incomplete(span, &root.value, example));
        };
        match root.value.as_str() {
            "output" => self.output(&service, &operation, members),
            "job" => {
                let Some((_, field, basic, nullable)) = JOB_FIELDS.iter().find(|(name, ..)| *name == first.value)
                else {
                    let known = JOB_FIELDS.iter().map(|(name, ..)| *name);
                    return self.report(unknown_name::member(first.span, "`$job`", &first.value, known));
                };
                let ty = basic.map_or_else(ExprType::uuid, ExprType::basic);
                let value = self.narrowed(Expr { kind: ExprKind::Job(*field), ty, nullable: *nullable });
                self.follow(value, "$job", rest)
            }
            _ => {
                let field = match first.value.as_str() {
                    "message" => ErrorField::Message,
                    "kind" => ErrorField::Kind,
                    other => {
                        return self.report(unknown_name::member(first.span, "`$error`", other, ["message", "kind"]));
                    }
                };
                let expr = Expr { kind: ExprKind::Error(field), ty: ExprType::basic(Basic::Text), nullable: false };
                self.follow(expr, "$error", rest)
            }
        }
    }

    /// `$output.a.b`, along the operation's output schema.
    fn output(&mut self, service: &str, operation: &str, members: &[Spanned<String>]) -> Option<Expr> {
        let registry = self.project.registry;
        let (_, declared) = registry.operation(service, operation)?;
        let mut schema = &declared.output;
        let mut what = format!("{service}.{operation}");
        let mut nullable = false;
        let mut path = Vec::new();
        let mut members = members.iter().peekable();
        while let Some(member) = members.next() {
            let Some(field) = schema.fields.get(&member.value) else {
                let known = schema.fields.keys().map(String::as_str);
                return self.report(unknown_output::error(member.span, &what, &member.value, known));
            };
            path.push(member.value.clone());
            nullable |= !field.required;
            let kind = ExprKind::Output(path.clone());
            let value = self.narrowed(Expr { kind, ty: ExprType::Value(field.ty.clone()), nullable });
            nullable = value.nullable;
            match (&field.ty, members.peek()) {
                (ValueType::Object(inner), Some(_)) => schema = inner,
                (_, None) => return Some(value),
                (ty, Some(next)) => {
                    let found = super::describe_value(ty);
                    return self.report(type_mismatch::error(next.span, "an object before the point", &found));
                }
            }
            what = format!("{what}.{}", member.value);
        }
        None
    }

    /// A row, or what it leads to.
    fn row_path(&mut self, root: &Spanned<String>, members: &[Spanned<String>], span: Span) -> Option<Expr> {
        let name = root.value.as_str();
        let binding = self.frame().bindings.iter().rev().find(|(bound, _)| bound == name).map(|(_, b)| b.clone());
        let (var, optional) = match binding {
            Some(Binding::Row(var)) => (var, self.may_be_gone(var)),
            Some(Binding::Optional(var)) => (var, !self.is_found(var)),
            Some(Binding::Value(variable, ty, nullable)) => {
                let value = Expr { kind: variable, ty: ExprType::Value(ty), nullable };
                let value = self.narrowed(value);
                return self.follow(value, &format!("${name}"), members);
            }
            Some(Binding::Job) => return self.job_id(name, members, span),
            None if self.row_alone && name == self.project.entity(self.entity).snake => {
                return self.statement_path(root, members, span);
            }
            None if name == self.project.entity(self.entity).snake => match self.current_row() {
                Some(var) => (var, self.may_be_gone(var)),
                None => {
                    if let Some(row) = self.inherited(name) {
                        return self.columns_of_row(row, root, members);
                    }
                    let entity = &self.project.entity(self.entity).name;
                    let error = match self.frames.len() {
                        1 => no_current_row::before_insert(root.span, name, entity),
                        _ => no_current_row::callback(root.span, entity),
                    };
                    return self.report(error);
                }
            },
            None => match self.inherited(name) {
                Some(row) => row,
                None => return self.unknown_variable(root),
            },
        };
        self.columns_of_row((var, optional), root, members)
    }

    /// The row in a variable, which may hold nothing, or what it leads to.
    fn columns_of_row(
        &mut self,
        (var, optional): (VarId, bool),
        root: &Spanned<String>,
        members: &[Spanned<String>],
    ) -> Option<Expr> {
        let name = &root.value;
        let entity = self.frame().vars[var.0].entity;
        let Some((first, rest)) = members.split_first() else {
            return Some(Expr { kind: ExprKind::Row(var), ty: ExprType::Ref(entity), nullable: optional });
        };
        let mut expr = self.var_column(var, entity, first)?;
        expr.nullable |= optional;
        let expr = self.narrowed(expr);
        self.follow(expr, &format!("${name}.{}", first.value), rest)
    }

    /// `$order.total` where the row of the statement is the only one.
    fn statement_path(&mut self, root: &Spanned<String>, members: &[Spanned<String>], span: Span) -> Option<Expr> {
        let Some((first, rest)) = members.split_first() else {
            return self.report(unknown_name::incomplete(span, &root.value, &format!("${}.id", root.value)));
        };
        let entity = self.entity;
        let column = self.project.expect_column(entity, &first.value, first.span, &mut self.diagnostics)?;
        let expr = self.column_of(entity, column, ExprKind::Column { entity, column }, false);
        self.follow(expr, &format!("${}.{}", root.value, first.value), rest)
    }

    fn var_column(&mut self, var: VarId, entity: EntityId, name: &Spanned<String>) -> Option<Expr> {
        let column = self.project.expect_column(entity, &name.value, name.span, &mut self.diagnostics)?;
        Some(self.column_of(entity, column, ExprKind::VarColumn { var, column }, false))
    }

    fn job_id(&mut self, name: &str, members: &[Spanned<String>], span: Span) -> Option<Expr> {
        match members {
            [member] if member.value == "job_id" => {
                Some(Expr { kind: ExprKind::JobId(name.to_owned()), ty: ExprType::uuid(), nullable: false })
            }
            [] => self.report(unknown_name::incomplete(span, name, &format!("${name}.job_id"))),
            [first, ..] => self.report(
                unknown_name::member(first.span, &format!("the queued call `${name}`"), &first.value, ["job_id"])
                    .help("its answer is not there yet: `$output` in `on_success:` holds it; here there is `job_id`"),
            ),
        }
    }

    fn unknown_variable(&mut self, root: &Spanned<String>) -> Option<Expr> {
        if !self.complete {
            return None; // The step that binds it may be one of those that could not be read.
        }
        let name = &root.value;
        let bound_outside =
            self.frames.iter().rev().skip(1).any(|frame| frame.bindings.iter().any(|(bound, _)| bound == name));
        if bound_outside {
            let help =
                "the rows that steps have bound are there, and no other values: keep what you need in a field of one";
            return self.report(unknown_name::not_here(root.span, name, "a callback runs later, by itself", help));
        }
        let own = self.project.entity(self.entity).snake.clone();
        let mut known: Vec<String> = self.frame().bindings.iter().map(|(bound, _)| bound.clone()).collect();
        // The current row may be bound under that name.
        if !known.contains(&own) {
            known.push(own);
        }
        known.push("input".to_owned());
        if self.frames.len() > 1 {
            known.extend(["job", "output", "error"].map(str::to_owned));
            known.extend(self.inheritable().map(|(name, _)| name.to_owned()));
        }
        if self.project.column(self.entity, name).is_some() {
            let entity = self.project.entity(self.entity);
            return self.report(unknown_name::field_as_variable(root.span, name, &entity.name, &entity.snake));
        }
        self.report(unknown_name::variable(root.span, name, known.iter().map(String::as_str)))
    }

    /// The fields behind a reference, one after another.
    fn follow(&mut self, base: Expr, path: &str, members: &[Spanned<String>]) -> Option<Expr> {
        let mut expr = base;
        let mut path = path.to_owned();
        for member in members {
            // A composite; or an object of a service's answer, met in a loop over a list of them.
            let object = match &expr.ty {
                ExprType::Value(ValueType::Composite(composite)) => {
                    Some((composite.schema(), format!("`{}`", composite.info().name)))
                }
                ExprType::Value(ValueType::Object(schema)) => Some((schema, format!("`{path}`"))),
                _ => None,
            };
            if let Some((schema, what)) = object {
                let Some(field) = schema.fields.get(&member.value).cloned() else {
                    let known: Vec<&str> = schema.fields.keys().map(String::as_str).collect();
                    let error = unknown_name::member(member.span, &what, &member.value, known);
                    return self.report(error);
                };
                expr = Expr {
                    ty: ExprType::Value(field.ty),
                    nullable: expr.nullable || !field.required,
                    kind: ExprKind::Member { base: Box::new(expr), name: member.value.clone() },
                };
                expr = self.narrowed(expr);
                path = format!("{path}.{}", member.value);
                continue;
            }
            let ExprType::Ref(entity) = expr.ty else {
                let found = describe_type(&expr.ty);
                let message = format!("a reference before `.{}`", member.value);
                return self.report(
                    type_mismatch::error(member.span, &message, &found)
                        .help(format!("`{path}` is no reference, so there is nothing behind it")),
                );
            };
            let column = self.project.expect_column(entity, &member.value, member.span, &mut self.diagnostics)?;
            let nullable = expr.nullable || self.may_lead_nowhere(&expr, entity);
            let kind = ExprKind::Follow { base: Box::new(expr), entity, column };
            expr = self.narrowed(self.column_of(entity, column, kind, nullable));
            path = format!("{path}.{}", member.value);
        }
        Some(expr)
    }

    /// An expression that reads a column.
    fn column_of(&self, entity: EntityId, column: ColumnRef, kind: ExprKind, nullable: bool) -> Expr {
        match column {
            ColumnRef::Field(field) => {
                let field = self.project.entity(entity).field(field);
                Expr { kind, ty: type_of(&field.ty), nullable: nullable || !field.required }
            }
            ColumnRef::System(column) => {
                let (ty, always) = match column {
                    SystemColumn::Id | SystemColumn::TenantId => (ExprType::uuid(), true),
                    SystemColumn::CreatedBy | SystemColumn::UpdatedBy | SystemColumn::DeletedBy => {
                        (ExprType::uuid(), false)
                    }
                    SystemColumn::Identifier => (ExprType::basic(Basic::Text), false),
                    SystemColumn::CreatedAt | SystemColumn::UpdatedAt => (ExprType::basic(Basic::Timestamp), true),
                    SystemColumn::DeletedAt => (ExprType::basic(Basic::Timestamp), false),
                };
                Expr { kind, ty, nullable: nullable || !always }
            }
        }
    }
}
