//! `find` and `foreach`.

use specql_registry::ValueType;

use super::Body;
use crate::{
    model::{
        ColumnRef, EntityId, Expr, ExprKind, Foreach, Step, VarId,
        expr::BinaryOp,
        names,
        step::{LoopKey, Source},
    },
    sql::{
        entity::{column_name, tenant_and},
        expr::{in_order, position_variable, row_variable, value_variable},
        quote::{ident, literal, qualified},
        writer::{filled, indented},
    },
};

/// Behind which key a batch begins: set by `jobs.call_scheduled` alone.
const BATCH_AFTER: &str = "current_setting('specql.batch_after', true)";

impl Body<'_> {
    pub(super) fn find(
        &mut self,
        entity: EntityId,
        condition: Option<&Expr>,
        order: &[(ColumnRef, bool)],
        bind: VarId,
        optional: bool,
        locks: bool,
    ) {
        let owner = self.scope.model.entity(entity);
        self.known_keys(condition);
        let mut statement = self.select_into(entity, bind);
        statement.push(format!("FROM {} AS t", qualified(&owner.schema, &owner.table())));
        statement.push(self.live(entity, condition));
        statement.push(in_order(owner, order, "t"));
        statement.push("LIMIT 1".to_owned());
        statement.extend(locks.then(|| "FOR NO KEY UPDATE".to_owned()));
        self.statement(&statement);
        if !optional {
            self.not_found(&format!("no {} matches", owner.name));
        }
    }

    /// `SELECT … INTO` the variable, as far as it is read.
    pub(super) fn select_into(&self, entity: EntityId, bind: VarId) -> Vec<String> {
        if !self.scope.usage.reads(bind) {
            return vec!["PERFORM 1".to_owned()];
        }
        let owner = self.scope.model.entity(entity);
        let row = self.scope.vars.get(bind.0).map(row_variable).unwrap_or_default();
        vec![filled("SELECT", &self.scope.usage.fetched(owner, bind, "t")), format!("INTO {row}")]
    }

    /// Ends the function when the statement before has found nothing.
    pub(super) fn not_found(&mut self, detail: &str) {
        self.w.line("IF NOT FOUND THEN");
        self.w.open();
        self.raise("not_found", Some(&literal(detail)));
        self.w.close();
        self.w.line("END IF;");
    }

    /// Ends the function when the condition names a row that does not exist. The statement itself would ask only where it comes
    /// to a row for which the answer counts, and that depends on the index that PostgreSQL goes by.
    pub(super) fn known_keys(&mut self, condition: Option<&Expr>) {
        let mut keys = Vec::new();
        condition.into_iter().for_each(|condition| keys_of(condition, &mut keys));
        self.ask_for(&keys);
    }

    /// The same for the rows that the expressions of a step count, or make lists of, before it: of none it would not be asked.
    pub(super) fn known_keys_of_rows(&mut self, step: &Step) {
        let mut keys = Vec::new();
        step.expressions(&mut |value| keys_of_rows(value, &mut keys));
        self.ask_for(&keys);
    }

    fn ask_for(&mut self, keys: &[&Expr]) {
        let mut asked: Vec<String> = keys.iter().map(|key| self.printer().print(key)).collect();
        asked.dedup();
        asked.iter().for_each(|key| self.w.line(format!("PERFORM {key};")));
    }

    /// The live rows, of the tenant, for which the condition is true.
    fn live(&self, entity: EntityId, condition: Option<&Expr>) -> String {
        let owner = self.scope.model.entity(entity);
        let condition = condition.map(|it| format!("{} AND ", self.printer().operand(it))).unwrap_or_default();
        format!("WHERE {condition}t.deleted_at IS NULL{}", tenant_and(owner, "t", self.scope.tenant))
    }

    pub(super) fn foreach(&mut self, foreach: &Foreach, stale: &[VarId]) {
        match &foreach.source {
            Source::Rows { entity, condition, order, limit, batch, bind } => {
                let chosen = match batch {
                    Some(most) => self.begin_batch(*entity, condition.as_ref(), *most),
                    None => self.chosen(*entity, condition.as_ref(), order, limit.as_ref()),
                };
                self.row_loop(*entity, condition.as_ref(), order, &chosen, *bind);
            }
            Source::Values { list, bind, element } => self.value_loop(list, bind, element),
        }
        self.w.line("LOOP");
        self.w.open();
        stale.iter().for_each(|row| self.read_changed(*row));
        self.w.close();
        self.branch(&foreach.steps);
        self.w.line("END LOOP;");
        if let Source::Rows { batch: Some(most), .. } = foreach.source {
            self.end_batch(most);
        }
    }

    /// Finds out where this batch ends; what says that a row is of it. Its end is known before its rows are locked: those that are then
    /// left out, because another transaction has changed them, must not seem to be the last ones.
    fn begin_batch(&mut self, entity: EntityId, condition: Option<&Expr>, most: u32) -> String {
        let owner = self.scope.model.entity(entity);
        let pk = ident(&owner.pk());
        self.known_keys(condition);
        self.w
            .line("-- A schedule calls for one batch after another; whoever else calls has all of them done at once.");
        self.w.line(format!("_batch_after := nullif({BATCH_AFTER}, '')::bigint;"));
        let candidates = [
            format!("SELECT t.{pk} AS pk"),
            format!("FROM {} AS t", qualified(&owner.schema, &owner.table())),
            format!(
                "{} AND t.{pk} > coalesce(_batch_after, (-9223372036854775808)::bigint)",
                self.live(entity, condition)
            ),
            format!("ORDER BY t.{pk}"),
            format!("LIMIT CASE WHEN _batch_after IS NOT NULL THEN {most} END"),
        ];
        self.statement(&[
            "SELECT max(b.pk)::bigint, count(*)".to_owned(),
            "INTO _batch_end, _batch_rows".to_owned(),
            format!("FROM (\n{}\n) AS b", indented(&candidates.join("\n"))),
        ]);
        format!(" AND t.{pk} > coalesce(_batch_after, (-9223372036854775808)::bigint) AND t.{pk} <= _batch_end")
    }

    /// Says where the next batch begins, if this one was full.
    fn end_batch(&mut self, most: u32) {
        self.w.line(format!("IF _batch_after IS NOT NULL AND _batch_rows = {most} THEN"));
        self.w.line("    PERFORM set_config('specql.batch_end', _batch_end::text, true);");
        self.w.line("END IF;");
    }

    /// With a limit, what says that a row is one of the first ones. They are chosen before any is locked, for locks are taken in the
    /// order of keys, whatever the order of the rounds is. A row of them that another transaction changes meanwhile, so that the
    /// condition is no longer true of it, is left out, and no other takes its place.
    fn chosen(
        &self,
        entity: EntityId,
        condition: Option<&Expr>,
        order: &[(ColumnRef, bool)],
        limit: Option<&Expr>,
    ) -> String {
        let Some(limit) = limit else { return String::new() };
        let owner = self.scope.model.entity(entity);
        let pk = ident(&owner.pk());
        let most = match &limit.kind {
            ExprKind::Literal(_) => self.printer().print(limit),
            // PostgreSQL refuses a negative one.
            _ => format!("greatest({}, 0)", self.printer().print(limit)),
        };
        let lines = [
            format!("SELECT t.{pk}"),
            format!("FROM {} AS t", qualified(&owner.schema, &owner.table())),
            self.live(entity, condition),
            in_order(owner, order, "t"),
            format!("LIMIT {most}"),
        ];
        format!(" AND t.{pk} = ANY (ARRAY(\n{}\n))", indented(&lines.join("\n")))
    }

    /// All rows are locked, in the order of their keys, before the first round: a row that is locked later than a round
    /// has changed it would be skipped.
    fn row_loop(
        &mut self,
        entity: EntityId,
        condition: Option<&Expr>,
        order: &[(ColumnRef, bool)],
        chosen: &str,
        bind: VarId,
    ) {
        let owner = self.scope.model.entity(entity);
        let row = self.scope.vars.get(bind.0).map(row_variable).unwrap_or_default();
        let pk = ident(&owner.pk());
        let usage = self.scope.usage;
        self.known_keys(condition);
        self.w.line("-- All are locked before the first round.");
        if !usage.reads(bind) {
            let lines = [
                "SELECT 1".to_owned(),
                format!("FROM {} AS t", qualified(&owner.schema, &owner.table())),
                format!("{}{chosen}", self.live(entity, condition)),
                format!("ORDER BY t.{pk}"),
                "FOR NO KEY UPDATE".to_owned(),
            ];
            let name = self.scope.vars.get(bind.0).map_or("row", |var| &var.name);
            self.counted(name, &format!("FROM (\n{}\n) AS r", indented(&lines.join("\n"))));
            return;
        }
        // What the rounds are ordered by is read with the rows, where nothing else reads it.
        let mut locked = usage.fetched(owner, bind, "t");
        let keys = order.iter().map(|(column, _)| format!("t.{}", column_name(owner, *column)));
        for key in keys {
            if !locked.contains(&key) {
                locked.push(key);
            }
        }
        let lines = [
            filled("SELECT", &usage.fetched(owner, bind, "r")),
            "FROM (".to_owned(),
            indented(&filled("SELECT", &locked)),
            indented(&format!("FROM {} AS t", qualified(&owner.schema, &owner.table()))),
            indented(&format!("{}{chosen}", self.live(entity, condition))),
            indented(&format!("ORDER BY t.{pk}")),
            indented("FOR NO KEY UPDATE"),
            ") AS r".to_owned(),
            in_order(owner, order, "r"),
        ];
        self.w.line(format!("FOR {row} IN"));
        self.w.indent(|w| w.line(lines.join("\n")));
    }

    /// The head of a loop whose elements nothing reads: only their number matters.
    fn counted(&mut self, name: &str, from: &str) {
        self.w.line(format!("FOR {} IN 1 .. (", ident(&names::derived(&format!("round_{name}")))));
        self.w.indent(|w| w.line(format!("SELECT count(*)::integer\n{from}")));
        self.w.line(")");
    }

    fn value_loop(&mut self, list: &Expr, bind: &str, element: &ValueType) {
        let printer = self.printer();
        let elements = printer.elements(list, bind);
        let value = printer.decoded(list, bind, element).unwrap_or_else(|| "e.value".to_owned());
        let usage = self.scope.usage;
        let mut targets = Vec::new();
        if usage.read_values.contains(bind) {
            targets.push((value_variable(bind), value));
        }
        if usage.positions.contains(bind) {
            targets.push((position_variable(bind), "e.position".to_owned()));
        }
        if targets.is_empty() {
            self.counted(bind, &format!("FROM {elements}"));
            return;
        }
        let (names, columns): (Vec<String>, Vec<String>) = targets.into_iter().unzip();
        self.w.line(format!("FOR {} IN", names.join(", ")));
        self.w.indent(|w| {
            w.line(format!("SELECT {}", columns.join(", ")));
            w.line(format!("FROM {elements} WITH ORDINALITY AS e(value, position)"));
            w.line("ORDER BY e.position");
        });
    }

    /// What ends the identifier of a call in loops: a part for each of them.
    pub(super) fn rounds(&self, rounds: &[LoopKey]) -> String {
        let part = |key: &LoopKey| match key {
            LoopKey::Row(row) => {
                format!(" || '_' || {}.id", self.scope.vars.get(row.0).map(row_variable).unwrap_or_default())
            }
            LoopKey::Position(value) => format!(" || '_' || {}", position_variable(value)),
        };
        rounds.iter().map(part).collect()
    }
}

