//! Names and types: entity files as they are written, and the registry, become the [`Model`](crate::model::Model).
//!
//! | module | holds |
//! |---|---|
//! | [`names`] | what may be the name of a field or a variable |
//! | [`entity`] | entities and fields: ids, types, references, defaults |
//! | `rename` | what entities and fields were called before |
//! | `function` | the SQL functions that entities declare |
//! | [`action`] | actions: inputs, the current row, steps, calls and callbacks |
//! | [`schedule`] | schedules: their times, their action and its input |
//! | [`expr`] | expressions: what a name means, which types meet |
//!
//! All errors are collected. A part that is wrong is left out, and what refers to it is not reported again: a field whose
//! type cannot be read keeps its name, an action with a broken step keeps its input.

pub(crate) mod action;
pub(crate) mod entity;
pub(crate) mod expr;
mod function;
mod function_body;
mod limits;
pub(crate) mod names;
mod rename;
mod row_rule;
pub(crate) mod schedule;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use specql_registry::Registry;

use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0139_unknown_entity as unknown_entity, sq0140_unknown_field as unknown_field},
    },
    domain::Domains,
    model::{
        Entity, EntityId, Field, FieldId,
        expr::{ColumnRef, SystemColumn},
    },
    source::{Sources, Span},
};

/// What an action may refer to: all entities with their fields, and all services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Project<'a> {
    /// For the lines in emitted comments.
    pub sources: &'a Sources,
    /// All entities, still without actions.
    pub entities: &'a [Entity],
    /// Fields that are written but could not be understood: naming one is no second error.
    pub broken_fields: &'a BTreeSet<(EntityId, String)>,
    /// Entity names that are written but could not be understood.
    pub broken_entities: &'a BTreeSet<String>,
    /// The schemas that are listed, and their aliases.
    pub domains: &'a Domains,
    /// Functions that are declared but could not be understood.
    pub broken_functions: &'a BTreeSet<String>,
    /// Every service, used or not.
    pub registry: &'a Registry,
}

impl<'a> Project<'a> {
    /// The entity of that id.
    fn entity(&self, id: EntityId) -> &'a Entity {
        &self.entities[id.0]
    }

    /// The entity of that name, which may have its schema before it.
    fn find_entity(&self, written: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> Option<EntityId> {
        find_entity(self.entities, self.broken_entities, self.domains, None, written, span, diagnostics)
    }

    /// The declared field of that name.
    fn field(&self, entity: EntityId, name: &str) -> Option<(FieldId, &'a Field)> {
        let fields = &self.entity(entity).fields;
        fields.iter().position(|field| field.name == name).map(|index| (FieldId(index), &fields[index]))
    }

    /// The column of that name: a declared field, or one that every entity has.
    fn column(&self, entity: EntityId, name: &str) -> Option<ColumnRef> {
        if let Some((field, _)) = self.field(entity, name) {
            return Some(ColumnRef::Field(field));
        }
        let column = SystemColumn::from_name(name)?;
        (column != SystemColumn::TenantId || self.entity(entity).multi_tenant).then_some(ColumnRef::System(column))
    }

    /// The column of that name, or an error; a broken field is neither.
    fn expect_column(
        &self,
        entity: EntityId,
        name: &str,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ColumnRef> {
        let column = self.column(entity, name);
        if column.is_none() && !self.is_broken_field(entity, name) {
            diagnostics.push(unknown_field::error(span, &self.entity(entity).name, name, self.columns(entity)));
        }
        column
    }

    fn is_broken_field(&self, entity: EntityId, name: &str) -> bool {
        self.broken_fields.contains(&(entity, name.to_owned()))
    }

    /// Every name that an expression may read of an entity: its fields first.
    fn columns(&self, entity: EntityId) -> impl Iterator<Item = &'a str> {
        let fields = self.entity(entity).fields.iter().map(|field| field.name.as_str());
        fields.chain(SystemColumn::ALL.iter().map(|column| column.name()))
    }
}

/// The entity that `written` (`Customer`, `crm.Customer`) names, in `schema` where that is said beside it.
fn find_entity(
    entities: &[Entity],
    broken: &BTreeSet<String>,
    domains: &Domains,
    schema: Option<&str>,
    written: &str,
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<EntityId> {
    let (in_name, name) = written.split_once('.').map_or((None, written), |(schema, name)| (Some(schema), name));
    let wanted = in_name.or(schema).map(|schema| domains.resolve(schema));
    let Some(index) = entities.iter().position(|entity| entity.name == name) else {
        if !broken.contains(name) {
            diagnostics.push(unknown_entity::error(span, name, entities.iter().map(|entity| entity.name.as_str())));
        }
        return None;
    };
    let found = &entities[index].schema;
    if let Some(wanted) = wanted.filter(|wanted| wanted != found) {
        diagnostics.push(unknown_entity::other_schema(span, name, wanted, found));
        return None;
    }
    Some(EntityId(index))
}
