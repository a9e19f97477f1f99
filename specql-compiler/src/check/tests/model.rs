//! What the model holds.

use super::compiled;
use crate::{
    compile,
    model::{
        Action, CallService, ExprKind, Step, StepKind, VarId,
        expr::{ColumnRef, Literal},
        step::{Assignment, Target},
    },
    source::{SourceFile, SourceKind, Sources},
};

/// The overview's order, as the shop uses it.
const ORDER: &str = "\
entity: Order
schema: sales
fields:
  customer_email: email!
  total: integer!
  currency: currencyCode = EUR
  payment_status: enum(unpaid, paid, failed) = unpaid
  charge_id: text
actions:
  - name: place_order
    steps:
      - insert: Order
        as: order
      - call_service:
          service: stripe
          operation: create_charge
          input: {amount: $order.total, currency: $order.currency}
          on_success:
            - update: Order SET payment_status = 'paid', charge_id = $output.id
          on_failure:
            - update: Order SET payment_status = 'failed'
";

/// The calls among these steps, in order, without those of callbacks.
fn calls(steps: &[Step]) -> Vec<&CallService> {
    steps
        .iter()
        .flat_map(|step| match &step.kind {
            StepKind::CallService(call) => vec![&**call],
            StepKind::If { then, otherwise, .. } => [calls(then), calls(otherwise)].concat(),
            _ => Vec::new(),
        })
        .collect()
}

fn inputs(action: &Action) -> Vec<(&str, bool)> {
    action.input.iter().map(|input| (input.name.as_str(), input.required)).collect()
}

fn assignments(step: &Step) -> &[Assignment] {
    match &step.kind {
        StepKind::Insert { values, .. } => values,
        StepKind::Update { set, .. } => set,
        other => panic!("no assignments in {other:?}"),
    }
}

#[test]
fn the_order_of_the_overview_becomes_its_model() {
    let compilation = compiled(ORDER);
    let model = &compilation.model;
    assert!(model.uses_jobs);
    assert_eq!(model.registry.services.keys().collect::<Vec<_>>(), ["stripe"]);

    let order = &model.entities[0];
    assert_eq!((order.schema.as_str(), order.table().as_str()), ("sales", "tb_order"));
    assert_eq!(order.fields[2].default.as_ref().unwrap().kind, ExprKind::Literal(Literal::Text("EUR".to_owned())));

    let action = &order.actions[0];
    let expected = [
        ("customer_email", true),
        ("total", true),
        ("currency", false),
        ("payment_status", false),
        ("charge_id", false),
    ];
    assert_eq!(inputs(action), expected);
    assert_eq!(action.loads_current_row, None);
    assert_eq!(action.result, Some(VarId(0)));
    assert_eq!(assignments(&action.steps[0]).len(), 5);

    let call = calls(&action.steps)[0];
    assert_eq!(call.ordinal, "1");
    assert_eq!(call.row, Some(VarId(0)));
    assert_eq!(call.input.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["amount", "currency"]);
    assert!(matches!(call.input[0].1.kind, ExprKind::VarColumn { var: VarId(0), column: ColumnRef::Field(_) }));

    let success = call.on_success.as_ref().unwrap();
    assert_eq!(success.function, "cb_order_place_order_1_stripe_create_charge_success");
    assert_eq!(success.key, format!("sales.{}", success.function));
    assert_eq!(success.row, Some(VarId(0)));
    let StepKind::Update { target: Target::Row(row), set, .. } = &success.steps[0].kind else { panic!("an update") };
    assert_eq!(Some(*row), success.row);
    assert_eq!(set[1].value.kind, ExprKind::Output(vec!["id".to_owned()]));
    assert_eq!((success.origin.line, success.steps[0].origin.line), (18, 19));
}

/// An entity with a table of fields and these actions.
fn order(actions: &str) -> String {
    format!(
        "entity: Order\nfields: {{total: integer!, note: text, price: money, customer: ref(Customer)}}\nactions:\n{actions}\
         ---\nentity: Customer\nschema: crm\nfields: {{name: text!, orders: integer! = 0}}\n"
    )
}

