//! Narrowing: what is known not to be NULL at a point of the steps, although its type allows it.
//!
//! `validate: $order.note IS NOT NULL` lets the steps after it read `$order.note` as a value that is there, and so does an `if` in
//! its branches. `ways` finds what a condition tells. `account` keeps a [`Present`] in the frame until a step may change a row that it
//! was read from. The other way round, `gone` knows the variables that may hold nothing although their type does not say so, because a
//! step has removed rows.

mod account;
mod gone;
mod ways;

use super::{ActionChecker, Frame};
use crate::{
    model::{
        EntityId, Expr, ExprKind, Var, VarId,
        expr::{ColumnRef, JobField},
    },
    syntax::expr::{Ast, AstKind},
};
use gone::Gone;
pub(super) use ways::Ways;
use ways::present;

/// What is known at a point of the steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge {
    /// What is not NULL, although its type allows it.
    present: Vec<Present>,
    /// The rows that may not be there, although their names say so.
    gone: Gone,
}

impl Knowledge {
    /// Where two ways meet, what both of them know is known.
    pub(super) fn meet(&mut self, other: &Self) {
        self.present.retain(|known| other.present.contains(known));
        self.gone.meet(&other.gone);
    }
}

/// A value that is there: the path that leads to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Present {
    root: Root,
    /// What follows, in order, and the entity from whose rows it is read.
    members: Vec<(Member, Option<EntityId>)>,
}

/// What a path begins with.
#[derive(Clone, Debug, PartialEq)]
enum Root {
    Row(VarId),
    Input(String),
    Value(String),
    Output,
    Job(JobField),
}

#[derive(Clone, Debug, PartialEq)]
enum Member {
    Column(ColumnRef),
    Named(String),
}

/// What is not NULL when a condition is true of a row.
#[derive(Debug, Default)]
pub(in crate::check) struct OfRow {
    /// Of the row itself.
    columns: Vec<ColumnRef>,
    others: Vec<Present>,
}

impl Present {
    const fn of(root: Root) -> Self {
        Self { root, members: Vec::new() }
    }

    fn member(mut self, member: Member, entity: Option<EntityId>) -> Self {
        self.members.push((member, entity));
        self
    }

    /// A column of the row in a variable.
    fn column(var: VarId, column: ColumnRef, vars: &[Var]) -> Self {
        Self::of(Root::Row(var)).member(Member::Column(column), vars.get(var.0).map(|var| var.entity))
    }

    /// What an expression reads, where it is a path.
    fn read_by(expr: &Expr, vars: &[Var]) -> Option<Self> {
        let named = |path: Self, name: &String| path.member(Member::Named(name.clone()), None);
        Some(match &expr.kind {
            ExprKind::Row(var) => Self::of(Root::Row(*var)),
            ExprKind::VarColumn { var, column } => Self::column(*var, *column, vars),
            ExprKind::Input(name) => Self::of(Root::Input(name.clone())),
            ExprKind::Value(name) | ExprKind::Element(name) => Self::of(Root::Value(name.clone())),
            ExprKind::Job(field) => Self::of(Root::Job(*field)),
            ExprKind::Output(path) => path.iter().fold(Self::of(Root::Output), named),
            ExprKind::Follow { base, entity, column } => {
                Self::read_by(base, vars)?.member(Member::Column(*column), Some(*entity))
            }
            ExprKind::Member { base, name } => named(Self::read_by(base, vars)?, name),
            ExprKind::KeyOf { id: inner, .. } | ExprKind::PublicId(inner) => Self::read_by(inner, vars)?,
            _ => return None,
        })
    }

    /// The path and all that it passes: it leads somewhere only where each of them is there.
    fn with_its_way(self) -> impl Iterator<Item = Self> {
        (0..=self.members.len())
            .map(move |length| Self { root: self.root.clone(), members: self.members[..length].to_vec() })
    }

    /// The entities whose rows it is read from.
    fn entities(&self) -> impl Iterator<Item = EntityId> {
        self.members.iter().filter_map(|(_, entity)| *entity)
    }
}

