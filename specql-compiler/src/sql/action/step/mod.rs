//! Steps as PL/pgSQL.

mod answer;
mod call_service;
mod effect;
mod rows;

pub(super) use answer::Answer;

use super::{input::KEYS, source_line};
use crate::{
    model::{
        ColumnRef, EntityId, Expr, ExprKind, FieldType, Model, Step, StepKind, Var, VarId,
        expr::{ExprType, Literal},
        step::{Assignment, Target},
    },
    sql::{
        entity::{column_name, tenant_and},
        expr::{Printer, STATEMENT, job_variable, position_variable, row_variable, value_variable},
        quote::{ident, literal, qualified, text_array},
        types::sql_type,
        usage::Usage,
        writer::{Writer, filled, indented, list},
    },
};

/// What the steps of a function may refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub model: &'a Model,
    pub vars: &'a [Var],
    pub usage: &'a Usage,
    /// The tenant in whose name the function runs.
    pub tenant: &'static str,
    /// What the row is called in place of its variable: [`Printer::row`].
    pub row: Option<&'static str>,
    /// The user in whose name it runs: in a callback, who called the action that queued the job.
    pub user: &'static str,
    /// The row whose written fields are collected in `_updated_fields`.
    pub result: Option<VarId>,
    /// The row whose document is kept in `_object_data` when it is deleted: the view shows live rows only.
    pub deleted: Option<VarId>,
    /// What the action answers with; `None` in a callback.
    pub answer: Option<Answer<'a>>,
    /// The action or the callback, in the identifiers of queued jobs.
    pub identifier: &'a str,
    /// Whether queued jobs are collected in `_jobs`.
    pub collects_jobs: bool,
}

/// Writes the steps of one function.
pub(super) struct Body<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) w: Writer,
}

/// The keys of rows that are locked before they are updated.
const LOCKED: &str = "_locked";

/// Whether the rows of an update are locked in a statement before: a number of a sequence is taken once, and rows are counted when
/// those who competed for the row have written theirs.
pub(in crate::sql) fn locks_first(set: &[Assignment], target: &Target) -> bool {
    fn counts(value: &Expr) -> bool {
        let mut found = matches!(value.kind, ExprKind::Sequence { .. } | ExprKind::OfRows(_));
        value.children(&mut |part| found = found || counts(part));
        found
    }
    matches!(target, Target::Where(_)) && set.iter().any(|assignment| counts(&assignment.value))
}

/// Declares the row variables that are read.
pub(super) fn declare_rows(w: &mut Writer, vars: &[Var], usage: &Usage) {
    for (index, var) in vars.iter().enumerate() {
        if usage.reads(VarId(index)) {
            w.line(format!("{} RECORD;", row_variable(var)));
        }
    }
    for bind in &usage.job_ids {
        w.line(format!("{} UUID;", job_variable(bind)));
    }
}

/// Declares the variables of loops over values.
pub(super) fn declare_values(w: &mut Writer, usage: &Usage) {
    for (name, ty) in usage.values.iter().filter(|(name, _)| usage.read_values.contains(name)) {
        w.line(format!("{} {};", value_variable(name), sql_type(ty)));
    }
    for name in &usage.positions {
        w.line(format!("{} BIGINT;", position_variable(name)));
    }
    if usage.locks_first {
        w.line(format!("{LOCKED} BIGINT[];"));
    }
    if usage.batches {
        w.line("_batch_after BIGINT;");
        w.line("_batch_end BIGINT;");
        w.line("_batch_rows BIGINT;");
    }
}

