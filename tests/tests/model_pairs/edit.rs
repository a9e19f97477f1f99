//! Edits that turn a project into another one, as a team would make them.

use crate::project::{Action, Entity, Field, OnDelete, Project, Rules, Type};

/// One edit. What it is about goes by keys, so that it still means the same when others are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Edit {
    AddField {
        entity: usize,
        field: Field,
    },
    DropField {
        entity: usize,
        field: usize,
    },
    RenameField {
        entity: usize,
        field: usize,
        name: String,
    },
    ChangeType {
        entity: usize,
        field: usize,
        ty: Type,
    },
    Require {
        entity: usize,
        field: usize,
        required: bool,
    },
    Default {
        entity: usize,
        field: usize,
        default: Option<serde_json::Value>,
    },
    Unique {
        entity: usize,
        field: usize,
        unique: bool,
    },
    OnDelete {
        entity: usize,
        field: usize,
        on_delete: OnDelete,
    },
    DescribeField {
        entity: usize,
        field: usize,
        description: Option<String>,
    },
    /// The first fields become the last.
    Reorder {
        entity: usize,
        by: usize,
    },
    AddEntity(Entity),
    DropEntity(usize),
    RenameEntity {
        entity: usize,
        name: String,
    },
    Move {
        entity: usize,
        schema: String,
    },
    DescribeEntity {
        entity: usize,
        description: Option<String>,
    },
    AddAction {
        entity: usize,
        action: Action,
    },
    DropAction {
        entity: usize,
        index: usize,
    },
    ChangeAction {
        entity: usize,
        index: usize,
        action: Action,
    },
    Schedule {
        entity: usize,
        hour: Option<usize>,
    },
    Rules {
        entity: usize,
        rules: Rules,
    },
    DescribeSchema {
        schema: String,
        description: Option<String>,
    },
    Tenants {
        schema: String,
        multi_tenant: bool,
    },
    Service(bool),
}

/// The project after these edits, in their order.
pub(crate) fn edited(before: &Project, edits: &[Edit]) -> Project {
    let mut project = before.clone();
    for edit in edits {
        // One that is about something that is gone has no effect.
        let _ = edit.apply(&mut project);
        project.tidy();
    }
    project
}

/// `after` with every name meaning what it means to a build that has seen `before`: a table or column of an old name is the
/// old one, and what an old one is renamed to was nobody's name.
pub(crate) fn settled(before: &Project, mut after: Project) -> Project {
    for entity in &mut after.entities {
        let taken = |name: &str, schema: &str| {
            before.entities.iter().find(|it| it.name == name && it.schema == schema).map(|it| it.key)
        };
        let is_others = taken(&entity.name, &entity.schema).is_some_and(|key| key != entity.key);
        if let Some(old) = before.entity(entity.key).filter(|_| is_others) {
            entity.name.clone_from(&old.name);
            entity.schema.clone_from(&old.schema);
        }
    }
    after.tidy();
    for index in 0..after.entities.len() {
        let entity = &after.entities[index];
        let old = before.entities.iter().find(|it| it.name == entity.name && it.schema == entity.schema);
        if let Some(old) = old.filter(|old| old.key != entity.key) {
            let (new, old) = (entity.key, old.key);
            after.adopt(new, old);
        }
        let entity = &mut after.entities[index];
        if let Some(old) = before.entity(entity.key) {
            settle_fields(old, entity);
        }
    }
    after.tidy();
    after
}

fn settle_fields(before: &Entity, after: &mut Entity) {
    let is_ref = |field: &Field| matches!(field.ty, Type::Ref(..));
    for field in &mut after.fields {
        let is_others = before.fields.iter().any(|it| it.name == field.name && it.key != field.key);
        if let Some(old) = before.fields.iter().find(|it| it.key == field.key).filter(|_| is_others) {
            field.name.clone_from(&old.name);
        }
    }
    let kept: Vec<usize> = after.fields.iter().map(|field| field.key).collect();
    after.fields.retain_mut(|field| {
        let Some(old) = before.fields.iter().find(|it| it.name == field.name && it.key != field.key) else {
            return true;
        };
        if kept.contains(&old.key) {
            return false;
        }
        if is_ref(old) == is_ref(field) {
            field.key = old.key;
        }
        true
    });
}

impl Edit {
    fn apply(&self, project: &mut Project) -> Option<()> {
        match self {
            Self::AddField { entity, field } => project.entity_mut(*entity)?.fields.push(field.clone()),
            Self::DropField { entity, field } => project.entity_mut(*entity)?.fields.retain(|it| it.key != *field),
            Self::RenameField { entity, field, name } => project.field_mut(*entity, *field)?.name.clone_from(name),
            Self::ChangeType { entity, field, ty } => project.field_mut(*entity, *field)?.ty = ty.clone(),
            Self::Require { entity, field, required } => project.field_mut(*entity, *field)?.required = *required,
            Self::Default { entity, field, default } => project.field_mut(*entity, *field)?.default.clone_from(default),
            Self::Unique { entity, field, unique } => project.field_mut(*entity, *field)?.unique = *unique,
            Self::OnDelete { entity, field, on_delete } => {
                if let Type::Ref(_, now) = &mut project.field_mut(*entity, *field)?.ty {
                    *now = *on_delete;
                }
            }
            Self::DescribeField { entity, field, description } => {
                project.field_mut(*entity, *field)?.description.clone_from(description);
            }
            Self::Reorder { entity, by } => {
                let fields = &mut project.entity_mut(*entity)?.fields;
                let by = by % fields.len().max(1);
                fields.rotate_left(by);
            }
            Self::AddEntity(entity) => project.entities.push(entity.clone()),
            Self::DropEntity(key) if project.entities.len() > 1 => project.entities.retain(|it| it.key != *key),
            // There would be no project left.
            Self::DropEntity(_) => {}
            Self::RenameEntity { entity, name } => project.entity_mut(*entity)?.name.clone_from(name),
            Self::Move { entity, schema } => project.entity_mut(*entity)?.schema.clone_from(schema),
            Self::DescribeEntity { entity, description } => {
                project.entity_mut(*entity)?.description.clone_from(description);
            }
            Self::AddAction { entity, action } => project.entity_mut(*entity)?.actions.push(action.clone()),
            Self::DropAction { entity, index } => {
                let actions = &mut project.entity_mut(*entity)?.actions;
                if *index < actions.len() {
                    actions.remove(*index);
                }
            }
            Self::ChangeAction { entity, index, action } => {
                *project.entity_mut(*entity)?.actions.get_mut(*index)? = action.clone();
            }
            Self::Schedule { entity, hour } => project.entity_mut(*entity)?.schedule = *hour,
            Self::Rules { entity, rules } => project.entity_mut(*entity)?.rules.clone_from(rules),
            Self::Tenants { schema, multi_tenant: true } => {
                project.multi_tenant.insert(schema.clone());
            }
            Self::Tenants { schema, multi_tenant: false } => {
                project.multi_tenant.remove(schema);
            }
            Self::DescribeSchema { schema, description: Some(description) } => {
                project.descriptions.insert(schema.clone(), description.clone());
            }
            Self::DescribeSchema { schema, description: None } => {
                project.descriptions.remove(schema);
            }
            Self::Service(service) => project.service = *service,
        }
        Some(())
    }
}
