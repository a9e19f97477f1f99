//! Which composite types a project uses.

use std::collections::BTreeSet;

use specql_registry::{
    Schema, ValueType,
    composites::{self, Composite},
};

use super::{FieldType, Model};

impl Model {
    /// The composites that fields, inputs and services use, and those inside of them, in the order of the table.
    #[must_use]
    pub fn composites(&self) -> Vec<Composite> {
        let mut used = BTreeSet::new();
        for entity in &self.entities {
            let inputs = entity.actions.iter().flat_map(|action| action.input.iter().map(|input| &input.ty));
            for ty in entity.fields.iter().map(|field| &field.ty).chain(inputs) {
                if let FieldType::Value(ty) = ty {
                    collect(ty, &mut used);
                }
            }
        }
        for operation in self.registry.services.values().flat_map(|service| service.operations.values()) {
            collect_schema(&operation.input, &mut used);
            collect_schema(&operation.output, &mut used);
        }
        let all = composites::ALL.iter().filter(|info| used.contains(info.name));
        all.filter_map(|info| Composite::from_name(info.name)).collect()
    }
}

fn collect(ty: &ValueType, used: &mut BTreeSet<&'static str>) {
    match ty {
        ValueType::Composite(composite) => {
            if used.insert(composite.info().name) {
                collect_schema(composite.schema(), used);
            }
        }
        ValueType::List(item) => collect(item, used),
        ValueType::Object(schema) => collect_schema(schema, used),
        ValueType::Basic(_) | ValueType::Decimal(_) | ValueType::Scalar(_) | ValueType::Enum(_) => {}
    }
}

fn collect_schema(schema: &Schema, used: &mut BTreeSet<&'static str>) {
    schema.fields.values().for_each(|field| collect(&field.ty, used));
}
