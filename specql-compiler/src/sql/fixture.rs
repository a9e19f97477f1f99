//! A hand-built model for tests of the printers: what a checker would make of an order that is placed and charged.

use specql_registry::{Basic, ValueType, scalars::Scalar, service::Unique};

use crate::{
    model::{
        Action, CallService, Callback, CallbackKind, Effects, Entity, EntityId, Expr, ExprKind, Field, FieldId,
        FieldType, InputField, KeyType, Model, OnDelete, Step, StepKind, Var, VarId,
        expr::{BinaryOp, ColumnRef, ExprType, Literal},
        step::{Assignment, Start, Target},
    },
    source::Origin,
};

pub(super) fn at(line: u32) -> Origin {
    Origin { path: "entities/order.yaml".to_owned(), line }
}

pub(super) fn scalar(name: &str) -> ValueType {
    ValueType::Scalar(Scalar::from_name(name).unwrap())
}

pub(super) fn text(value: &str) -> Expr {
    expr(ExprKind::Literal(Literal::Text(value.to_owned())), ValueType::Basic(Basic::Text))
}

pub(super) fn expr(kind: ExprKind, ty: ValueType) -> Expr {
    Expr { kind, ty: ExprType::Value(ty), nullable: false }
}

pub(super) fn integer(value: i64) -> Expr {
    expr(ExprKind::Literal(Literal::Integer(value.to_string())), ValueType::Basic(Basic::Integer))
}

pub(super) fn field(name: &str, ty: ValueType, required: bool, default: Option<Expr>, line: u32) -> Field {
    Field {
        name: name.to_owned(),
        column: name.to_owned(),
        ty: FieldType::Value(ty),
        required,
        unique: false,
        default,
        limits: Default::default(),
        backfill: None,
        description: None,
        renamed_from: None,
        origin: at(line),
    }
}

pub(super) fn column(entity: &Entity, var: usize, id: usize) -> Expr {
    let field = &entity.fields[id];
    let FieldType::Value(ty) = &field.ty else { panic!("a value") };
    Expr {
        kind: ExprKind::VarColumn { var: VarId(var), column: ColumnRef::Field(FieldId(id)) },
        ty: ExprType::Value(ty.clone()),
        nullable: !field.required,
    }
}

pub(super) fn step(kind: StepKind, line: u32) -> Step {
    Step { kind, stale: Vec::new(), origin: at(line) }
}

pub(super) fn row(entity: usize, name: &str) -> Var {
    Var { name: name.to_owned(), entity: EntityId(entity) }
}

fn callback(kind: CallbackKind, steps: Vec<Step>, line: u32) -> Callback {
    let function = format!("cb_order_place_order_1_stripe_create_charge_{}", kind.name());
    Callback {
        key: format!("sales.{function}"),
        schema: "sales".to_owned(),
        function,
        kind,
        vars: vec![row(1, "order")],
        row: Some(VarId(0)),
        carried: Vec::new(),
        steps,
        origin: at(line),
    }
}

fn call(service: &str, operation: &str, input: Vec<(String, Expr)>) -> CallService {
    CallService {
        service: service.to_owned(),
        operation: operation.to_owned(),
        ordinal: "1".to_owned(),
        input,
        timeout_seconds: 300,
        max_attempts: 3,
        give_up_after_seconds: None,
        unique: Unique::Once,
        correlation: None,
        idempotency_key: None,
        start: Start::Now,
        priority: 0,
        row: Some(VarId(0)),
        rounds: Vec::new(),
        bind: None,
        carries: Vec::new(),
        wait: false,
        on_success: None,
        on_failure: None,
    }
}

/// `Customer` and `Order`, with `place_order` of the overview, an update and a delete.
pub(super) fn order_model() -> Model {
    let customer = Entity {
        name: "Customer".to_owned(),
        snake: "customer".to_owned(),
        schema: "crm".to_owned(),
        description: None,
        key: KeyType::default(),
        fields: vec![field("email", scalar("email"), true, None, 3)],
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        functions: Vec::new(),
        actions: Vec::new(),
        multi_tenant: false,
        renamed_from: None,
        origin: at(1),
    };
    let statuses = ValueType::Enum(vec!["unpaid".into(), "paid".into(), "failed".into()]);
    let mut order = Entity {
        name: "Order".to_owned(),
        snake: "order".to_owned(),
        schema: "sales".to_owned(),
        description: Some("A customer's order".to_owned()),
        key: KeyType::default(),
        fields: vec![
            field("customer_email", scalar("email"), true, None, 12),
            field("total", ValueType::Basic(Basic::Integer), true, None, 13),
            field("currency", scalar("currencyCode"), false, Some(text("EUR")), 14),
            field("payment_status", statuses, false, Some(text("unpaid")), 15),
            field("charge_id", ValueType::Basic(Basic::Text), false, None, 16),
            Field {
                column: "fk_customer".to_owned(),
                ty: FieldType::Ref { target: EntityId(0), on_delete: OnDelete::Restrict },
                ..field("customer", ValueType::Basic(Basic::Text), false, None, 17)
            },
            field("lines", ValueType::List(Box::new(ValueType::Basic(Basic::Text))), false, None, 18),
            field("weight", scalar("money"), false, None, 19),
        ],
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        functions: Vec::new(),
        actions: Vec::new(),
        multi_tenant: false,
        renamed_from: None,
        origin: at(10),
    };
    order.actions = vec![place_order(&order), update_order(&order), delete_order(), unwritten()];
    let mut model = Model { entities: vec![customer, order], uses_jobs: true, ..Model::default() };
    let actions = &model.entities[1].actions;
    let effects: Vec<_> =
        actions.iter().map(|action| model.effects_of(&action.steps, action.loads_current_row.is_some())).collect();
    for (action, effects) in model.entities[1].actions.iter_mut().zip(effects) {
        action.effects = effects;
    }
    model
}

