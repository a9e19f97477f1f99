//! The Rust that the compiler emits: compared with a golden file that is compiled and used here as well.
//!
//! `SPECQL_BLESS=1 cargo test -p specql-tests --test generated_rust` rewrites the golden file.

mod model {
    include!("generated_rust/model.rs");
}

#[allow(clippy::unwrap_used)]
mod golden {
    include!("generated_rust/order.rs");
}

use axum::Json;
use golden::{actions, enqueue, entities, services};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use specql_runtime::{client::Operation, value};

/// What an axum handler that takes `Json<T>` is given for a body, or what its caller is told.
fn body<T: DeserializeOwned>(json: &serde_json::Value) -> Result<T, String> {
    match Json::from_bytes(json.to_string().as_bytes()) {
        Ok(Json(input)) => Ok(input),
        Err(rejection) => Err(rejection.body_text()),
    }
}

fn round_trips<T: DeserializeOwned + Serialize>(json: &serde_json::Value) {
    let read: T = body(json).expect("what is written is read");
    assert_eq!(serde_json::to_value(read).expect("what is read is written"), *json);
}

#[test]
fn the_golden_file_is_what_the_compiler_emits() {
    let emitted = specql_compiler::internals::rust::emit(&model::order(), &model::parts());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated_rust/order.rs");
    if std::env::var_os("SPECQL_BLESS").is_some() {
        std::fs::write(path, &emitted).unwrap();
        return;
    }
    pretty_assertions::assert_eq!(emitted, include_str!("generated_rust/order.rs"), "bless with SPECQL_BLESS=1");
}

#[test]
fn a_builder_takes_required_fields_and_leaves_defaults_to_the_database() -> Result<(), value::InvalidText> {
    let input = actions::order::PlaceOrder::builder().customer_email("a@b.eu".parse()?).total(4200).build();
    assert_eq!(serde_json::to_value(&input).unwrap(), json!({"customer_email": "a@b.eu", "total": 4200}));
    let _call = actions::order::place_order(input);
    Ok(())
}

#[test]
fn a_partial_update_tells_leaving_alone_from_emptying() {
    let id = value::Uuid::nil();
    let update = |notes| actions::order::UpdateOrder::builder().id(id).maybe_notes(notes).build();
    let json = |notes| serde_json::to_value(update(notes)).unwrap();
    assert_eq!(json(None), json!({"id": id}));
    assert_eq!(json(Some(None)), json!({"id": id, "notes": null}));
    assert_eq!(json(Some(Some("late".to_owned()))), json!({"id": id, "notes": "late"}));
}

#[test]
fn an_input_is_read_from_the_json_that_the_wrapper_takes() {
    let all = json!({
        "customer_email": "a@b.eu", "total": 4200, "payment_status": "paid", "views": "9007199254740993", "urgency": "low",
    });
    let read: actions::order::PlaceOrder = body(&all).unwrap();
    let built = actions::order::PlaceOrder::builder()
        .customer_email("a@b.eu".parse().unwrap())
        .total(4200)
        .payment_status(entities::OrderPaymentStatus::Paid)
        .views(9_007_199_254_740_993)
        .urgency(actions::order::PlaceOrderUrgency::Low)
        .build();
    assert_eq!(read, built);
    round_trips::<actions::order::PlaceOrder>(&json!({"customer_email": "a@b.eu", "total": 1, "views": 7}));
    round_trips::<actions::order::Archive>(&json!({}));
}

#[test]
fn an_optional_input_is_none_where_it_is_absent_or_null() {
    let null = json!({"customer_email": "a@b.eu", "total": 1, "payment_status": null, "views": null, "urgency": null});
    let read: actions::order::PlaceOrder = body(&null).unwrap();
    assert_eq!(read, body(&json!({"customer_email": "a@b.eu", "total": 1})).unwrap());
    assert_eq!((read.payment_status, read.views, read.urgency), (None, None, None));
}

#[test]
fn the_json_of_a_partial_update_tells_leaving_alone_from_emptying() {
    let id = value::Uuid::nil();
    let notes = |json| body::<actions::order::UpdateOrder>(&json).unwrap();
    assert_eq!(notes(json!({"id": id})).notes, None);
    assert_eq!(notes(json!({"id": id, "notes": null})).notes, Some(None));
    assert_eq!(notes(json!({"id": id, "notes": "late"})).notes, Some(Some("late".to_owned())));
    assert_eq!(notes(json!({"id": id, "views": null})).views, Some(None));
    assert_eq!(notes(json!({"id": id, "views": "-7"})).views, Some(Some(-7)));
    // A required field cannot be emptied: the database refuses it, and so does Rust.
    let told = body::<actions::order::UpdateOrder>(&json!({"id": id, "total": null})).unwrap_err();
    assert!(told.contains("total: invalid type: null, expected i32"), "{told}");
    round_trips::<actions::order::UpdateOrder>(&json!({"id": id, "notes": null, "views": 7}));
}

