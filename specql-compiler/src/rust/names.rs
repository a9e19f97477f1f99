//! Which Rust name everything has.

use std::collections::{BTreeMap, BTreeSet};

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span};

use crate::model::{Entity, EntityId, FieldId, FieldType, Model};

/// The names that several modules must agree on.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `Order`.
    pub(super) entities: BTreeMap<EntityId, Ident>,
    /// `OrderPaymentStatus`.
    pub(super) enums: BTreeMap<(EntityId, FieldId), Ident>,
    /// `order` of `actions::order`.
    pub(super) action_modules: BTreeMap<EntityId, Ident>,
    /// Whether there is a module `composites`.
    pub(super) composites: bool,
    /// By service.
    pub(super) services: BTreeMap<String, ServiceNames>,
}

/// The names of a service.
#[derive(Debug)]
pub(super) struct ServiceNames {
    /// `stripe` of `services::stripe` and `enqueue::stripe`.
    pub(super) module: Ident,
    /// By operation.
    pub(super) operations: BTreeMap<String, OperationNames>,
    /// The type names that are taken, for nested types.
    pub(super) types: Scope,
}

/// The names of an operation.
#[derive(Debug)]
pub(super) struct OperationNames {
    /// `CreateCharge`.
    pub(super) marker: Ident,
    /// `CreateChargeInput`.
    pub(super) input: Ident,
    /// `CreateChargeOutput`.
    pub(super) output: Ident,
    /// `create_charge`.
    pub(super) function: Ident,
    /// `create_charge_many`.
    pub(super) many: Ident,
}

/// What Rust cannot call anything, not even as a raw identifier.
const UNNAMEABLE: [&str; 5] = ["self", "Self", "super", "crate", "_"];

/// The names that are taken in one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope(BTreeSet<String>);

impl Scope {
    /// A scope of types, in which the names that generated code takes from the prelude are taken.
    pub(super) fn types() -> Self {
        Self(["Option", "Vec", "String"].map(str::to_owned).into())
    }

    /// A scope of modules, functions or fields.
    pub(super) fn values() -> Self {
        Self::default()
    }

    /// Takes the UpperCamelCase form of a name, with as many `_` as it needs to be the only one.
    pub(super) fn claim_type(&mut self, name: &str) -> Ident {
        self.claim(plain(&name.to_upper_camel_case()))
    }

    /// Takes the snake_case form of a name, with as many `_` as it needs to be the only one.
    pub(super) fn claim_value(&mut self, name: &str) -> Ident {
        self.claim(plain(&name.to_snake_case()))
    }

    /// Takes the name of a field; `taken`: something that is no field has it already.
    pub(super) fn claim_field(&mut self, name: &str, taken: bool) -> Ident {
        let name = plain(&name.to_snake_case());
        self.claim(if taken { format!("{name}_") } else { name })
    }

    fn claim(&mut self, mut name: String) -> Ident {
        // As it will be called: `Self` and `self` are both `Self_`, where types are meant.
        if UNNAMEABLE.contains(&&*name) {
            name.push('_');
        }
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        ident(&name)
    }
}

impl Names {
    pub(super) fn of(model: &Model) -> Self {
        let mut names = Self { composites: !model.composites().is_empty(), ..Self::default() };
        names.name_entities(model);
        names.name_services(model);
        names
    }

    fn name_entities(&mut self, model: &Model) {
        let mut types = Scope::types();
        let mut modules = Scope::values();
        // Two entities of one name, in different schemas, both carry their schema: neither is "the" Order.
        let mut count = BTreeMap::<&str, usize>::new();
        for entity in &model.entities {
            *count.entry(&entity.snake).or_default() += 1;
        }
        let full_name = |entity: &Entity| {
            if count.get(entity.snake.as_str()).is_some_and(|count| *count > 1) {
                format!("{}_{}", entity.schema, entity.snake)
            } else {
                entity.snake.clone()
            }
        };
        for (index, entity) in model.entities.iter().enumerate() {
            let name = full_name(entity);
            self.entities.insert(EntityId(index), types.claim_type(&name));
            self.action_modules.insert(EntityId(index), modules.claim_value(&name));
        }
        for (index, entity) in model.entities.iter().enumerate() {
            for (field_index, field) in entity.fields.iter().enumerate() {
                if let FieldType::Value(ty) = &field.ty
                    && super::enums::values(ty).is_some()
                {
                    let name = types.claim_type(&format!("{}_{}", full_name(entity), field.name));
                    self.enums.insert((EntityId(index), FieldId(field_index)), name);
                }
            }
        }
    }

    fn name_services(&mut self, model: &Model) {
        let mut modules = Scope::values();
        for service in model.registry.services.values() {
            let mut types = Scope::types();
            let mut functions = Scope::values();
            // The plain names first: an operation `create_charge_many` is called as it is written, whatever else
            // there is.
            let plain: Vec<_> = service
                .operations
                .keys()
                .map(|name| (name, types.claim_type(name), functions.claim_value(name)))
                .collect();
            let operations = plain
                .into_iter()
                .map(|(name, marker, function)| {
                    let input = types.claim_type(&format!("{name}_input"));
                    let output = types.claim_type(&format!("{name}_output"));
                    let many = functions.claim_value(&format!("{name}_many"));
                    (name.clone(), OperationNames { marker, input, output, function, many })
                })
                .collect();
            let module = modules.claim_value(&service.name);
            self.services.insert(service.name.clone(), ServiceNames { module, operations, types });
        }
    }
}

/// What is left of a name that can stand in an identifier.
fn plain(name: &str) -> String {
    let mut text: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if text.trim_matches('_').is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    if text.chars().all(|c| c == '_') {
        text.push('0');
    }
    text
}

/// The identifier of that name: raw where it is a keyword, with a `_` where it cannot be raw.
pub(super) fn ident(name: &str) -> Ident {
    match name {
        _ if UNNAMEABLE.contains(&name) => Ident::new(&format!("{name}_"), Span::call_site()),
        // A keyword since the 2024 edition, which the parser does not know by itself.
        "gen" => Ident::new_raw(name, Span::call_site()),
        _ if syn::parse_str::<Ident>(name).is_ok() => Ident::new(name, Span::call_site()),
        _ => Ident::new_raw(name, Span::call_site()),
    }
}
