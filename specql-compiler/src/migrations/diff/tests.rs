//! Plans for small hand-built schemas.

mod renames;

use super::*;
use crate::sql::{
    Rename,
    object::{Column, Table, TableConstraint},
    read,
    rule::Rule,
};

fn statement(kind: ObjectKind, name: &str, create: &str) -> Object {
    read::object(kind, name, vec![create.to_owned()])
}

fn function(name: &str, header: &str, body: &str) -> Object {
    let create = format!("CREATE OR REPLACE FUNCTION {header}\nAS $$\n{body}\n$$");
    statement(ObjectKind::Function, name, &create)
}

fn column(name: &str, ty: &str) -> Column {
    Column { name: name.to_owned(), ty: ty.to_owned(), not_null: false, default: None, generated: None, comment: None }
}

fn table(columns: Vec<Column>, constraints: &[(&str, &str)]) -> Object {
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let constraints = (constraints.iter())
        .map(|(name, rule)| TableConstraint { name: (*name).to_owned(), rule: Rule::read(rule, &names) })
        .collect();
    Object {
        kind: ObjectKind::Table,
        name: "sales.tb_order".to_owned(),
        origin: Some("entities/order.yaml:1".to_owned()),
        needs: Vec::new(),
        definition: Definition::Table(Table {
            name: "sales.tb_order".to_owned(),
            columns,
            constraints,
            suffix: None,
            comment: None,
        }),
    }
}

fn schema(objects: &[Object]) -> Schema {
    let mut objects = objects.to_vec();
    read::resolve(&mut objects, &[]);
    Schema { objects, ..Schema::default() }
}

fn forward(old: &[Object], new: &[Object]) -> Plan {
    diff(&schema(old), &schema(new), Direction::Forward)
}

fn statements(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().flat_map(|step| &step.statements).map(String::as_str).collect()
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.hazards.iter().map(|hazard| hazard.id.as_str()).collect()
}

fn hazards(plan: &Plan) -> Vec<(HazardKind, &str)> {
    plan.hazards.iter().map(|hazard| (hazard.kind, hazard.message.as_str())).collect()
}

#[test]
fn a_schema_does_not_differ_from_itself() {
    let objects = [table(vec![column("total", "INTEGER")], &[]), function("sales.f()", "sales.f()", "BEGIN END")];
    for direction in [Direction::Forward, Direction::Reverse] {
        assert!(diff(&schema(&objects), &schema(&objects), direction).is_empty());
    }
}

#[test]
fn new_objects_are_made_in_order() {
    let plan = forward(
        &[],
        &[
            statement(ObjectKind::Schema, "sales", "CREATE SCHEMA IF NOT EXISTS sales"),
            table(vec![column("total", "INTEGER")], &[]),
        ],
    );
    assert_eq!(
        statements(&plan),
        ["CREATE SCHEMA IF NOT EXISTS sales", "CREATE TABLE sales.tb_order (\n    total INTEGER\n)"]
    );
    assert!(plan.hazards.is_empty());
}

#[test]
fn a_new_nullable_column_is_added() {
    let plan = forward(
        &[table(vec![column("total", "INTEGER")], &[])],
        &[table(vec![column("total", "INTEGER"), column("discount", "INTEGER")], &[])],
    );
    assert_eq!(statements(&plan), ["ALTER TABLE sales.tb_order ADD COLUMN discount INTEGER"]);
    assert!(plan.hazards.is_empty());
}

#[test]
fn a_new_column_brings_its_default_check_and_comment() {
    let discount = Column {
        not_null: true,
        default: Some("0".to_owned()),
        comment: Some("Percent".to_owned()),
        ..column("discount", "INTEGER")
    };
    let plan = forward(
        &[table(vec![column("total", "INTEGER")], &[])],
        &[table(vec![discount, column("total", "INTEGER")], &[("ck_discount", "CHECK (discount >= 0)")])],
    );
    assert_eq!(
        statements(&plan),
        [
            "ALTER TABLE sales.tb_order\n    ADD COLUMN discount INTEGER NOT NULL DEFAULT 0,\n    ADD CONSTRAINT ck_discount CHECK (discount >= 0) NOT VALID",
            "COMMENT ON COLUMN sales.tb_order.discount IS 'Percent'",
            "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT ck_discount",
        ]
    );
    assert!(plan.hazards.is_empty());
}

