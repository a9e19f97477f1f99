//! What the model holds.

use super::compiled;
use crate::model::{
    Action, CallService, ExprKind, Step, StepKind, VarId,
    expr::{ColumnRef, Literal},
    step::{Assignment, Target},
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