/// Gives the rows that only some ways through the steps assign their columns, all NULL, so that what follows may read
/// them either way. `result` is read wherever the action ends.
pub(super) fn start_unassigned_rows(
    w: &mut Writer,
    model: &Model,
    vars: &[Var],
    usage: &Usage,
    steps: &[Step],
    result: Option<VarId>,
) {
    for (index, var) in vars.iter().enumerate() {
        let row = VarId(index);
        let inserts = |step: &Step| matches!(step.kind, StepKind::Insert { bind, .. } if bind == row);
        let returns = |step: &Step| matches!(step.kind, StepKind::Return(_));
        let first = steps.iter().position(|step| assigns(step, row));
        let unassigned = match first {
            None => any_step(steps, inserts) || (result == Some(row) && any_step(steps, |step| assigns(step, row))),
            Some(first) => result == Some(row) && any_step(&steps[..first], returns),
        };
        if !usage.reads(row) || !unassigned {
            continue;
        }
        let entity = model.entity(var.entity);
        let why = if any_step(steps, inserts) { "only a branch inserts it" } else { "not every way has one" };
        w.line(format!("-- No {} yet: {why}.", entity.name));
        w.line(filled("SELECT", &usage.fetched(entity, row, "t")));
        w.line(format!("INTO {}", row_variable(var)));
        w.line(format!("FROM {} AS t", qualified(&entity.schema, &entity.table())));
        w.line("WHERE FALSE;");
        w.blank();
    }
}

/// Whether this very step gives the variable a row.
fn assigns(step: &Step, row: VarId) -> bool {
    match &step.kind {
        StepKind::Insert { bind, .. } | StepKind::Find { bind, .. } => *bind == row,
        StepKind::CallAction(call) => call.bind == Some(row),
        _ => false,
    }
}

/// Whether a step writes the row in this variable.
pub(super) fn writes_to(steps: &[Step], row: VarId) -> bool {
    any_step(steps, |step| match &step.kind {
        StepKind::Insert { bind, .. } => *bind == row,
        StepKind::Update { target: Target::Row(var), .. } => *var == row,
        _ => false,
    })
}

/// Whether this very step deletes the row in this variable.
pub(super) fn deletes(step: &Step, row: VarId) -> bool {
    matches!(step.kind, StepKind::Delete { target: Target::Row(var), .. } if var == row)
}

/// Whether this is true of a step, or of one in its branches.
pub(super) fn any_step(steps: &[Step], test: impl Fn(&Step) -> bool) -> bool {
    let mut found = false;
    for step in steps {
        step.walk(&mut |step| found |= test(step));
    }
    found
}

impl<'a> Body<'a> {
    pub(super) fn new(scope: Scope<'a>, w: Writer) -> Self {
        Self { scope, w }
    }

    pub(super) fn finish(self) -> Writer {
        self.w
    }

    /// Writes steps; whether they always end the function.
    pub(super) fn steps(&mut self, steps: &[Step]) -> bool {
        for (index, step) in steps.iter().enumerate() {
            if index > 0 {
                self.w.blank();
            }
            self.known_keys_of_rows(step);
            let ends = self.step(step);
            if !matches!(step.kind, StepKind::Foreach(_)) {
                step.stale.iter().for_each(|row| self.read_changed(*row));
            }
            if ends {
                if let Some(next) = steps.get(index + 1) {
                    self.w.line(source_line(&next.origin, "never reached"));
                }
                return true;
            }
        }
        false
    }