#[test]
fn a_required_column_without_default_is_a_hazard() {
    let plan =
        forward(&[table(vec![], &[])], &[table(vec![Column { not_null: true, ..column("discount", "INTEGER") }], &[])]);
    assert_eq!(
        hazards(&plan),
        [(
            HazardKind::Misfit,
            "column `discount` of `sales.tb_order` is required, and rows that are there have no value"
        )]
    );
}

#[test]
fn a_dropped_column_is_a_hazard_and_its_reverse_is_not() {
    let (with, without) =
        ([table(vec![column("a", "TEXT"), column("b", "TEXT")], &[])], [table(vec![column("a", "TEXT")], &[])]);
    assert_eq!(
        hazards(&forward(&with, &without)),
        [(HazardKind::Loss, "column `b` of `sales.tb_order` would be dropped: the model no longer has it")]
    );
    let reverse = diff(&schema(&with), &schema(&without), Direction::Reverse);
    assert!(reverse.hazards.is_empty());
    assert_eq!(statements(&reverse), ["ALTER TABLE sales.tb_order DROP COLUMN b"]);
}

#[test]
fn a_dropped_table_is_a_hazard() {
    let plan = forward(&[table(vec![], &[])], &[]);
    assert_eq!(
        hazards(&plan),
        [(HazardKind::Loss, "table `sales.tb_order` would be dropped with all its rows: the model no longer has it")]
    );
}

#[test]
fn a_changed_type_is_a_hazard() {
    let plan = forward(&[table(vec![column("a", "TEXT")], &[])], &[table(vec![column("a", "INTEGER")], &[])]);
    assert_eq!(
        hazards(&plan),
        [(HazardKind::Misfit, "column `a` of `sales.tb_order` would change from `TEXT` to `INTEGER`")]
    );
}

#[test]
fn relaxing_a_column_is_none() {
    let strict = Column { not_null: true, default: Some("1".to_owned()), ..column("a", "INTEGER") };
    let plan = forward(&[table(vec![strict], &[])], &[table(vec![column("a", "INTEGER")], &[])]);
    assert_eq!(
        statements(&plan),
        ["ALTER TABLE sales.tb_order\n    ALTER COLUMN a DROP DEFAULT,\n    ALTER COLUMN a DROP NOT NULL"]
    );
    assert!(plan.hazards.is_empty());
}

#[test]
fn an_enum_may_get_a_value_and_not_lose_one() {
    let with = |values: &str| [table(vec![column("s", "TEXT")], &[("ck_s", &format!("CHECK (s IN ({values}))"))])];
    let wider = forward(&with("'a'"), &with("'a', 'b'"));
    assert!(wider.hazards.is_empty());
    assert_eq!(
        statements(&wider),
        [
            "ALTER TABLE sales.tb_order\n    DROP CONSTRAINT ck_s,\n    ADD CONSTRAINT ck_s CHECK (s IN ('a', 'b')) NOT VALID",
            "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT ck_s",
        ]
    );
    assert_eq!(forward(&with("'a', 'b'"), &with("'a'")).hazards.len(), 1);
}

#[test]
fn a_new_unique_is_a_hazard_unless_its_column_is_new_and_null() {
    let old = [table(vec![column("a", "TEXT")], &[])];
    let on_old = [table(vec![column("a", "TEXT")], &[("uq", "UNIQUE (a)")])];
    let on_new = [table(vec![column("a", "TEXT"), column("b", "TEXT")], &[("uq", "UNIQUE (b)")])];
    assert_eq!(forward(&old, &on_old).hazards.len(), 1);
    assert!(forward(&old, &on_new).hazards.is_empty());
    let index = statement(ObjectKind::Index, "sales.ix", "CREATE UNIQUE INDEX ix ON sales.tb_order (a)");
    assert_eq!(forward(&old, &[old[0].clone(), index.clone()]).hazards.len(), 1);
    assert!(forward(&[], &[old[0].clone(), index]).hazards.is_empty(), "a new table holds no rows");
}

#[test]
fn a_function_is_replaced_when_its_body_changes() {
    let plan = forward(&[function("s.f()", "s.f()", "one")], &[function("s.f()", "s.f()", "two")]);
    assert_eq!(statements(&plan), ["CREATE OR REPLACE FUNCTION s.f()\nAS $$\ntwo\n$$"]);
}

