//! Rows that may have been removed from their table: what holds such a row may hold nothing once it is read again.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{EntityId, VarId};

/// The variables that may hold nothing at a point of the steps, because a step has removed rows.
#[derive(Clone, Debug, Default)]
pub(in crate::check::action) struct Gone {
    /// The entities of which rows may have been removed, and the variables that hold one all the same. A variable that gets its
    /// name later, although its row was read before, is none of these.
    removed: BTreeMap<EntityId, BTreeSet<VarId>>,
    /// The variables whose very row was deleted: each holds what that row was, until it is read again.
    deleted: BTreeMap<VarId, EntityId>,
}

impl Gone {
    /// Whether a variable for rows of this entity may hold nothing.
    pub(super) fn may_hold_nothing(&self, row: VarId, entity: EntityId) -> bool {
        self.removed.get(&entity).is_some_and(|there| !there.contains(&row))
    }

    /// The variable holds a row of this entity, as far as is known now.
    pub(super) fn holds(&mut self, row: VarId, entity: EntityId) {
        if let Some(there) = self.removed.get_mut(&entity) {
            there.insert(row);
        }
    }

    /// The variable holds a row that has just been read.
    pub(super) fn binds(&mut self, row: VarId, entity: EntityId) {
        self.deleted.remove(&row);
        self.holds(row, entity);
    }

    /// Rows of this entity may have been removed, but not the row in `kept`.
    pub(super) fn removes(&mut self, entity: EntityId, kept: Option<VarId>) {
        let kept = kept.filter(|row| !self.may_hold_nothing(*row, entity));
        self.removed.insert(entity, kept.into_iter().collect());
    }

    /// The row in this variable was deleted, and the variable is left as it is.
    pub(super) fn deletes(&mut self, row: VarId, entity: EntityId) {
        self.removes(entity, Some(row));
        self.deleted.insert(row, entity);
    }

    /// Variables for rows of these entities may have been read again.
    pub(super) fn reads_again(&mut self, of: impl Fn(EntityId) -> bool) {
        for (row, entity) in self.deleted.iter().filter(|(_, entity)| of(**entity)) {
            if let Some(there) = self.removed.get_mut(entity) {
                there.remove(row);
            }
        }
    }

    /// Where two ways meet: what was removed on one of them may be removed.
    pub(super) fn meet(&mut self, other: &Self) {
        for (entity, there) in &other.removed {
            match self.removed.get_mut(entity) {
                Some(known) => known.retain(|row| there.contains(row)),
                None => {
                    self.removed.insert(*entity, there.clone());
                }
            }
        }
        self.deleted.extend(&other.deleted);
    }
}