fn inputs(order: &Entity) -> Vec<InputField> {
    let inferred = |(id, field): (usize, &Field)| InputField {
        name: field.name.clone(),
        ty: field.ty.clone(),
        required: field.required && field.default.is_none(),
        never_null: false,
        default: None,
        field: Some((EntityId(1), FieldId(id))),
    };
    order.fields.iter().enumerate().map(inferred).collect()
}

fn assignments(order: &Entity) -> Vec<Assignment> {
    let input = |(id, field): (usize, &Field)| {
        let ty = match &field.ty {
            FieldType::Value(ty) => ty.clone(),
            FieldType::Ref { .. } => scalar("uuid"),
        };
        let value = expr(ExprKind::Input(field.name.clone()), ty);
        let value = match &field.ty {
            FieldType::Ref { target, .. } => Expr {
                kind: ExprKind::KeyOf { entity: *target, id: Box::new(value), field: field.name.clone() },
                ty: ExprType::Ref(*target),
                nullable: true,
            },
            FieldType::Value(_) => value,
        };
        Assignment { column: ColumnRef::Field(FieldId(id)), value }
    };
    order.fields.iter().enumerate().map(input).collect()
}

fn update_status(status: &str, line: u32, more: Vec<Assignment>) -> Step {
    let mut set = vec![Assignment { column: ColumnRef::Field(FieldId(3)), value: text(status) }];
    set.extend(more);
    step(StepKind::Update { entity: EntityId(1), set, target: Target::Row(VarId(0)), partial: false }, line)
}

fn place_order(order: &Entity) -> Action {
    let output = expr(ExprKind::Output(vec!["id".to_owned()]), ValueType::Basic(Basic::Text));
    let mut charge = call(
        "stripe",
        "create_charge",
        vec![("amount".to_owned(), column(order, 0, 1)), ("currency".to_owned(), column(order, 0, 2))],
    );
    charge.on_success = Some(callback(
        CallbackKind::Success,
        vec![update_status("paid", 32, vec![Assignment { column: ColumnRef::Field(FieldId(4)), value: output }])],
        31,
    ));
    let mut mail = call(
        "sendgrid",
        "send_email",
        vec![
            ("to".to_owned(), column(order, 0, 0)),
            (
                "subject".to_owned(),
                expr(
                    ExprKind::Binary(
                        BinaryOp::Concat,
                        Box::new(text("We couldn't charge you: ")),
                        Box::new(expr(
                            ExprKind::Error(crate::model::expr::ErrorField::Message),
                            ValueType::Basic(Basic::Text),
                        )),
                    ),
                    ValueType::Basic(Basic::Text),
                ),
            ),
        ],
    );
    mail.unique = Unique::InFlight;
    charge.on_failure = Some(callback(
        CallbackKind::Failure,
        vec![update_status("failed", 34, Vec::new()), step(StepKind::CallService(Box::new(mail)), 35)],
        33,
    ));
    let condition = expr(
        ExprKind::Binary(BinaryOp::Greater, Box::new(column(order, 0, 1)), Box::new(integer(0))),
        ValueType::Basic(Basic::Boolean),
    );
    Action {
        name: "place_order".to_owned(),
        wrapper: "place_order".to_owned(),
        description: None,
        input: inputs(order),
        vars: vec![row(1, "order")],
        loads_current_row: None,
        result: Some(VarId(0)),
        steps: vec![
            step(StepKind::Insert { entity: EntityId(1), values: assignments(order), bind: VarId(0) }, 24),
            step(
                StepKind::Validate {
                    condition,
                    error: "empty_order".to_owned(),
                    message: Some(text("an order's total must be positive")),
                },
                25,
            ),
            step(StepKind::CallService(Box::new(charge)), 26),
        ],
        standard: false,
        not_implemented: false,
        effects: Effects::default(),
        origin: at(22),
    }
}

fn id_input() -> InputField {
    InputField {
        name: "id".to_owned(),
        ty: FieldType::Value(scalar("uuid")),
        required: true,
        never_null: false,
        default: None,
        field: None,
    }
}

fn update_order(order: &Entity) -> Action {
    let mut input = vec![id_input()];
    input.extend(inputs(order).into_iter().map(|field| InputField { required: false, ..field }));
    Action {
        name: "update_order".to_owned(),
        wrapper: "update_order".to_owned(),
        input,
        loads_current_row: Some(VarId(0)),
        steps: vec![step(
            StepKind::Update {
                entity: EntityId(1),
                set: assignments(order),
                target: Target::Row(VarId(0)),
                partial: true,
            },
            38,
        )],
        standard: true,
        origin: at(38),
        ..unwritten_with("update_order", Some(VarId(0)))
    }
}

fn delete_order() -> Action {
    Action {
        input: vec![id_input()],
        loads_current_row: Some(VarId(0)),
        steps: vec![step(StepKind::Delete { entity: EntityId(1), target: Target::Row(VarId(0)), hard: false }, 39)],
        standard: true,
        origin: at(39),
        ..unwritten_with("delete_order", Some(VarId(0)))
    }
}

fn unwritten() -> Action {
    Action { not_implemented: true, vars: Vec::new(), ..unwritten_with("ship_order", None) }
}

fn unwritten_with(name: &str, result: Option<VarId>) -> Action {
    Action {
        name: name.to_owned(),
        wrapper: name.to_owned(),
        description: None,
        input: Vec::new(),
        vars: vec![row(1, "order")],
        loads_current_row: None,
        result,
        steps: Vec::new(),
        standard: false,
        not_implemented: false,
        effects: Effects::default(),
        origin: at(40),
    }
}