#[test]
fn a_function_is_dropped_and_made_again_with_its_grants_when_its_header_changes() {
    let grant = statement(ObjectKind::Grant, "f to x", "GRANT EXECUTE ON FUNCTION s.f() TO x");
    let plan = forward(
        &[function("s.f()", "s.f() RETURNS text", "one"), grant.clone()],
        &[function("s.f()", "s.f() RETURNS uuid", "one"), grant],
    );
    assert_eq!(
        statements(&plan),
        [
            "DROP FUNCTION s.f()",
            "CREATE OR REPLACE FUNCTION s.f() RETURNS uuid\nAS $$\none\n$$",
            "GRANT EXECUTE ON FUNCTION s.f() TO x"
        ]
    );
}

#[test]
fn a_changed_input_type_takes_the_functions_of_its_signature_along() {
    let input =
        |columns: &str| statement(ObjectKind::Type, "app.type_f", &format!("CREATE TYPE app.type_f AS ({columns})"));
    let core = function("s.f(app.type_f)", "s.f(input app.type_f)", "one");
    let wrapper = function("app.f(jsonb)", "app.f(payload jsonb)", "PERFORM s.f(NULL::app.type_f)");
    let plan = forward(&[input("a TEXT"), core.clone(), wrapper.clone()], &[input("a TEXT, b TEXT"), core, wrapper]);
    assert_eq!(
        statements(&plan),
        [
            "DROP FUNCTION s.f(app.type_f)",
            "DROP TYPE app.type_f",
            "CREATE TYPE app.type_f AS (a TEXT, b TEXT)",
            "CREATE OR REPLACE FUNCTION s.f(input app.type_f)\nAS $$\none\n$$",
        ],
        "the wrapper only names it in its body, which PostgreSQL keeps as text"
    );
}

#[test]
fn a_changed_view_takes_the_views_on_it_along() {
    let base = |what: &str| statement(ObjectKind::View, "s.v", &format!("CREATE VIEW s.v AS SELECT {what}"));
    let outer = statement(ObjectKind::View, "s.w", "CREATE VIEW s.w AS SELECT x FROM s.v");
    let other = statement(ObjectKind::View, "s.v2", "CREATE VIEW s.v2 AS SELECT 1 AS x");
    let plan = forward(&[base("1 AS x"), other.clone(), outer.clone()], &[base("2 AS x"), other, outer]);
    assert_eq!(
        statements(&plan),
        ["DROP VIEW s.w", "DROP VIEW s.v", "CREATE VIEW s.v AS SELECT 2 AS x", "CREATE VIEW s.w AS SELECT x FROM s.v"]
    );
}

#[test]
fn a_view_goes_before_the_column_it_reads() {
    let view = |what: &str| {
        statement(ObjectKind::View, "s.v", &format!("CREATE VIEW s.v AS SELECT {what} FROM sales.tb_order"))
    };
    let plan = diff(
        &schema(&[table(vec![column("a", "TEXT"), column("b", "TEXT")], &[]), view("a, b")]),
        &schema(&[table(vec![column("a", "TEXT")], &[]), view("a")]),
        Direction::Reverse,
    );
    assert_eq!(
        statements(&plan),
        [
            "DROP VIEW s.v",
            "ALTER TABLE sales.tb_order DROP COLUMN b",
            "CREATE VIEW s.v AS SELECT a FROM sales.tb_order"
        ]
    );
}

#[test]
fn code_that_is_gone_is_dropped_last() {
    let plan = forward(
        &[function("s.f()", "s.f()", "one"), statement(ObjectKind::Trigger, "t ON sales.tb_order", "CREATE TRIGGER t")],
        &[],
    );
    assert_eq!(statements(&plan), ["DROP TRIGGER t ON sales.tb_order", "DROP FUNCTION s.f()"]);
    assert!(plan.hazards.is_empty());
}

/// Where callbacks are registered.
fn queue() -> Object {
    statement(ObjectKind::Table, "jobs.tb_callback", "CREATE TABLE jobs.tb_callback ()")
}

/// The row of `sales.cb_order` in `jobs.tb_callback`, after a call of `billing.charge`.
fn registration() -> Object {
    let create = "INSERT INTO jobs.tb_callback VALUES ('sales', 'cb_order', 'billing', 'charge')".to_owned();
    Object::made_by(ObjectKind::Data, "sales.cb_order", vec![create])
        .unmade_by(vec!["UPDATE jobs.tb_callback SET retired_at = now()".to_owned()])
        .known_as(Facts::Callback { function: "sales.cb_order".to_owned() })
}