#[test]
fn what_an_input_does_not_take_is_refused_with_the_name_of_the_field() {
    let right = json!({"customer_email": "a@b.eu", "total": 4200});
    let with = |name: &str, value: serde_json::Value| {
        let mut wrong = right.clone();
        wrong[name] = value;
        body::<actions::order::PlaceOrder>(&wrong).unwrap_err()
    };
    for (name, value, expected) in [
        ("totl", json!(1), "unknown field `totl`, expected one of `customer_email`, `total`"),
        ("total", json!("4200"), "total: invalid type: string \"4200\", expected i32"),
        ("total", json!(null), "total: invalid type: null, expected i32"),
        ("customer_email", json!("nobody"), "customer_email: \"nobody\" is not an e-mail address"),
        ("payment_status", json!("lost"), "payment_status: unknown variant `lost`, expected one of `unpaid`, `paid`"),
        ("views", json!("many"), "views: invalid value: string \"many\", expected a 64 bit integer"),
    ] {
        let told = with(name, value);
        assert!(told.contains(expected), "{told}");
    }
    let told = body::<actions::order::PlaceOrder>(&json!({"total": 4200})).unwrap_err();
    assert!(told.contains("missing field `customer_email`"), "{told}");
    let told = body::<actions::order::Archive>(&json!({"id": 1})).unwrap_err();
    assert!(told.contains("unknown field `id`, there are no fields"), "{told}");
}

#[test]
fn a_row_reads_what_an_action_reports_and_writes_the_same() {
    let data = json!({
        "id": "018f3f6e-7b0a-7c3e-9d7e-0123456789ab", "identifier": null,
        "customer_email": "a@b.eu",
        "total": 4200,
        "currency": "EUR",
        "payment_status": "paid",
        "parent": null,
        "views": "9007199254740993",
        "price": "19.9900",
        "tags": ["a-b", "self"],
        "type": "gift",
        "notes": null,
        "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:00.123456Z",
    });
    let order: entities::Order = serde_json::from_value(data.clone()).unwrap();
    assert_eq!(order.payment_status, entities::OrderPaymentStatus::Paid);
    assert_eq!(order.views, Some(9_007_199_254_740_993));
    assert_eq!(order.tags, [entities::OrderTags::AB, entities::OrderTags::Self_]);
    assert_eq!(order.r#type.as_deref(), Some("gift"));
    assert_eq!(serde_json::to_value(&order).unwrap(), data);
}

#[test]
fn an_enum_is_text_both_ways() {
    use entities::OrderPaymentStatus as Status;
    assert_eq!("failed".parse(), Ok(Status::Failed));
    assert_eq!(Status::Failed.to_string(), "failed");
    assert_eq!(
        "lost".parse::<Status>().unwrap_err().to_string(),
        "unknown OrderPaymentStatus \"lost\": expected one of unpaid, paid, failed"
    );
}

#[test]
fn an_operation_has_typed_input_and_output() {
    assert_eq!(
        (services::stripe::CreateCharge::SERVICE, services::stripe::CreateCharge::OPERATION),
        ("stripe", "create_charge")
    );
    let input = services::stripe::CreateChargeInput::builder()
        .amount(4200)
        .description("an order")
        .address(services::stripe::CreateChargeInputAddress::builder().street("Main St").build())
        .build();
    // `currency` is required, but has a default: it may be left out.
    assert_eq!(
        serde_json::to_value(&input).unwrap(),
        json!({"amount": 4200, "description": "an order", "address": {"street": "Main St"}})
    );
    let output: services::stripe::CreateChargeOutput =
        serde_json::from_value(json!({"id": "ch_1", "status": "ok", "fee": "12", "more": 1})).unwrap();
    assert_eq!((output.id.as_str(), output.fee, output.paid), ("ch_1", Some(12), None));
    let _call = enqueue::stripe::create_charge(input.clone()).correlation_id("order-17");
    let _calls = enqueue::stripe::create_charge_many(vec![input]);
}

#[test]
fn names_that_rust_reserves_or_that_meet_are_kept_apart() {
    let input = services::r#type::MatchInput::builder().r#fn("x").build_("y").maybe_fn_("z").self_("s").build();
    assert_eq!(serde_json::to_value(&input).unwrap(), json!({"fn": "x", "build": "y", "maybe_fn": "z", "self": "s"}));
    let _call = enqueue::r#type::r#match(input);
    // An operation `match_many` is called by its own name; the bulk form of `match` gives way.
    let _call = enqueue::r#type::match_many(services::r#type::MatchManyInput::builder().build());
    let _calls = enqueue::r#type::match_many_(Vec::new());
    let _row: Option<entities::Option_> = None;
}

#[test]
fn the_project_carries_its_registry_and_migrations() {
    let project = golden::PROJECT;
    let registry: specql_registry::Registry = serde_json::from_str(project.registry).unwrap();
    assert_eq!(registry, model::order().registry);
    assert_eq!(project.migrations[0].sql, "CREATE TABLE a (b TEXT DEFAULT '\"#');\n-- \"##\n");
    assert_eq!(project.migrations[0].description, "first tables");
}
