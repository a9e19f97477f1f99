//! The standard bodies of `create_…`, `update_…` and `delete_…` without steps.

use super::{ActionChecker, input::defaults};
use crate::{
    check::expr::{Place, Want, type_of},
    diagnostics::rules::{
        sq0140_unknown_field as unknown_field, sq0205_missing_value as missing_value,
        sq0213_default_without_effect as default_without_effect,
    },
    model::{
        EntityId, FieldId, Step, StepKind,
        expr::{ColumnRef, SystemColumn},
        step::{Assignment, Target},
    },
    source::Spanned,
    syntax::action::ActionSyntax,
};

impl ActionChecker<'_> {
    /// The steps of an action that has none, if its name asks for a standard body.
    pub(super) fn standard_body(&mut self, syntax: &ActionSyntax) -> Option<Vec<Step>> {
        let (verb, _) = syntax.name.value.split_once('_')?;
        self.inserts_own = verb == "create";
        let kind = match verb {
            "create" => self.standard_create(syntax),
            "update" => self.standard_update(syntax)?,
            "delete" => StepKind::Delete { entity: self.entity, target: Target::Row(self.current_row()?), hard: false },
            _ => return None,
        };
        Some(vec![Step { kind, stale: Vec::new(), origin: self.project.sources.origin(syntax.name.span) }])
    }

    fn standard_create(&mut self, syntax: &ActionSyntax) -> StepKind {
        if !self.inputs.declared {
            self.field_inputs(self.entity, true);
        }
        let values = self.standard_assignments(syntax, true);
        let entity = self.entity;
        let snake = self.project.entity(entity).snake.clone();
        let bind = self.frames[0].var(&snake, entity);
        self.result = Some(bind);
        StepKind::Insert { entity, values, bind }
    }

    /// A missing key leaves its field alone, so no input but `id` is required.
    fn standard_update(&mut self, syntax: &ActionSyntax) -> Option<StepKind> {
        if !self.inputs.declared {
            self.field_inputs(self.entity, false);
        }
        for (name, default) in defaults(syntax).filter(|(name, _)| *name != "id") {
            self.diagnostics.push(default_without_effect::of_update(default.span, &syntax.name.value, name));
        }
        let target = Target::Row(self.current_row()?);
        let set = self.standard_assignments(syntax, false);
        Some(StepKind::Update { entity: self.entity, set, target, partial: true })
    }

    /// Each input to the field of its name. A declared input must be one, or `id`.
    fn standard_assignments(&mut self, syntax: &ActionSyntax, insert: bool) -> Vec<Assignment> {
        for (name, _) in syntax.input.iter().flatten() {
            let of_row = name.value == "identifier" || (name.value == "id" && !insert);
            if !of_row {
                let entity = self.project.entity(self.entity);
                let known = entity.fields.iter().map(|field| field.name.as_str());
                if self.project.field(self.entity, &name.value).is_none()
                    && !self.project.is_broken_field(self.entity, &name.value)
                {
                    self.diagnostics.push(unknown_field::error(name.span, &entity.name, &name.value, known));
                }
            }
        }
        let assignments = self.input_assignments(self.entity, &syntax.name, !insert);
        if insert {
            self.check_complete(self.entity, &assignments, &syntax.name);
        }
        assignments
    }

    /// Each field of an entity from the input of its name, where there is one.
    pub(super) fn input_assignments(
        &mut self,
        entity: EntityId,
        place: &Spanned<String>,
        partial: bool,
    ) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        if self.knows_input(SystemColumn::Identifier.name()) {
            let value = self.input_value(SystemColumn::Identifier.name(), &super::step::identifier(), place.span);
            let column = ColumnRef::System(SystemColumn::Identifier);
            assignments.extend(value.map(|value| Assignment { column, value }));
        }
        for (index, field) in self.project.entity(entity).fields.iter().enumerate() {
            if !self.knows_input(&field.name) {
                continue;
            }
            let want = Want {
                ty: type_of(&field.ty),
                required: field.required && !partial,
                place: Place::Field(field.name.clone()),
            };
            if let Some(value) = self.input_value(&field.name, &want, place.span) {
                assignments.push(Assignment { column: ColumnRef::Field(FieldId(index)), value });
            }
        }
        assignments
    }

    /// Reports the required fields that an insert leaves out.
    pub(super) fn check_complete(&mut self, entity: EntityId, given: &[Assignment], place: &Spanned<String>) {
        let fields = self.project.entity(entity).fields.iter().enumerate();
        let missing: Vec<String> = fields
            .filter(|(index, field)| {
                field.required
                    && field.default.is_none()
                    && !given.iter().any(|value| value.column == ColumnRef::Field(FieldId(*index)))
            })
            .map(|(_, field)| field.name.clone())
            .collect();
        if !missing.is_empty() {
            let name = &self.project.entity(entity).name;
            self.diagnostics.push(missing_value::error(place.span, name, &missing));
        }
    }
}