#[test]
fn a_callback_that_is_gone_is_retired_and_its_function_kept() {
    let callback = function("sales.cb_order(uuid, jsonb)", "sales.cb_order(a uuid, b jsonb)", "one");
    let plan = forward(&[queue(), callback, registration()], &[queue()]);
    assert_eq!(statements(&plan), ["UPDATE jobs.tb_callback SET retired_at = now()"]);
    assert!(plan.hazards.is_empty());
}

#[test]
fn a_function_that_only_shares_a_word_with_a_retired_callback_is_dropped() {
    let namesake = function("crm.cb_order(uuid, jsonb)", "crm.cb_order(a uuid, b jsonb)", "one");
    let action = function("sales.charge(uuid, jsonb)", "sales.charge(a uuid, b jsonb)", "one");
    let plan = forward(&[queue(), namesake, action, registration()], &[queue()]);
    let expected = [
        "UPDATE jobs.tb_callback SET retired_at = now()",
        "DROP FUNCTION sales.charge(uuid, jsonb)",
        "DROP FUNCTION crm.cb_order(uuid, jsonb)",
    ];
    assert_eq!(statements(&plan), expected);
}

#[test]
fn moving_a_line_of_yaml_changes_nothing() {
    let at =
        |line: u32| function("s.f()", "s.f()", &format!("BEGIN\n    -- entities/order.yaml:{line}\n    NULL;\nEND"));
    assert!(forward(&[at(3)], &[at(4)]).is_empty());
}

#[test]
fn roles_and_schemas_stay_when_their_last_user_goes_back() {
    let role = statement(ObjectKind::Role, "specql_worker", "CREATE ROLE specql_worker");
    assert!(diff(&schema(&[role]), &schema(&[]), Direction::Reverse).is_empty());
}

#[test]
fn rights_on_all_of_a_schema_are_given_again_when_a_function_is_new() {
    let revoke = statement(ObjectKind::Grant, "none", "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs FROM PUBLIC");
    let (f, g) = (function("jobs.f()", "jobs.f()", "one"), function("sales.g()", "sales.g()", "one"));
    let before = [revoke.clone()];
    let plan = forward(&before, &[f, revoke.clone()]);
    assert_eq!(statements(&plan).last(), Some(&"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA jobs FROM PUBLIC"));
    assert_eq!(statements(&forward(&before, &[g, revoke])).len(), 1, "another schema");
}

fn phases(plan: &Plan) -> Vec<(Phase, &str)> {
    plan.steps.iter().flat_map(|step| step.statements.iter().map(|text| (step.phase, text.as_str()))).collect()
}

#[test]
fn a_column_becomes_required_without_a_scan_under_a_strong_lock() {
    let required = Column { not_null: true, ..column("a", "TEXT") };
    let plan = forward(&[table(vec![column("a", "TEXT")], &[])], &[table(vec![required], &[])]);
    assert_eq!(plan.hazards[0].id, "set_not_null:sales.tb_order.a");
    assert_eq!(
        phases(&plan),
        [
            (Phase::Main, "ALTER TABLE sales.tb_order ADD CONSTRAINT nn_tb_order__a CHECK (a IS NOT NULL) NOT VALID"),
            (Phase::Validate, "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT nn_tb_order__a"),
            (Phase::Finish, "ALTER TABLE sales.tb_order ALTER COLUMN a SET NOT NULL"),
            (Phase::Finish, "ALTER TABLE sales.tb_order DROP CONSTRAINT nn_tb_order__a"),
        ],
        "in one statement the constraint would go first, and prove nothing"
    );
}

#[test]
fn the_reverse_of_a_unique_constraint_of_other_columns_keeps_the_index_that_comes_back() {
    let with = |definition: &str| [table(vec![column("a", "TEXT"), column("b", "TEXT")], &[("uq", definition)])];
    let plan = diff(&schema(&with("UNIQUE (a, b)")), &schema(&with("UNIQUE (a)")), Direction::Reverse);
    let statements = statements(&plan);
    assert_eq!(statements[0], "ALTER TABLE sales.tb_order DROP CONSTRAINT IF EXISTS uq");
    assert!(statements.iter().all(|text| !text.contains("DROP INDEX")), "{statements:#?}");
    let allowed = "ALTER TABLE sales.tb_order ADD CONSTRAINT uq UNIQUE (a);\nEXCEPTION WHEN unique_violation THEN";
    assert!(statements[1].contains(allowed), "{statements:#?}");
}