impl ActionChecker<'_> {
    /// From here on the condition is known to have come out so.
    pub(super) fn assume(&mut self, condition: &Ast, ways: Ways) {
        let mut paths = Vec::new();
        present(condition, ways, &mut paths);
        paths.into_iter().for_each(|path| self.assume_path(path));
    }

    fn assume_path(&mut self, path: &Ast) {
        self.read_on_the_way(path).into_iter().for_each(|found| self.know(found));
    }

    /// What a path reads, and all that it passes.
    fn read_on_the_way(&mut self, path: &Ast) -> Vec<Present> {
        // What is wrong with it is reported already.
        let said = self.diagnostics.len();
        let read = self.expression(path, None);
        self.diagnostics.truncate(said);
        let found = read.and_then(|read| Present::read_by(&read, &self.frame().vars));
        found.into_iter().flat_map(Present::with_its_way).collect()
    }

    /// What it tells that there is a row of this entity for which a condition is true. It is asked before that row has a name: until
    /// then, `$order` is another row.
    pub(super) fn told_by(&mut self, condition: Option<&Ast>, entity: EntityId) -> OfRow {
        let mut told = OfRow::default();
        let mut paths = Vec::new();
        condition.into_iter().for_each(|condition| present(condition, Ways::True, &mut paths));
        for path in paths {
            match &path.kind {
                AstKind::Name(name) => told.columns.extend(self.project.column(entity, name)),
                _ => told.others.extend(self.read_on_the_way(path)),
            }
        }
        told
    }

    /// The row in a variable is the one of which that was told.
    pub(super) fn assume_of_row(&mut self, told: OfRow, row: VarId) {
        told.others.into_iter().for_each(|found| self.know(found));
        for column in told.columns {
            let found = Present::column(row, column, &self.frame().vars);
            self.know(found);
        }
    }

    /// The variable holds a row that has just been read, of which that was told.
    pub(in crate::check) fn reads_row(&mut self, row: VarId, entity: EntityId, told: OfRow) {
        self.frame_mut().known.gone.binds(row, entity);
        self.assume_of_row(told, row);
    }

    fn know(&mut self, found: Present) {
        let frame = self.frame_mut();
        if let Root::Row(row) = found.root
            && found.members.is_empty()
            && let Some(var) = frame.vars.get(row.0)
        {
            frame.known.gone.holds(row, var.entity);
        }
        if !frame.known.present.contains(&found) {
            frame.known.present.push(found);
        }
    }

    /// The expression, which is not NULL where that is known.
    pub(in crate::check) fn narrowed(&self, expr: Expr) -> Expr {
        let known = |frame: &Frame| {
            Present::read_by(&expr, &frame.vars).is_some_and(|read| frame.known.present.contains(&read))
        };
        let nullable = expr.nullable && !known(self.frame());
        Expr { nullable, ..expr }
    }

    /// Whether the row in a variable is known to have been found.
    pub(in crate::check) fn is_found(&self, row: VarId) -> bool {
        self.frame().is_found(row)
    }

    /// Whether a variable may hold nothing, because a step may have removed its row.
    pub(in crate::check) fn may_be_gone(&self, row: VarId) -> bool {
        self.frame().may_be_gone(row)
    }

    /// Whether a reference that is there may lead to no row of this entity, because a step may have removed it.
    pub(in crate::check) fn may_lead_nowhere(&self, reference: &Expr, target: EntityId) -> bool {
        let ExprKind::VarColumn { var: row, .. } = reference.kind else { return false };
        let Frame { vars, known, .. } = self.frame();
        vars.get(row.0).is_some_and(|var| known.gone.may_lead_nowhere(row, var.entity, target))
    }
}

impl Frame {
    /// Whether the row in a variable is known to have been found.
    pub(super) fn is_found(&self, row: VarId) -> bool {
        self.known.present.contains(&Present::of(Root::Row(row)))
    }

    /// Whether a variable may hold nothing, because a step may have removed its row.
    pub(super) fn may_be_gone(&self, row: VarId) -> bool {
        self.vars.get(row.0).is_some_and(|var| self.known.gone.may_hold_nothing(row, var.entity))
    }
}