/// The keys that a condition wants whatever the row is: of ids that are given. A branch that may not be gone into wants none.
fn keys_of<'a>(condition: &'a Expr, keys: &mut Vec<&'a Expr>) {
    match &condition.kind {
        ExprKind::KeyOf { id, .. } => {
            if matches!(id.kind, ExprKind::Input(_) | ExprKind::Value(_) | ExprKind::Output(_)) {
                keys.push(condition);
            }
        }
        // Those of other rows are asked for before the step.
        ExprKind::Case { .. } | ExprKind::Binary(BinaryOp::Or, ..) | ExprKind::OfRows(_) => {}
        _ => condition.children(&mut |part| keys_of(part, keys)),
    }
}

/// The same of all rows that an expression counts.
fn keys_of_rows<'a>(value: &'a Expr, keys: &mut Vec<&'a Expr>) {
    match &value.kind {
        ExprKind::Case { .. } | ExprKind::Binary(BinaryOp::Or, ..) => {}
        ExprKind::OfRows(rows) => rows.condition.iter().for_each(|condition| {
            keys_of(condition, keys);
            keys_of_rows(condition, keys);
        }),
        _ => {
            if let ExprKind::Each(each) = &value.kind
                && let Source::Rows { condition: Some(condition), .. } = &each.source
            {
                keys_of(condition, keys);
            }
            value.children(&mut |part| keys_of_rows(part, keys));
        }
    }
}
