//! The checked project: all that an emitter may read.
//!
//! Every name is resolved, every expression typed, every default filled in. Emitters decide how something is
//! written, never whether it is right.

mod composites;
pub mod effects;
pub mod expr;
pub mod function;
pub mod limits;
pub mod names;
pub mod row_rule;
mod schedule;
pub mod step;

use std::collections::BTreeMap;

use specql_registry::{Registry, ValueType};

pub use effects::Effects;
pub use expr::{ColumnRef, Expr, ExprKind};
pub use function::{FunctionId, SqlFunction};
pub use schedule::Schedule;
pub use step::{CallAction, CallService, Callback, CallbackKind, Foreach, Return, Step, StepKind};

use crate::source::Origin;

/// A whole project.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Entities, ordered by (schema, name).
    pub entities: Vec<Entity>,
    /// Descriptions of schemas, by their names.
    pub schemas: BTreeMap<String, String>,
    /// Schedules, in the order of their entities.
    pub schedules: Vec<Schedule>,
    /// The services that the project uses (by a step, by `use` in `specql.toml`, or by declaring them), by name.
    pub registry: Registry,
    /// Whether the project has a job queue: a `call_service`, a schedule, a registry file, or `use = [...]`.
    pub uses_jobs: bool,
}

/// Index into [`Model::entities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(pub usize);

/// Index into [`Entity::fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub usize);

/// An action of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId {
    /// Whose it is.
    pub entity: EntityId,
    /// Index into [`Entity::actions`].
    pub index: usize,
}

/// An entity: a table, a view and actions.
#[derive(Clone, Debug)]
pub struct Entity {
    /// `Order`.
    pub name: String,
    /// `order`: its snake_case name, used in `tb_order`, `pk_order`, `v_order`.
    pub snake: String,
    /// `sales`.
    pub schema: String,
    /// For the table's comment.
    pub description: Option<String>,
    /// The type of its internal key.
    pub key: KeyType,
    /// The declared fields, in source order.
    pub fields: Vec<Field>,
    /// Fields in which no two live rows are equal, together.
    pub unique: Vec<row_rule::Columns>,
    /// Fields by which rows are found fast.
    pub indexes: Vec<row_rule::Columns>,
    /// What all rows meet.
    pub checks: Vec<row_rule::Check>,
    /// The SQL functions that it declares, in source order.
    pub functions: Vec<SqlFunction>,
    /// Its actions, in source order.
    pub actions: Vec<Action>,
    /// Whether rows carry `tenant_id` (domain registry).
    pub multi_tenant: bool,
    /// What it was before, where it says so.
    pub renamed_from: Option<FormerEntity>,
    /// Where it is written.
    pub origin: Origin,
}

/// The type of a table's internal key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// Up to 2,147,483,647.
    #[default]
    Integer,
    /// 64 bits.
    Bigint,
}

impl KeyType {
    /// The type of that name in YAML.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "integer" => Some(Self::Integer),
            "bigint" => Some(Self::Bigint),
            _ => None,
        }
    }
}

/// What an entity was called before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerEntity {
    /// `Order`.
    pub name: String,
    /// `sales`.
    pub schema: String,
    /// `order`.
    pub snake: String,
}

impl FormerEntity {
    /// See [`Entity::table`].
    #[must_use]
    pub fn table(&self) -> String {
        names::table(&self.snake)
    }

    /// See [`Entity::pk`].
    #[must_use]
    pub fn pk(&self) -> String {
        names::pk(&self.snake)
    }
}

/// A declared field.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name in YAML, JSON and Rust.
    pub name: String,
    /// The column: the name, or `fk_<name>` for a ref.
    pub column: String,
    /// Its type.
    pub ty: FieldType,
    /// `NOT NULL`.
    pub required: bool,
    /// Has a unique constraint.
    pub unique: bool,
    /// The default, a constant of the field's type or `now()`.
    pub default: Option<Expr>,
    /// What it allows besides its type.
    pub limits: limits::Limits,
    /// What rows that were there before get when the field becomes required: an expression over the row's columns.
    pub backfill: Option<Expr>,
    /// For the column's comment.
    pub description: Option<String>,
    /// The column's name before, where the field says that it had another.
    pub renamed_from: Option<String>,
    /// Where it is written.
    pub origin: Origin,
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    /// A value in a column of its own.
    Value(ValueType),
    /// `ref(Entity)`: the target's `pk_` in the table, its `id` (UUID) everywhere else.
    Ref {
        /// The entity it points to.
        target: EntityId,
        /// What happens when the target row is removed.
        on_delete: OnDelete,
    },
}

/// What happens to a ref when its target row is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// The removal is refused.
    #[default]
    Restrict,
    /// The row goes too.
    Cascade,
    /// The ref becomes NULL.
    SetNull,
}