#[test]
fn a_unique_constraint_takes_over_an_index_that_was_made_concurrently() {
    let with = |constraints: &[(&str, &str)]| [table(vec![column("a", "TEXT")], constraints)];
    let plan = forward(&with(&[]), &with(&[("uq_a", "UNIQUE (a)")]));
    assert_eq!(
        phases(&plan),
        [
            (Phase::Concurrently, "CREATE UNIQUE INDEX CONCURRENTLY uq_a ON sales.tb_order (a)"),
            (Phase::Finish, "ALTER TABLE sales.tb_order ADD CONSTRAINT uq_a UNIQUE USING INDEX uq_a"),
        ]
    );
    let reverse = diff(&schema(&with(&[("uq_a", "UNIQUE (a)")])), &schema(&with(&[])), Direction::Reverse);
    assert_eq!(
        statements(&reverse),
        ["ALTER TABLE sales.tb_order DROP CONSTRAINT IF EXISTS uq_a", "DROP INDEX IF EXISTS sales.uq_a"]
    );
}

#[test]
fn an_index_is_made_concurrently_unless_its_table_is_new_or_partitioned() {
    let index = statement(ObjectKind::Index, "sales.ix", "-- Why.\nCREATE INDEX ix ON sales.tb_order (a)");
    let old = table(vec![column("a", "TEXT")], &[]);
    let plan = forward(std::slice::from_ref(&old), &[old.clone(), index.clone()]);
    assert_eq!(phases(&plan), [(Phase::Concurrently, "CREATE INDEX CONCURRENTLY ix ON sales.tb_order (a)")]);
    let fresh = forward(&[], &[old, index]);
    assert!(fresh.steps.iter().all(|step| step.phase == Phase::Main));
    let parted = statement(ObjectKind::Table, "jobs.tb_x", "CREATE TABLE jobs.tb_x (a INTEGER) PARTITION BY RANGE (a)");
    let index = statement(ObjectKind::Index, "jobs.ix", "CREATE INDEX ix ON jobs.tb_x (a)");
    let plan = forward(std::slice::from_ref(&parted), &[parted.clone(), index]);
    assert_eq!(phases(&plan), [(Phase::Main, "CREATE INDEX ix ON jobs.tb_x (a)")]);
}

#[test]
fn a_reference_of_an_old_table_is_validated_apart() {
    let key = "fk ON sales.tb_order";
    let create = "ALTER TABLE sales.tb_order\n    ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES sales.tb_x (pk_x)";
    let old = table(vec![column("a", "INTEGER")], &[]);
    let plan = forward(std::slice::from_ref(&old), &[old.clone(), statement(ObjectKind::Constraint, key, create)]);
    let expected = [
        (Phase::Main, format!("{create} NOT VALID")),
        (Phase::Validate, "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT fk".to_owned()),
    ];
    assert_eq!(phases(&plan), expected.each_ref().map(|(phase, text)| (*phase, text.as_str())));
}

#[test]
fn a_changed_type_takes_the_views_along_that_read_it() {
    let view = statement(ObjectKind::View, "s.v", "CREATE VIEW s.v AS SELECT a FROM sales.tb_order");
    let with = |ty: &str| [table(vec![column("a", ty)], &[]), view.clone()];
    let plan = forward(&with("INTEGER"), &with("BIGINT"));
    assert_eq!(plan.hazards[0].kind, HazardKind::Lock);
    assert_eq!(
        statements(&plan),
        [
            "DROP VIEW s.v",
            "ALTER TABLE sales.tb_order ALTER COLUMN a TYPE BIGINT USING a::BIGINT",
            "CREATE VIEW s.v AS SELECT a FROM sales.tb_order"
        ]
    );
}

#[test]
fn an_entity_s_view_is_replaced_in_place_and_keeps_what_was_granted_on_it() {
    let view = |pairs: &str| {
        let create = format!(
            "CREATE VIEW sales.v_order AS\nSELECT\n    t.id,\n    jsonb_build_object(\n{pairs}\n    ) AS data\nFROM sales.tb_order AS t"
        );
        statement(ObjectKind::View, "sales.v_order", &create)
    };
    let with = |names: &[&str]| table(names.iter().map(|name| column(name, "TEXT")).collect(), &[]);
    let (before, after) = ([with(&["a"]), view("'a', t.a")], [with(&["a", "b"]), view("'a', t.a, 'b', t.b")]);
    let made = |plan: &Plan| -> Vec<String> {
        let first = |text: &&str| text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        statements(plan).iter().map(first).collect()
    };
    assert_eq!(made(&forward(&before, &after)), ["ALTER TABLE sales.tb_order", "CREATE OR REPLACE"]);
    // One that reads a column which goes cannot stay.
    assert_eq!(
        made(&forward(&after, &before)),
        ["DROP VIEW sales.v_order", "ALTER TABLE sales.tb_order", "CREATE VIEW sales.v_order"]
    );
}