/// The first action of `Order` in a project of [`order`].
fn act(steps: &str) -> Action {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let compilation = compiled(&order(&format!("  - name: act\n    steps:\n{steps}")));
    let order = compilation.model.entities.iter().find(|entity| entity.name == "Order");
    order.unwrap().actions[0].clone()
}

#[test]
fn an_action_that_touches_the_current_row_takes_its_id_first() {
    let action = act("- validate: total > 0\n- update: Order SET note = $input.note");
    assert_eq!(inputs(&action), [("id", true), ("note", false)]);
    assert_eq!(action.loads_current_row, Some(VarId(0)));
    assert_eq!(action.result, action.loads_current_row);
}

#[test]
fn before_the_insert_a_bare_name_is_an_input_and_after_it_the_new_row() {
    let action = act("- validate: total > 0\n- insert: Order\n- validate: total < 10");
    let left = |step: &Step| match &step.kind {
        StepKind::Validate { condition, .. } => match &condition.kind {
            ExprKind::Binary(_, left, _) => left.kind.clone(),
            other => panic!("a comparison, not {other:?}"),
        },
        other => panic!("a validate, not {other:?}"),
    };
    assert_eq!(left(&action.steps[0]), ExprKind::Input("total".to_owned()));
    assert!(matches!(left(&action.steps[2]), ExprKind::VarColumn { .. }));
    assert_eq!(action.loads_current_row, None);
}

#[test]
fn a_row_that_only_a_callback_touches_is_loaded_and_given_to_the_call() {
    let action =
        act("- call_service: {service: slack, operation: post_message, input: {channel: \"#a\", text: \"x\"}, \
         on_success: [{update: \"Order SET note = 'sent'\"}]}");
    assert_eq!(inputs(&action), [("id", true)]);
    assert_eq!(calls(&action.steps)[0].row, action.loads_current_row);
    assert!(action.loads_current_row.is_some());
}

#[test]
fn calls_in_callbacks_are_counted_with_the_others_and_named_ones_keep_their_name() {
    let call = |rest: &str| {
        format!("{{service: slack, operation: post_message, input: {{channel: \"#a\", text: \"x\"}}{rest}}}")
    };
    let inner = call(", on_failure: [{reject: gone}]");
    let outer = call(&format!(", on_success: [{{call_service: {inner}}}]"));
    let named = call(", as: last, on_success: [{reject: no}]");
    let action = act(&format!("- update: Order SET note = 'x'\n- call_service: {outer}\n- call_service: {named}"));
    let (first, last) = (calls(&action.steps)[0], calls(&action.steps)[1]);
    let nested = calls(&first.on_success.as_ref().unwrap().steps)[0];
    assert_eq!(nested.on_failure.as_ref().unwrap().function, "cb_order_act_2_slack_post_message_failure");
    assert_eq!(nested.row, first.on_success.as_ref().unwrap().row);
    assert_eq!(last.on_success.as_ref().unwrap().function, "cb_order_act_last_slack_post_message_success");
}

#[test]
fn references_become_keys_where_they_are_stored_and_ids_where_they_leave() {
    let action = act("- insert: Customer\n  values: {name: \"Ada\"}\n  as: customer\n\
         - update: Order SET customer = $customer, note = $order.customer.name WHERE customer = $input.customer");
    let values = assignments(&action.steps[1]);
    assert_eq!(values[0].value.kind, ExprKind::Row(VarId(0)));
    assert!(matches!(&values[1].value.kind, ExprKind::Follow { .. }));
    let StepKind::Update { target: Target::Where(condition), .. } = &action.steps[1].kind else { panic!("WHERE") };
    let ExprKind::Binary(_, _, right) = &condition.kind else { panic!("a comparison") };
    assert!(matches!(&right.kind, ExprKind::KeyOf { field, .. } if field == "customer"));
}

