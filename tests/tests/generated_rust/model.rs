// A project as the checker would make it, with every kind of type and every awkward name.

use specql_compiler::internals::{model::{Action, Effects, Entity, EntityId, Field, FieldId, FieldType, InputField, KeyType, Model, Step, StepKind, Var, VarId, function::Declared, step::{Assignment, Target}}, migrations::MigrationPart, rust::ProjectParts, source::Origin};
use specql_registry::{
    Basic, ExecutionType, Operation, Registry, Schema, SchemaField, Service, Setting, ValueType,
    scalars::Scalar,
    schema::FieldDefault,
    service::{Call, Configuration, RetryPolicy, Unique},
};

/// What stands beside the model.
pub(crate) fn parts() -> ProjectParts {
    ProjectParts {
        name: "shop".to_owned(),
        migrations: vec![MigrationPart {
            version: 1,
            description: "first_tables".to_owned(),
            sql: "CREATE TABLE a (b TEXT DEFAULT '\"#');\n-- \"##\n".to_owned(),
            open: true,
            reverse: Some("DROP TABLE a;".to_owned()),
            replaces: vec![(0, "00ff".to_owned())],
        }],
        functions: vec![Declared {
            shown: "sales.tax(amount numeric) returns numeric".to_owned(),
            schema: "sales".to_owned(),
            name: "tax".to_owned(),
            arguments: 1,
            probe: "SELECT coalesce(sales.tax(NULL::numeric), NULL::numeric)".to_owned(),
        }],
    }
}

/// The project.
pub(crate) fn order() -> Model {
    let fields = vec![
        field(3, "customer_email", scalar("email"), true),
        Field { description: Some("In cents.\n\n    let x = 1; // no doc test".to_owned()), ..field(4, "total", basic(Basic::Integer), true) },
        field(5, "currency", scalar("currencyCode"), true),
        field(6, "payment_status", ValueType::Enum(["unpaid", "paid", "failed"].map(str::to_owned).into()), true),
        Field {
            ty: FieldType::Ref { target: EntityId(1), on_delete: Default::default() },
            ..field(7, "parent", basic(Basic::Text), false)
        },
        field(8, "views", basic(Basic::Bigint), false),
        field(9, "price", scalar("money"), false),
        field(10, "tags", list(ValueType::Enum(["a-b", "self", "2nd"].map(str::to_owned).into())), true),
        field(11, "type", basic(Basic::Text), false),
        field(12, "notes", basic(Basic::Text), false),
    ];
    let id = InputField { name: "id".to_owned(), ty: FieldType::Value(scalar("uuid")), required: true, never_null: false, default: None, field: None };
    let input = |name: &str, index: usize, required: bool| InputField {
        name: name.to_owned(),
        ty: fields[index].ty.clone(),
        required,
        never_null: false,
        default: None,
        field: Some((EntityId(1), FieldId(index))),
    };
    let urgency =
        InputField { name: "urgency".to_owned(), ty: FieldType::Value(ValueType::Enum(vec!["low".to_owned(), "high".to_owned()])), required: false, never_null: false, default: None, field: None };
    let update = Step {
        kind: StepKind::Update {
            entity: EntityId(1),
            set: Vec::<Assignment>::new(),
            target: Target::Row(VarId(0)),
            partial: true,
        },
        stale: Vec::new(),
        origin: origin(30),
    };
    let actions = vec![
        Action {
            description: Some("Places an order.".to_owned()),
            ..action(
                20,
                "place_order",
                vec![input("customer_email", 0, true), input("total", 1, true), input("payment_status", 3, false), input("views", 5, false), urgency],
                Vec::new(),
            )
        },
        action(30, "update_order", vec![id, input("total", 1, false), input("notes", 9, false), input("views", 5, false)], vec![update]),
        Action { result: None, not_implemented: true, ..action(40, "archive", Vec::new(), Vec::new()) },
    ];
    Model {
        entities: vec![
            entity("Option", "option", Vec::new(), Vec::new()),
            Entity { description: Some("A customer's order.".to_owned()), multi_tenant: true, ..entity("Order", "order", fields, actions) },
        ],
        registry: registry(),
        uses_jobs: true,
        ..Model::default()
    }
}

