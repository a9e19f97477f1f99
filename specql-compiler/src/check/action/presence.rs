//! Narrowing: what is known not to be NULL at a point of the steps, although its type allows it.
//!
//! `validate: $order.note IS NOT NULL` lets the steps after it read `$order.note` as a value that is there, and so does an `if` in
//! its branches. `ways` finds what a condition tells. `account` keeps a [`Present`] in the frame until a step may change a row that it
//! was read from.

mod account;
mod ways;

use super::{ActionChecker, Frame};
use crate::{
    model::{
        EntityId, Expr, ExprKind, Var, VarId,
        expr::{ColumnRef, JobField},
    },
    syntax::expr::{Ast, AstKind},
};
pub(super) use ways::Ways;
use ways::present;

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
            ExprKind::Value(name) => Self::of(Root::Value(name.clone())),
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
        // What is wrong with it is reported already.
        let said = self.diagnostics.len();
        let read = self.expression(path, None);
        self.diagnostics.truncate(said);
        let found = read.and_then(|read| Present::read_by(&read, &self.frame().vars));
        for found in found.into_iter().flat_map(Present::with_its_way) {
            self.know(found);
        }
    }

    /// The row in a variable is one for which this condition is true; bare names in it are the row's columns.
    fn assume_of_row(&mut self, condition: &Ast, entity: EntityId, row: VarId) {
        let mut paths = Vec::new();
        present(condition, Ways::True, &mut paths);
        for path in paths {
            match &path.kind {
                AstKind::Name(name) => {
                    if let Some(column) = self.project.column(entity, name) {
                        let found = Present::column(row, column, &self.frame().vars);
                        self.know(found);
                    }
                }
                _ => self.assume_path(path),
            }
        }
    }

    fn know(&mut self, found: Present) {
        let known = &mut self.frame_mut().present;
        if !known.contains(&found) {
            known.push(found);
        }
    }

    /// The expression, which is not NULL where that is known.
    pub(in crate::check) fn narrowed(&self, expr: Expr) -> Expr {
        let known =
            |frame: &Frame| Present::read_by(&expr, &frame.vars).is_some_and(|read| frame.present.contains(&read));
        let nullable = expr.nullable && !known(self.frame());
        Expr { nullable, ..expr }
    }

    /// Whether the row in a variable is known to have been found.
    pub(in crate::check) fn is_found(&self, row: VarId) -> bool {
        self.frame().present.contains(&Present::of(Root::Row(row)))
    }
}