#[test]
fn the_standard_bodies_insert_update_in_part_and_delete_softly() {
    let text = order("  - {name: create_order}\n  - {name: update_order}\n  - {name: delete_order}\n");
    let compilation = compiled(&text);
    let order = compilation.model.entities.iter().find(|entity| entity.name == "Order").unwrap();
    let [create, update, delete] = &order.actions[..] else { panic!("three actions") };
    assert!([create, update, delete].iter().all(|action| action.standard && !action.not_implemented));
    assert_eq!(inputs(create), [("total", true), ("note", false), ("price", false), ("customer", false)]);
    assert_eq!(
        inputs(update),
        [("id", true), ("total", false), ("note", false), ("price", false), ("customer", false)]
    );
    assert!(matches!(update.steps[0].kind, StepKind::Update { partial: true, target: Target::Row(_), .. }));
    assert_eq!(inputs(delete), [("id", true)]);
    assert!(matches!(delete.steps[0].kind, StepKind::Delete { hard: false, .. }));
}

#[test]
fn minor_units_keep_their_place_in_a_bigint() {
    let invoice = "entity: Invoice\nfields: {amount: money!, currency: currencyCode!, units: bigint}\nactions:\n  - name: bill\n    \
                   steps:\n      - update: Invoice SET units = minor_units(amount, currency)\n";
    let model = compiled(invoice).model;
    let written = format!("{:?}", model.entities[0].actions[0].steps);
    let call = written.split("\"minor_units\"").nth(1).unwrap_or_default();
    assert!(call.contains("ty: Value(Basic(Bigint))") && !call.contains("Integer"), "{written}");
}

#[test]
fn parts_of_a_text_keep_their_own_types() {
    let text = "\
entity: Note
fields: {title: text!, pages: integer, done: boolean!}
actions:
  - name: sum_up
    steps:
      - update: Note SET title = concat(title, coalesce(pages, 80), CASE WHEN done THEN 1 ELSE 2 END)
      - update: Note SET title = title || coalesce(pages, 0)
      - update: Note SET title = concat(title, coalesce($input.more, '-'))
";
    let model = compiled(text).model;
    let action = &model.entities[0].actions[0];
    assert_eq!(inputs(action), [("id", true), ("more", false)]);
}

/// `Order`, `sales.Order` and, by an alias of the schema, `sls.Order`.
#[test]
fn a_schema_or_its_alias_before_an_entity_changes_nothing() {
    let project = "entity: Order
schema: sales
fields: {total: integer!, parent: ref(Order)}
actions:
  - name: open_order
    steps:
      - validate: total > 0
      - insert: Order
        values: {total: total}
      - update: Order SET total = 2
  - name: change
    steps:
      - find: Order WHERE total = 1
        as: found
      - update: Order SET total = 2, parent = $found WHERE total = 1
      - update: Order
        set: {total: 3}
      - foreach: other in find Order WHERE total = 3
        do:
          - update: Order SET total = $other.total + 1
          - delete: Order
            hard: true
      - delete: Order WHERE total = 4
      - delete: Order
";
    let sql = |written: &str| {
        let text = project.replace("Order", written).replacen(&format!("entity: {written}"), "entity: Order", 1);
        let file = |path: &str, text: String, kind| SourceFile { path: path.to_owned(), text, kind };
        let domains = "domains: {sales: {multi_tenant: true, aliases: [sls]}}\n".to_owned();
        let sources = Sources::new(vec![
            file("entities/order.yaml", text, SourceKind::Entities),
            file("registry/domain_registry.yaml", domains, SourceKind::Registry),
        ]);
        let compilation = compile(&sources);
        assert!(!compilation.has_errors(), "{written}: {:?}", compilation.diagnostics);
        crate::sql::schema(&compilation.model).render()
    };
    for written in ["sales.Order", "sls.Order"] {
        // Not `assert_eq!`: nobody reads two whole schemas.
        assert!(sql(written) == sql("Order"), "`{written}` is not compiled as `Order` is");
    }
}

#[test]
fn a_factor_is_not_of_the_type_of_the_other_or_of_the_product() {
    let text = "\
entity: Line
fields: {price: money!, quantity: integer, total: money}
actions:
  - name: sum_up
    steps:
      - update: Line SET total = price * coalesce(quantity, 1)
      - update: Line SET total = coalesce(quantity, 1) * price
      - update: Line SET total = price / coalesce(quantity, 1) * 2
";
    compiled(text);
}