#[test]
fn a_view_that_gets_columns_behind_its_own_is_replaced_in_place() {
    let view = |columns: &str| {
        let create = format!(
            "CREATE VIEW sales.v_order AS\nSELECT\n    t.id,\n    jsonb_build_object(\n'a', t.a\n    ) AS data{columns}\nFROM sales.tb_order AS t"
        );
        [table(vec![column("a", "TEXT")], &[]), statement(ObjectKind::View, "sales.v_order", &create)]
    };
    let (before, after, other) =
        (view(""), view(",\n    t.created_at,\n    t.updated_at"), view(",\n    t.updated_at,\n    t.created_at"));
    let starts = |plan: &Plan| -> Vec<String> {
        statements(plan).iter().map(|text| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(starts(&forward(&before, &after)), ["CREATE OR"]);
    assert_eq!(starts(&forward(&after, &before)), ["DROP VIEW", "CREATE VIEW"], "columns that go");
    assert_eq!(starts(&forward(&after, &other)), ["DROP VIEW", "CREATE VIEW"], "columns that change places");
}

#[test]
fn a_schema_that_is_no_longer_described_loses_its_comment() {
    let sales = |create: &[&str]| {
        read::object(ObjectKind::Schema, "sales", create.iter().map(|text| (*text).to_owned()).collect())
    };
    let (plain, described) = ("CREATE SCHEMA IF NOT EXISTS sales", "COMMENT ON SCHEMA sales IS 'What we sell'");
    let plan = forward(&[sales(&[plain, described])], &[sales(&[plain])]);
    assert_eq!(statements(&plan), [plain, "COMMENT ON SCHEMA sales IS NULL"]);
}

#[test]
fn a_table_that_goes_without_its_schema_which_a_retired_callback_keeps_is_a_hazard() {
    let sales = statement(ObjectKind::Schema, "sales", "CREATE SCHEMA sales");
    let callback = function("sales.cb_order(uuid, jsonb)", "sales.cb_order(a uuid, b jsonb)", "one");
    let order = table(vec![column("a", "TEXT")], &[]);
    let plan = forward(&[queue(), sales.clone(), order.clone(), callback, registration()], &[queue()]);
    assert_eq!(ids(&plan), ["drop_table:sales.tb_order"]);
    assert_eq!(ids(&forward(&[queue(), sales, order], &[queue()])), ["drop_schema:sales"]);
}

#[test]
fn a_function_with_other_parameters_takes_the_place_of_the_old_one_and_never_stands_beside_it() {
    let plan = forward(
        &[function("s.f(integer)", "s.f(a integer)", "one")],
        &[function("s.f(integer, text)", "s.f(a integer, b text DEFAULT '')", "one")],
    );
    let made: Vec<&str> = statements(&plan).into_iter().filter_map(|text| text.lines().next()).collect();
    assert_eq!(
        made,
        ["DROP FUNCTION s.f(integer)", "CREATE OR REPLACE FUNCTION s.f(a integer, b text DEFAULT '')"],
        "a call of f(1) between the two would be ambiguous"
    );
}

#[test]
fn a_check_whose_literals_are_named_like_columns_is_about_its_own_column_alone() {
    let before = [table(vec![column("total", "INTEGER")], &[])];
    let after = [table(
        vec![column("total", "INTEGER"), column("shown", "TEXT")],
        &[("ck_order__shown", "CHECK (shown IN ('total', 'none'))")],
    )];
    assert_eq!(ids(&forward(&before, &after)), [] as [&str; 0], "no row has a value in a new column");
}

#[test]
fn a_default_that_is_a_text_is_the_same_in_each_row_whatever_it_says() {
    let with = |default: &str| {
        let order = Column { default: Some(default.to_owned()), ..column("order_by", "TEXT") };
        forward(&[table(vec![], &[])], &[table(vec![order], &[])])
    };
    assert_eq!(ids(&with("'random'")), [] as [&str; 0]);
    assert_eq!(ids(&with("random()::text")), ["add_column:sales.tb_order.order_by"]);
}
