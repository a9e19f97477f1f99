//! Expressions over the rows of an entity: what they are in SQL, what is known after them, and what counts without a lock.

use super::{compiled, said};
use crate::{
    Compilation,
    model::{StepKind, function::Volatility},
    sql::{ObjectKind, schema},
};

const LINE: &str = "\
entity: Line
schema: sales
fields: {order: ref(Order)!, price: integer, code: text!}
unique: [order, code]
";

/// An order whose action has these steps, with lines.
fn project(steps: &str) -> String {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "\
entity: Order
schema: sales
fields: {{note: text, total: integer! = 0, lines: bigint! = 0}}
actions:
  - name: act
    input: {{id: uuid!, order: ref(Order)!, code: text!}}
    steps:
{indented}---
{LINE}"
    )
}

fn function(compilation: &Compilation, name: &str) -> String {
    let objects = schema(&compilation.model).objects;
    let found = objects.into_iter().find(|object| object.kind == ObjectKind::Function && object.name.starts_with(name));
    found.unwrap_or_else(|| panic!("{name}")).create().remove(0)
}

fn volatility(steps: &str) -> Volatility {
    let compilation = compiled(&project(steps));
    compilation.model.entities.iter().flat_map(|entity| &entity.actions).next().unwrap().effects.volatility
}

#[test]
fn rows_are_a_subselect_with_a_name_of_its_own() {
    let compilation = compiled(&project(
        "- find: Order WHERE id = $input.order\n  lock: true\n  as: found\n- validate: sum(Line.price WHERE order = $found AND price > 1) > 5",
    ));
    let sql = function(&compilation, "sales.act(");
    assert!(
        sql.contains(
            "(SELECT sum(r.price) FROM sales.tb_line AS r WHERE (r.fk_order = v_found.pk_order AND r.price > 1) AND \
             r.deleted_at IS NULL) > 5"
        ),
        "{sql}"
    );
    let ors = compiled(&project("- validate: NOT exists(Line WHERE price = 1 OR price = 2)"));
    let sql = function(&ors, "sales.act(");
    assert!(
        sql.contains(
            "EXISTS (SELECT 1 FROM sales.tb_line AS r WHERE (r.price = 1 OR r.price = 2) AND r.deleted_at IS NULL)"
        ),
        "{sql}"
    );
}

#[test]
fn counting_reads_and_drawing_is_volatile() {
    assert_eq!(volatility("- validate: count(Line) > 1"), Volatility::Stable);
    assert_eq!(volatility("- validate: gen_random_uuid() <> $input.id"), Volatility::Volatile);
    assert_eq!(volatility("- validate: $input.code ~ 'a'"), Volatility::Immutable);
}

#[test]
fn a_condition_over_other_rows_tells_nothing_of_the_own_one() {
    let needs = "- update: Order SET total = length(note)";
    for asked in ["count(Order WHERE note IS NOT NULL) > 0", "exists(Order WHERE note = 'a')", "min(Order.note) = 'a'"]
    {
        let said = said(&project(&format!("- find: Order WHERE id = $input.order\n- validate: {asked}\n{needs}")));
        assert!(said.iter().any(|line| line.contains("SQ0304")), "{asked}: {said:#?}");
    }
    let told = said(&project(
        "- find: Order WHERE id = $input.order\n- validate: note ~ 'a'\n- update: Order SET total = length($order.note) WHERE id = $order.id",
    ));
    assert!(told.iter().all(|line| !line.contains("SQ0304")), "{told:#?}");
}

#[test]
fn an_own_update_that_counts_has_no_form_for_many_jobs() {
    let call = |value: &str| {
        format!(
            "- find: Order WHERE id = $input.order\n- call_service:\n    service: slack\n    operation: post_message\n    input: \
             {{channel: \"#a\", text: \"b\"}}\n    on_success:\n      - update: Order SET lines = {value}"
        )
    };
    let has_one = |value: &str| {
        let objects = schema(&compiled(&project(&call(value))).model).objects;
        assert!(
            objects.iter().any(|object| object.name.starts_with("sales.cb_order_act_1_slack_post_message_success("))
        );
        objects.iter().any(|object| object.name.starts_with("sales.cb_order_act_1_slack_post_message_success_batch("))
    };
    assert!(has_one("lines + 1"));
    assert!(!has_one("count(Line WHERE order = $order)"));
}

#[test]
fn a_drawn_value_does_not_tell_one_call_from_another() {
    let compilation = compiled(&project(
        "- find: Order WHERE id = $input.order\n- call_service:\n    service: slack\n    operation: post_message\n    input:\n      \
         channel: \"#a\"\n      text: concat('a', gen_random_uuid())",
    ));
    let steps = compilation.model.entities.iter().flat_map(|entity| &entity.actions).flat_map(|action| &action.steps);
    let calls: Vec<_> = steps
        .filter_map(|step| match &step.kind {
            StepKind::CallService(call) => Some(call.undigested(&compilation.model)),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [["text"]]);
}

/// What is said of the action `add`, which inserts a line.
fn of_the_insert(steps: &str) -> Vec<String> {
    let indented: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    said(&format!(
        "entity: Order\nschema: sales\nfields: {{total: integer! = 0}}\n---\n{LINE}actions:\n  - name: add\n    \
         input: {{order: ref(Order)!, code: text!}}\n    steps:\n{indented}"
    ))
}

#[test]
fn counting_before_an_insert_wants_a_lock() {
    let insert = "- insert: Line\n  values: {order: $input.order, code: $input.code}";
    let asks = "- validate: count(Line WHERE order = $input.order) < 5";
    let find = "- find: Order WHERE id = $input.order";
    let [one] = &of_the_insert(&format!("{asks}\n{insert}"))[..] else { panic!("one warning") };
    assert!(one.contains("SQ0215 nothing is locked: another call may insert a row of `Line`"), "{one}");
    let warns = |steps: &str| {
        let said = of_the_insert(steps);
        assert!(said.iter().all(|line| line.contains("SQ0215")), "{steps}\n{said:#?}");
        !said.is_empty()
    };
    assert!(warns(&format!("{find}\n- if: exists(Line WHERE order = $order)\n  then: [reject: no]\n{insert}")));
    assert!(!warns(&format!("{find}\n  lock: true\n{asks}\n{insert}")));
    assert!(warns(&format!("{asks}\n{find}\n  lock: true\n{insert}")), "locked too late");
    assert!(!warns(&format!("- update: Order SET total = total + 1 WHERE id = $input.order\n{asks}\n{insert}")));
    assert!(!warns(&format!("- foreach: order in find Order\n  do:\n    {}\n{insert}", &asks)));
    // The same two fields are those of `unique:`.
    assert!(!warns(&format!(
        "- validate: NOT exists(Line WHERE order = $input.order AND code = $input.code)\n{insert}"
    )));
    // Nothing is inserted, or nothing of what is counted.
    assert!(!warns(asks));
    assert!(!warns(&format!("- validate: count(Order) < 5\n{insert}")));
}
