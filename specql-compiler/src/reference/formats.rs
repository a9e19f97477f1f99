//! Every table of keys, by file format.

use crate::{
    keys::{Key, Shape, Table},
    registry,
    source::settings,
    syntax,
};

/// A file format.
#[derive(Debug)]
pub struct Format {
    /// Its name: `entity`.
    pub name: &'static str,
    /// Where its files stand.
    pub files: &'static str,
    /// The mapping that a document of it is.
    pub root: &'static Table,
}

/// All formats.
pub static FORMATS: [Format; 4] = [
    Format { name: "entity", files: "entities/**/*.yaml", root: &syntax::entity::FILE },
    Format { name: "registry", files: "registry/*.yaml", root: &registry::FILE },
    Format { name: "domains", files: "registry/domain_registry.yaml", root: &crate::domain::FILE },
    Format { name: "settings", files: "specql.toml", root: &settings::FILE },
];

/// Every table of a format, the root first, each once, in the order in which they are met.
#[must_use]
pub fn tables(format: &Format) -> Vec<&'static Table> {
    let mut found = Vec::new();
    visit(format.root, &mut found);
    found
}

fn visit(table: &'static Table, found: &mut Vec<&'static Table>) {
    if found.iter().any(|known| std::ptr::eq(*known, table)) {
        return;
    }
    found.push(table);
    table.keys().for_each(|key: &'static Key| visit_shape(&key.shape, found));
}

fn visit_shape(shape: &'static Shape, found: &mut Vec<&'static Table>) {
    match shape {
        Shape::List(inner) | Shape::Map(inner) => visit_shape(inner, found),
        Shape::Table(table) => visit(table, found),
        Shape::OneTable(tables) => tables.iter().for_each(|table| visit(table, found)),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| visit_shape(shape, found)),
        Shape::Steps => syntax::step::STEPS.iter().for_each(|step| visit(step, found)),
        Shape::Setting | Shape::Credential => visit(&registry::REFERENCE, found),
        Shape::Schema => visit(&registry::SCHEMA_FIELD, found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_has_a_key_twice() {
        for table in FORMATS.iter().flat_map(tables) {
            for key in table.keys() {
                assert_eq!(
                    table.keys().filter(|other| other.name == key.name).count(),
                    1,
                    "{}: {}",
                    table.what,
                    key.name
                );
            }
        }
    }

    #[test]
    fn every_kind_of_mapping_is_met_from_its_format() {
        let entity: Vec<_> = tables(&FORMATS[0]).iter().map(|table| table.what).collect();
        for what in ["an entity", "a field", "an action", "a step `validate`", "a `call_service`"] {
            assert!(entity.contains(&what), "{what}: {entity:?}");
        }
        let registry: Vec<_> = tables(&FORMATS[1]).iter().map(|table| table.what).collect();
        for what in ["a service", "an operation", "a reference", "an environment", "`retry`"] {
            assert!(registry.contains(&what), "{what}: {registry:?}");
        }
    }
}
