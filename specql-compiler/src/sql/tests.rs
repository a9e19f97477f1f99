//! The whole schema of a small project, compared with the text that a person reviewed.

use std::{fs, path::Path};

use pretty_assertions::assert_eq;

use super::{Object, ObjectKind, fixture::order_model, read, roles, schema};

#[test]
fn the_order_schema_reads_as_reviewed() {
    let mut schema = schema(&order_model());
    // The static parts have files of their own.
    schema.objects.retain(|object| object.origin.is_some());
    golden("order.sql", &schema.render());
}

#[test]
fn objects_come_in_an_order_in_which_they_can_be_created() {
    let schema = schema(&order_model());
    let place = |name: &str| schema.objects.iter().position(|object| object.name == name).expect(name);
    assert!(place("app.mutation_result") < place("app.place_order(uuid, uuid, jsonb)"));
    assert!(place("sales.tb_order") < place("fk_order__customer ON sales.tb_order"));
    assert!(place("crm.tb_customer") < place("fk_order__customer ON sales.tb_order"));
    assert!(place("sales.tb_order") < place("sales.v_order"));
    assert_eq!(schema.objects.last().map(|object| object.kind), Some(ObjectKind::Data));
}

/// Compares with a file in `testdata/`; `SPECQL_BLESS=1` rewrites it.
fn golden(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql/testdata").join(file);
    if std::env::var_os("SPECQL_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "run the test with SPECQL_BLESS=1 and review the difference");
}

/// What is granted is there, under the very name by which it is granted.
#[test]
fn grants_name_objects_of_the_schema() {
    let model = order_model();
    let schema = schema(&model);
    for grant in roles::grants(&model) {
        let named = |object: &Object| (object.kind, &object.name) == (grant.kind, &grant.object);
        assert!(schema.objects.iter().any(named), "{grant:?}");
    }
}

/// A snapshot of format 1 has the statements alone: what is read from them is what an emitter says today. Otherwise a build would
/// find a difference where there is none.
#[test]
fn the_facts_of_what_is_emitted_are_read_from_its_statements() {
    let schema = schema(&order_model());
    let mut kinds = std::collections::BTreeSet::new();
    for object in &schema.objects {
        let again = read::object(object.kind, &object.name, object.create());
        if !matches!(object.definition, super::Definition::Table(_)) {
            assert_eq!(again.facts(), object.facts(), "{}", object.name);
        }
        if !object.facts().are_none() && object.origin.is_some() {
            kinds.insert(object.kind);
        }
    }
    assert_eq!(kinds.len(), 6, "schemas, references, indexes, functions, views and callbacks: {kinds:?}");
}
