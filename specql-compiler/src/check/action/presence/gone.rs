//! Rows that may have been removed from their table: what holds such a row may hold nothing once it is read again.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{EntityId, VarId};

/// The variables that may hold nothing at a point of the steps, because a step has removed rows.
#[derive(Clone, Debug, Default)]
pub(in crate::check::action) struct Gone {
    /// The entities of which rows may have been removed.
    removed: BTreeMap<EntityId, Since>,
    /// The variables whose very row was deleted: each holds what that row was, until it is read again.
    deleted: BTreeMap<VarId, EntityId>,
}

/// The variables for rows of an entity, since rows of it may have been removed. A variable that gets its name later, although its row
/// was read before, is in none of these.
#[derive(Clone, Debug, Default)]
struct Since {
    /// Those that hold a row all the same: it was read since, or somebody has asked, or the variable still is what it was.
    there: BTreeSet<VarId>,
    /// Those of them whose row was read since.
    bound: BTreeSet<VarId>,
}

impl Gone {
    /// Whether a variable for rows of this entity may hold nothing.
    pub(super) fn may_hold_nothing(&self, row: VarId, entity: EntityId) -> bool {
        self.removed.get(&entity).is_some_and(|since| !since.there.contains(&row))
    }

    /// Whether a reference of a row in a variable may lead nowhere, although it is not NULL: the variable holds what a deleted row
    /// was, and the row that it referred to was removed, too.
    pub(super) fn may_lead_nowhere(&self, row: VarId, entity: EntityId, target: EntityId) -> bool {
        self.removed.contains_key(&target) && self.removed.get(&entity).is_some_and(|since| !since.bound.contains(&row))
    }

    /// The variable holds a row of this entity, as far as is known now.
    pub(super) fn holds(&mut self, row: VarId, entity: EntityId) {
        if let Some(since) = self.removed.get_mut(&entity) {
            since.there.insert(row);
        }
    }

    /// The variable holds a row that has just been read.
    pub(super) fn binds(&mut self, row: VarId, entity: EntityId) {
        self.deleted.remove(&row);
        if let Some(since) = self.removed.get_mut(&entity) {
            since.there.insert(row);
            since.bound.insert(row);
        }
    }

    /// Rows of this entity may have been removed, but not the one in `kept`, which has just been read.
    pub(super) fn removes(&mut self, entity: EntityId, kept: Option<VarId>) {
        let kept: BTreeSet<VarId> = kept.into_iter().collect();
        self.removed.insert(entity, Since { there: kept.clone(), bound: kept });
    }

    /// The row in this variable was deleted, and the variable is left as it is.
    pub(super) fn deletes(&mut self, row: VarId, entity: EntityId) {
        let there = if self.may_hold_nothing(row, entity) { BTreeSet::new() } else { BTreeSet::from([row]) };
        self.removed.insert(entity, Since { there, bound: BTreeSet::new() });
        self.deleted.insert(row, entity);
    }

    /// Variables for rows of these entities may have been read again.
    pub(super) fn reads_again(&mut self, of: impl Fn(EntityId) -> bool) {
        for (row, entity) in self.deleted.iter().filter(|(_, entity)| of(**entity)) {
            if let Some(since) = self.removed.get_mut(entity) {
                since.there.remove(row);
            }
        }
    }

    /// Where two ways meet: what was removed on one of them may be removed.
    pub(super) fn meet(&mut self, other: &Self) {
        for (entity, since) in &other.removed {
            match self.removed.get_mut(entity) {
                Some(known) => {
                    known.there.retain(|row| since.there.contains(row));
                    known.bound.retain(|row| since.bound.contains(row));
                }
                None => {
                    self.removed.insert(*entity, since.clone());
                }
            }
        }
        self.deleted.extend(&other.deleted);
    }
}
