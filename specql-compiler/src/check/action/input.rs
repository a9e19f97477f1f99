//! What an action takes: declared with `input:`, else found from its steps.

use std::collections::BTreeSet;

use specql_registry::ValueType;

use super::ActionChecker;
use crate::{
    check::{
        entity::{constant_default, resolve_type},
        expr::{Want, type_of},
        names,
    },
    diagnostics::rules::{
        sq0213_default_without_effect as default_without_effect, sq0303_type_mismatch as type_mismatch,
    },
    model::{EntityId, FieldId, FieldType, InputField, OnDelete, expr::ExprType},
    syntax::{
        action::ActionSyntax,
        step::{StepKindSyntax, StepSyntax},
        types::DefaultSyntax,
    },
};

/// The inputs of an action.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// As far as they are known.
    pub(in crate::check) fields: Vec<InputField>,
    /// They stand in `input:`; nothing is inferred.
    pub(in crate::check) declared: bool,
    /// Declared, but with a type that could not be understood.
    pub(in crate::check) broken: BTreeSet<String>,
}

impl ActionChecker<'_> {
    /// Takes what `input:` says.
    pub(super) fn declare_inputs(&mut self, syntax: &ActionSyntax) {
        let Some(declared) = &syntax.input else { return };
        self.inputs.declared = true;
        for (name, syntax_of_type) in declared {
            let named = names::check_identifier(name, "an input", &mut self.diagnostics);
            let resolved = syntax_of_type.as_ref().and_then(|ty| {
                let Self { project, diagnostics, .. } = self;
                Some((
                    resolve_type(project.entities, project.broken_entities, project.domains, ty, None, diagnostics)?,
                    ty.required,
                ))
            });
            match resolved.filter(|_| named) {
                Some((ty, required)) => {
                    let written = syntax_of_type.as_ref().and_then(|ty| ty.default.as_ref());
                    let default = written.and_then(|default| constant_default(default, &ty, &mut self.diagnostics));
                    let field = self.project.field(self.entity, &name.value);
                    let field = field.filter(|(_, field)| type_of(&field.ty) == type_of(&ty));
                    let field = field.map(|(id, _)| (self.entity, id));
                    if name.value == "id" && type_of(&ty) != ExprType::uuid() {
                        self.diagnostics.push(type_mismatch::error(name.span, "uuid for `id`", "another type"));
                    }
                    self.inputs.fields.push(InputField {
                        name: name.value.clone(),
                        ty,
                        required: required && written.is_none(),
                        never_null: required && written.is_some(),
                        default,
                        field,
                    });
                }
                None => {
                    self.inputs.broken.insert(name.value.clone());
                }
            }
        }
    }

    /// Every field of an entity that is inserted without `values:` is an input.
    pub(super) fn infer_insert_inputs(&mut self, steps: &[StepSyntax]) {
        if self.inputs.declared {
            return;
        }
        for step in steps {
            if let StepKindSyntax::Insert { entity, values: None, .. } = &step.kind {
                // An unknown entity is reported when the step itself is checked.
                if let Some(id) = self.project.find_entity(&entity.value, entity.span, &mut Vec::new()) {
                    self.field_inputs(id, true);
                }
            }
            step.branches().for_each(|branch| self.infer_insert_inputs(branch));
        }
    }

    /// Makes every field of an entity an input. In an insert those without a default are required as their fields are.
    pub(super) fn field_inputs(&mut self, entity: EntityId, insert: bool) {
        for (index, field) in self.project.entity(entity).fields.iter().enumerate() {
            if !self.inputs.fields.iter().any(|input| input.name == field.name) {
                self.inputs.fields.push(InputField {
                    name: field.name.clone(),
                    ty: field.ty.clone(),
                    required: insert && field.required && field.default.is_none(),
                    never_null: false,
                    default: None,
                    field: Some((entity, FieldId(index))),
                });
            }
        }
    }

    /// Whether there is an input of that name already.
    pub(in crate::check) fn knows_input(&self, name: &str) -> bool {
        self.inputs.fields.iter().any(|field| field.name == name)
    }

    /// Makes `$input.<name>` an input: of the type of the own entity's field, else of the type that is wanted of it.
    pub(in crate::check) fn infer_input(&mut self, name: &str, wanted: Option<&Want>) -> bool {
        let (ty, required) = if name == "id" {
            let ExprType::Value(uuid) = ExprType::uuid() else { return false };
            (FieldType::Value(uuid), true)
        } else if let Some((_, field)) = self.project.field(self.entity, name) {
            (field.ty.clone(), field.required)
        } else if self.project.is_broken_field(self.entity, name) {
            return false;
        } else {
            match wanted {
                Some(Want { ty: ExprType::Value(ty), required, .. }) => (FieldType::Value(ty.clone()), *required),
                Some(Want { ty: ExprType::Ref(target), required, .. }) => {
                    (FieldType::Ref { target: *target, on_delete: OnDelete::default() }, *required)
                }
                _ => return false,
            }
        };
        self.inputs.fields.push(InputField {
            name: name.to_owned(),
            ty,
            required,
            never_null: false,
            default: None,
            field: None,
        });
        true
    }

    /// Whether an input that may be left out still ends as a value: by its default, or by that of a required field.
    pub(in crate::check) fn fills_required_field(&self, input: &InputField) -> bool {
        let fills = input.field.is_some_and(|(entity, field)| {
            let field = self.project.entity(entity).field(field);
            field.required && field.default.is_some()
        });
        fills || input.never_null
    }

    /// Makes `id`, the current row's UUID, the first input.
    pub(super) fn take_id(&mut self, syntax: &ActionSyntax) {
        for (_, default) in defaults(syntax).filter(|(name, _)| *name == "id") {
            self.diagnostics.push(default_without_effect::of_id(default.span, &self.name));
        }
        let ExprType::Value(uuid @ ValueType::Scalar(_)) = ExprType::uuid() else { return };
        self.inputs.fields.retain(|field| field.name != "id");
        let id = InputField {
            name: "id".to_owned(),
            ty: FieldType::Value(uuid),
            required: true,
            never_null: false,
            default: None,
            field: None,
        };
        self.inputs.fields.insert(0, id);
    }
}

/// The inputs that are declared with a default.
pub(super) fn defaults(syntax: &ActionSyntax) -> impl Iterator<Item = (&str, &DefaultSyntax)> {
    let inputs = syntax.input.iter().flatten();
    inputs.filter_map(|(name, ty)| Some((name.value.as_str(), ty.as_ref()?.default.as_ref()?)))
}