fn registry() -> Registry {
    let address = Schema { fields: [("street".to_owned(), schema_field(basic(Basic::Text), true)), ("zip".to_owned(), schema_field(basic(Basic::Text), false))].into_iter().collect() };
    let charge_input = [
        ("amount", schema_field(basic(Basic::Integer), true)),
        ("currency", SchemaField { default: Some(FieldDefault::Value("USD".into())), ..schema_field(scalar("currencyCode"), true) }),
        ("source", SchemaField {
            default: Some(FieldDefault::Setting(Setting::Env { name: "STRIPE_DEFAULT_SOURCE".to_owned(), default: None })),
            ..schema_field(basic(Basic::Text), false)
        }),
        ("description", SchemaField { description: Some("Shown to the customer.".to_owned()), ..schema_field(basic(Basic::Text), false) }),
        ("address", schema_field(ValueType::Object(address.clone()), false)),
        ("lines", schema_field(list(ValueType::Object(address)), false)),
        ("total", schema_field(basic(Basic::Bigint), false)),
    ];
    let charge_output = [
        ("id", schema_field(basic(Basic::Text), true)),
        ("status", schema_field(ValueType::Enum(vec!["ok".to_owned()]), true)),
        ("paid", schema_field(basic(Basic::Boolean), false)),
        ("fee", schema_field(basic(Basic::Bigint), false)),
        ("at", schema_field(basic(Basic::Timestamp), false)),
    ];
    let awkward = [
        ("fn", schema_field(basic(Basic::Text), false)),
        ("build", schema_field(basic(Basic::Text), true)),
        ("maybe_fn", schema_field(basic(Basic::Text), true)),
        ("self", schema_field(basic(Basic::Text), true)),
    ];
    let services = [
        service("stripe", vec![operation("create_charge", schema(charge_input), schema(charge_output))]),
        service("type", vec![
            operation("match", schema(awkward), Schema::default()),
            operation("match_many", Schema::default(), Schema::default()),
        ]),
    ];
    Registry { services: services.into_iter().map(|service| (service.name.clone(), service)).collect() }
}

fn origin(line: u32) -> Origin {
    Origin { path: "entities/order.yaml".to_owned(), line }
}

fn entity(name: &str, snake: &str, fields: Vec<Field>, actions: Vec<Action>) -> Entity {
    Entity {
        name: name.to_owned(),
        snake: snake.to_owned(),
        schema: "sales".to_owned(),
        description: None,
        key: KeyType::default(),
        fields,
        unique: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        functions: Vec::new(),
        actions,
        multi_tenant: false,
        renamed_from: None,
        origin: origin(1),
    }
}

fn action(line: u32, name: &str, input: Vec<InputField>, steps: Vec<Step>) -> Action {
    Action {
        name: name.to_owned(),
        wrapper: name.to_owned(),
        description: None,
        input,
        vars: vec![Var { name: "order".to_owned(), entity: EntityId(1) }],
        loads_current_row: None,
        result: Some(VarId(0)),
        steps,
        standard: false,
        not_implemented: false,
        effects: Effects { for_tenant: true, ..Effects::default() },
        origin: origin(line),
    }
}

fn field(line: u32, name: &str, ty: ValueType, required: bool) -> Field {
    Field {
        name: name.to_owned(),
        column: name.to_owned(),
        ty: FieldType::Value(ty),
        required,
        unique: false,
        default: None,
        limits: Default::default(),
        backfill: None,
        description: None,
        renamed_from: None,
        origin: origin(line),
    }
}

fn service(name: &str, operations: Vec<Operation>) -> Service {
    Service {
        name: name.to_owned(),
        kind: None,
        category: None,
        description: None,
        execution_type: ExecutionType::Http,
        limits: specql_registry::limits::Limits::default(),
        fallback: None,
        base: Configuration::Handler,
        environments: Default::default(),
        operations: operations.into_iter().map(|operation| (operation.name.clone(), operation)).collect(),
    }
}

fn operation(name: &str, input: Schema, output: Schema) -> Operation {
    Operation {
        name: name.to_owned(),
        description: None,
        input,
        output,
        timeout_seconds: 30,
        max_attempts: 3,
        give_up_after_seconds: 86_400,
        unique: Unique::Once,
        idempotent: true,
        retry: RetryPolicy::default(),
        circuit_breaker: None,
        call: Call::Handler,
    }
}

fn schema<const N: usize>(fields: [(&str, SchemaField); N]) -> Schema {
    Schema { fields: fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect() }
}

fn schema_field(ty: ValueType, required: bool) -> SchemaField {
    SchemaField { ty, required, default: None, description: None }
}

fn basic(basic: Basic) -> ValueType {
    ValueType::Basic(basic)
}

fn list(element: ValueType) -> ValueType {
    ValueType::List(Box::new(element))
}

fn scalar(name: &str) -> ValueType {
    ValueType::Scalar(Scalar::from_name(name).expect("the table has it"))
}