/// An action: `app.<wrapper>(tenant, user, payload)` around `<schema>.<name>(…)`.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name, also that of the core function in the entity's schema.
    pub name: String,
    /// Name of the public function in schema `app`; unique in the project.
    pub wrapper: String,
    /// For the function's comment.
    pub description: Option<String>,
    /// What it takes; `id` (UUID) comes first where [`Action::loads_current_row`].
    pub input: Vec<InputField>,
    /// The row variables that steps bind or load. [`Var`]s of callbacks are their own.
    pub vars: Vec<Var>,
    /// Set when the action works on an existing row: it is loaded and locked by `$input.id` before the first step,
    /// and its absence is `not_found`.
    pub loads_current_row: Option<VarId>,
    /// The row that a success reports (`id`, `object_data`): the last value of this variable.
    pub result: Option<VarId>,
    /// The steps; standard bodies are already expanded to steps.
    pub steps: Vec<Step>,
    /// `true` for `create_…`, … without steps whose standard body stands in `steps`.
    pub standard: bool,
    /// An action without steps and without a standard body: answers `failed:not_implemented`.
    pub not_implemented: bool,
    /// What it may do.
    pub effects: Effects,
    /// Where it is written.
    pub origin: Origin,
}

/// A field of an action's input.
#[derive(Clone, Debug)]
pub struct InputField {
    /// The name in JSON and Rust.
    pub name: String,
    /// Its type.
    pub ty: FieldType,
    /// Must be given and not null.
    pub required: bool,
    /// May be left out, but not be null: `T! = default`.
    pub never_null: bool,
    /// Its own default: a constant of its type or `now()`.
    pub default: Option<Expr>,
    /// The field whose value, default or partial update it feeds, where it was inferred from one.
    pub field: Option<(EntityId, FieldId)>,
}

/// Index into the `vars` of an action or a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub usize);

/// A variable that holds a row.
#[derive(Clone, Debug)]
pub struct Var {
    /// `order`: the name in YAML (`as:`), or the entity's snake name. Unique among the vars of its scope.
    pub name: String,
    /// What it is a row of.
    pub entity: EntityId,
}

impl Model {
    /// The entity of that id.
    ///
    /// # Panics
    /// When the id is not of this model.
    #[must_use]
    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0]
    }

    /// The declared function of that id.
    ///
    /// # Panics
    /// When the id is not of this model.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> &SqlFunction {
        &self.entity(id.entity).functions[id.index]
    }

    /// The action of that id, with the entity that it belongs to.
    ///
    /// # Panics
    /// When the id is not of this model.
    #[must_use]
    pub fn action(&self, id: ActionId) -> (&Entity, &Action) {
        let entity = self.entity(id.entity);
        (entity, &entity.actions[id.index])
    }

    /// What a callback's steps may do.
    #[must_use]
    pub fn effects_of(&self, steps: &[Step], locks: bool) -> Effects {
        let effects = |id| Some(&self.action(id).1.effects);
        Effects::of_steps(effects::Known { entities: &self.entities, effects: &effects }, steps, locks)
    }
}

impl Action {
    /// The rows that a success may report: of its `return`s, and of the end of its steps where that is reached.
    #[must_use]
    pub fn reported(&self) -> Vec<VarId> {
        let mut reported = Vec::new();
        let mut add = |var: Option<VarId>| {
            if let Some(var) = var.filter(|var| !reported.contains(var)) {
                reported.push(var);
            }
        };
        for step in &self.steps {
            step.walk(&mut |step| match &step.kind {
                StepKind::Return(Return::Row(row)) => add(Some(*row)),
                StepKind::Return(_) => add(self.result),
                _ => {}
            });
        }
        if !self.steps.iter().any(Step::ends) {
            add(self.result);
        }
        reported
    }

    /// Whether a schedule calls it for one batch of rows after another.
    #[must_use]
    pub fn is_in_batches(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(&step.kind, StepKind::Foreach(foreach)
                if matches!(foreach.source, step::Source::Rows { batch: Some(_), .. }))
        })
    }

    /// The entity of all rows that it may report; `None` where there are none, or of several entities.
    #[must_use]
    pub fn reported_entity(&self) -> Option<EntityId> {
        let reported = self.reported();
        let mut entities = reported.iter().filter_map(|var| self.vars.get(var.0)).map(|var| var.entity);
        let first = entities.next()?;
        entities.all(|entity| entity == first).then_some(first)
    }
}

impl Entity {
    /// The field of that id.
    ///
    /// # Panics
    /// When the id is not of this entity.
    #[must_use]
    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[id.0]
    }

    /// A column's name in YAML and JSON.
    #[must_use]
    pub fn column_name(&self, column: ColumnRef) -> &str {
        match column {
            ColumnRef::Field(field) => &self.field(field).name,
            ColumnRef::System(column) => column.name(),
        }
    }

    /// The table's name without its schema: `tb_order`.
    #[must_use]
    pub fn table(&self) -> String {
        names::table(&self.snake)
    }

    /// The primary key's column: `pk_order`.
    #[must_use]
    pub fn pk(&self) -> String {
        names::pk(&self.snake)
    }

    /// The read view's name without its schema: `v_order`.
    #[must_use]
    pub fn view(&self) -> String {
        names::derived(&format!("v_{}", self.snake))
    }
}