    pub(super) fn printer(&self) -> Printer<'a> {
        let Scope { model, vars, tenant, row, .. } = self.scope;
        Printer { model, vars, tenant, row, own: STATEMENT }
    }

    fn step(&mut self, step: &Step) -> bool {
        match &step.kind {
            StepKind::Validate { condition, error, message } => {
                self.w.line(source_line(&step.origin, "validate"));
                self.w.line(format!("IF ({}) IS NOT TRUE THEN", self.printer().print(condition)));
                self.w.open();
                let message = message.as_ref().map(|message| self.printer().print(message));
                self.raise(&format!("validation:{error}"), message.as_deref());
                self.w.close();
                self.w.line("END IF;");
                false
            }
            StepKind::Reject { code } => {
                self.w.line(source_line(&step.origin, "reject"));
                self.raise(&format!("failed:{code}"), None);
                true
            }
            StepKind::If { condition, then, otherwise } => {
                self.w.line(source_line(&step.origin, "if"));
                self.w.line(format!("IF {} THEN", self.printer().print(condition)));
                let then = self.branch(then);
                let mut ended = false;
                if !otherwise.is_empty() {
                    self.w.line("ELSE");
                    ended = self.branch(otherwise) && then;
                }
                self.w.line("END IF;");
                ended
            }
            StepKind::Insert { entity, values, bind } => {
                self.heading(step, "insert", *entity);
                self.insert(*entity, values, *bind);
                false
            }
            StepKind::Update { entity, set, target, partial } => {
                self.heading(step, "update", *entity);
                self.update(*entity, set, target, *partial);
                false
            }
            StepKind::Delete { entity, target, hard } => {
                self.heading(step, "delete", *entity);
                self.delete(*entity, target, *hard);
                false
            }
            StepKind::Find { entity, condition, order, bind, optional, locks } => {
                self.heading(step, "find", *entity);
                self.find(*entity, condition.as_ref(), order, *bind, *optional, *locks);
                false
            }
            StepKind::Foreach(foreach) => {
                self.w.line(source_line(&step.origin, "foreach"));
                self.foreach(foreach, &step.stale);
                false
            }
            StepKind::CallAction(call) => {
                let (entity, action) = self.scope.model.action(call.action);
                self.w.line(source_line(&step.origin, &format!("call {}.{}", entity.name, action.name)));
                self.call_action(call);
                false
            }
            StepKind::CallFunction { call, bind } => {
                self.w.line(source_line(&step.origin, "call"));
                self.call_function(call, bind.as_ref().map(|(name, _)| name.as_str()));
                false
            }
            StepKind::Notify { recipient, channel, message } => {
                self.w.line(source_line(&step.origin, "notify"));
                self.notify(recipient, channel, message);
                false
            }
            StepKind::Return(value) => {
                self.w.line(source_line(&step.origin, "return"));
                self.finish_with(value);
                true
            }
            StepKind::CallService(call) => {
                self.w.line(source_line(&step.origin, &format!("call {}.{}", call.service, call.operation)));
                self.call_service(call);
                false
            }
        }
    }

    fn heading(&mut self, step: &Step, verb: &str, entity: EntityId) {
        let name = &self.scope.model.entity(entity).name;
        self.w.line(source_line(&step.origin, &format!("{verb} {name}")));
    }

    fn branch(&mut self, steps: &[Step]) -> bool {
        self.w.open();
        if steps.is_empty() {
            self.w.line("NULL;");
        }
        let ended = self.steps(steps);
        self.w.close();
        ended
    }

    /// Ends the function with a status and a message, which is SQL; the wrapper turns it into the result.
    fn raise(&mut self, status: &str, message: Option<&str>) {
        let mut options = vec!["ERRCODE = 'SQ001'".to_owned(), format!("MESSAGE = {}", literal(status))];
        options.extend(message.map(|message| format!("DETAIL = {message}")));
        self.w.line(format!("{};", list("RAISE EXCEPTION USING ", &options, "")));
    }

    fn insert(&mut self, entity: EntityId, values: &[Assignment], bind: VarId) {
        let owner = self.scope.model.entity(entity);
        let mut columns = Vec::new();
        let mut row = Vec::new();
        if owner.multi_tenant {
            columns.push("tenant_id".to_owned());
            row.push(self.scope.tenant.to_owned());
        }
        for assignment in values {
            columns.push(column_name(owner, assignment.column));
            row.push(self.value(entity, assignment));
        }
        columns.extend(["created_by".to_owned(), "updated_by".to_owned()]);
        row.extend([self.scope.user.to_owned(), self.scope.user.to_owned()]);
        let table = qualified(&owner.schema, &owner.table());
        let mut statement =
            vec![list(&format!("INSERT INTO {table} AS t ("), &columns, ")"), list("VALUES (", &row, ")")];
        if self.scope.usage.reads(bind) {
            statement.extend(self.returning(entity, bind));
        }
        self.statement(&statement);
        self.report(bind, &field_names(owner, values));
    }

    fn update(&mut self, entity: EntityId, set: &[Assignment], target: &Target, partial: bool) {
        let owner = self.scope.model.entity(entity);
        self.known_keys(target.condition());
        let table = qualified(&owner.schema, &owner.table());
        let mut rows = self.matching(entity, target);
        if locks_first(set, target) {
            let pk = ident(&owner.pk());
            let locked = ["SELECT t.".to_owned() + &pk, format!("FROM {table} AS t"), rows, format!("ORDER BY t.{pk}")];
            self.w.line("-- Locked before, for behind a lock PostgreSQL would compute a value twice, and from what it saw before it waited.");
            self.w.line(format!("{LOCKED} := ARRAY("));
            self.w.indent(|w| {
                w.line(format!(
                    "SELECT r.{pk}\nFROM (\n{}\n) AS r",
                    indented(&format!("{}\nFOR NO KEY UPDATE", locked.join("\n")))
                ));
            });
            self.w.line(");");
            rows = format!("WHERE t.{pk} = ANY ({LOCKED}){}", tenant_and(owner, "t", self.scope.tenant));
        }
        let mut statement =
            vec![format!("UPDATE {table} AS t"), list("SET ", &self.sets(entity, set, partial), ""), rows];
        statement.extend(self.read_again(entity, target));
        self.statement(&statement);
        if let Target::Row(var) = target {
            if partial {
                self.report_keys(*var, &field_names(owner, set));
            } else {
                self.report(*var, &field_names(owner, set));
            }
        }
    }

    /// What an update sets.
    pub(super) fn sets(&self, entity: EntityId, set: &[Assignment], partial: bool) -> Vec<String> {
        let owner = self.scope.model.entity(entity);
        let mut sets: Vec<String> = set
            .iter()
            .map(|assignment| {
                let column = column_name(owner, assignment.column);
                let value = self.value(entity, assignment);
                match input_name(&assignment.value).filter(|_| partial) {
                    Some(key) => given_or_kept(&column, key, &value),
                    None => format!("{column} = {value}"),
                }
            })
            .collect();
        sets.push("updated_at = now()".to_owned());
        sets.push(format!("updated_by = {}", self.scope.user));
        sets
    }

    fn delete(&mut self, entity: EntityId, target: &Target, hard: bool) {
        let owner = self.scope.model.entity(entity);
        let table = qualified(&owner.schema, &owner.table());
        if let Target::Row(var) = target
            && self.scope.deleted == Some(*var)
        {
            let row = self.scope.vars.get(var.0).map(row_variable).unwrap_or_default();
            let view = qualified(&owner.schema, &owner.view());
            let tenant = tenant_and(owner, "d", self.scope.tenant);
            self.w.line(format!("SELECT d.data INTO _object_data FROM {view} AS d WHERE d.id = {row}.id{tenant};"));
        }
        self.known_keys(target.condition());
        let mut statement = Vec::new();
        if hard {
            statement.push(format!("DELETE FROM {table} AS t"));
        } else {
            let user = self.scope.user;
            let sets = [
                "deleted_at = now()".to_owned(),
                "updated_at = now()".to_owned(),
                format!("deleted_by = {user}"),
                format!("updated_by = {user}"),
            ];
            statement.push(format!("UPDATE {table} AS t"));
            statement.push(list("SET ", &sets, ""));
        }
        statement.push(self.matching(entity, target));
        if !hard {
            statement.extend(self.read_again(entity, target));
        }
        self.statement(&statement);
    }

    /// The rows of a statement. A row that a variable holds may be deleted: a callback reports on it all the same.
    fn matching(&self, entity: EntityId, target: &Target) -> String {
        let owner = self.scope.model.entity(entity);
        let tenant = tenant_and(owner, "t", self.scope.tenant);
        match target {
            Target::Row(var) => {
                let pk = ident(&owner.pk());
                let row = self.scope.vars.get(var.0).map(row_variable).unwrap_or_default();
                format!("WHERE t.{pk} = {row}.{pk}{tenant}")
            }
            Target::Where(condition) => {
                format!("WHERE {} AND t.deleted_at IS NULL{tenant}", self.printer().operand(condition))
            }
        }
    }

    /// Reads a row again that the step before may have changed. One that was deleted softly is read all the same.
    pub(super) fn read_changed(&mut self, row: VarId) {
        let Some(var) = self.scope.vars.get(row.0) else { return };
        let owner = self.scope.model.entity(var.entity);
        let (pk, name) = (ident(&owner.pk()), row_variable(var));
        let tenant = tenant_and(owner, "t", self.scope.tenant);
        let mut statement = self.select_into(var.entity, row);
        statement.push(format!("FROM {} AS t", qualified(&owner.schema, &owner.table())));
        statement.push(format!("WHERE t.{pk} = {name}.{pk}{tenant}"));
        self.statement(&statement);
    }

    fn read_again(&self, entity: EntityId, target: &Target) -> Vec<String> {
        let owner = self.scope.model.entity(entity);
        match target {
            Target::Row(var) if self.scope.usage.reads_values(owner, *var) => self.returning(entity, *var),
            _ => Vec::new(),
        }
    }

    fn returning(&self, entity: EntityId, var: VarId) -> Vec<String> {
        let owner = self.scope.model.entity(entity);
        let row = self.scope.vars.get(var.0).map(row_variable).unwrap_or_default();
        vec![filled("RETURNING", &self.scope.usage.fetched(owner, var, "t")), format!("INTO {row}")]
    }

    /// A field's new value. A ref takes a key; a public id is looked up.
    fn value(&self, entity: EntityId, assignment: &Assignment) -> String {
        let value = &assignment.value;
        let ColumnRef::Field(field) = assignment.column else { return self.printer().print(value) };
        let field = self.scope.model.entity(entity).field(field);
        let is_key = matches!(value.ty, ExprType::Ref(_) | ExprType::Null)
            || matches!(value.kind, ExprKind::KeyOf { .. } | ExprKind::Literal(Literal::Null));
        match &field.ty {
            FieldType::Ref { target, .. } if !is_key => self.printer().key_of(*target, value, &field.name),
            _ => self.printer().print(value),
        }
    }

    pub(super) fn statement(&mut self, lines: &[String]) {
        self.w.line(format!("{};", lines.join("\n")));
    }

    fn report(&mut self, row: VarId, fields: &[&str]) {
        if self.scope.result == Some(row) && !fields.is_empty() {
            self.w.line(format!("_updated_fields := _updated_fields || {};", text_array(fields)));
        }
    }

    /// Reports the fields of a partial update: those whose keys were given.
    fn report_keys(&mut self, row: VarId, fields: &[&str]) {
        if self.scope.result == Some(row) && !fields.is_empty() {
            self.w.line("_updated_fields := _updated_fields || ARRAY(");
            self.w.line(indented("SELECT f.name"));
            self.w.line(indented(&format!("FROM unnest({}) AS f(name)", text_array(fields))));
            self.w.line(indented(&format!("WHERE f.name = ANY (input.{KEYS})")));
            self.w.line(");");
        }
    }
}

fn field_names<'m>(entity: &'m crate::model::Entity, assignments: &[Assignment]) -> Vec<&'m str> {
    assignments.iter().map(|assignment| entity.column_name(assignment.column)).collect()
}

/// A column's value in a partial update: the input where its key was given, else what is there.
fn given_or_kept(column: &str, key: &str, value: &str) -> String {
    let given = format!("{column} = CASE WHEN {} = ANY (input.{KEYS})", literal(key));
    if value.contains('\n') {
        format!("{given}\n{}\n    ELSE t.{column} END", indented(&format!("THEN {value}")))
    } else {
        format!("{given} THEN {value} ELSE t.{column} END")
    }
}

/// The input whose value this is.
fn input_name(value: &Expr) -> Option<&str> {
    match &value.kind {
        ExprKind::Input(name) => Some(name),
        ExprKind::KeyOf { id, .. } => input_name(id),
        _ => None,
    }
}
