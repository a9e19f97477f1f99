use indexmap::IndexMap;
use serde_json::json;

use super::super::SchemaField;
use super::*;
use crate::{Setting, scalars::Scalar};

fn field(ty: ValueType) -> SchemaField {
    SchemaField { ty, required: false, default: None, description: None }
}

fn basic(basic: Basic) -> SchemaField {
    field(ValueType::Basic(basic))
}

fn schema<const N: usize>(fields: [(&str, SchemaField); N]) -> Schema {
    Schema { fields: IndexMap::from(fields.map(|(name, field)| (name.to_owned(), field))) }
}

fn output(schema: &Schema, value: Value) -> Result<Value, SchemaError> {
    schema.check_output(&value.into()).map(Value::from)
}

fn input(schema: &Schema, value: Value) -> Result<Value, String> {
    let checked = schema.check_input(Json::from(value).as_object().unwrap());
    checked.map(|fields| Json::Object(fields).into()).map_err(|error| error.to_string())
}

#[test]
fn an_output_of_the_wrong_type_says_where_and_what() {
    let schema = schema([("amount", basic(Basic::Integer))]);
    let error = output(&schema, json!({"amount": "x"})).unwrap_err();
    assert_eq!(error.to_string(), r#"output_schema: $.amount: expected integer, got "x""#);
}

#[test]
fn an_unknown_input_field_is_refused_and_an_unknown_output_field_left_out() {
    let schema = schema([("amount", basic(Basic::Integer))]);
    let error = input(&schema, json!({"amuont": 1})).unwrap_err();
    assert_eq!(error, "input_schema: $.amuont: unknown field; it takes `amount`");
    assert_eq!(output(&schema, json!({"amount": 1, "more": 2})), Ok(json!({"amount": 1})));
}

#[test]
fn constant_defaults_are_filled_in_and_settings_are_left_to_the_worker() {
    let schema = schema([
        ("capture", SchemaField { default: Some(FieldDefault::Value(json!(true))), ..basic(Basic::Boolean) }),
        (
            "source",
            SchemaField {
                default: Some(FieldDefault::Setting(Setting::Env { name: "S".into(), default: None })),
                required: true,
                ..basic(Basic::Text)
            },
        ),
    ]);
    assert_eq!(input(&schema, json!({})), Ok(json!({"capture": true})));
    assert_eq!(input(&schema, json!({"capture": null, "source": "a"})), Ok(json!({"capture": true, "source": "a"})));
}

#[test]
fn a_missing_required_field_is_named() {
    let schema = schema([("amount", SchemaField { required: true, ..basic(Basic::Integer) })]);
    let problem = "input_schema: $.amount: required, expected integer";
    assert_eq!(input(&schema, json!({})).unwrap_err(), problem);
    assert_eq!(input(&schema, json!({"amount": null})).unwrap_err(), problem);
}

#[test]
fn numbers_are_bounded_and_come_out_in_one_form() {
    let schema = schema([
        ("i", basic(Basic::Integer)),
        ("b", basic(Basic::Bigint)),
        ("d", field(ValueType::Decimal(Some((5, 2))))),
        ("m", field(ValueType::Scalar(Scalar::from_name("money").unwrap()))),
    ]);
    let given = json!({"i": 5.0, "b": "9223372036854775807", "d": 1.25, "m": "19.99"});
    assert_eq!(input(&schema, given), Ok(json!({"i": 5, "b": i64::MAX, "d": "1.25", "m": "19.99"})));
    for bad in [
        json!({"i": 2_147_483_648_i64}),
        json!({"i": 1.5}),
        json!({"i": "1"}),
        json!({"b": "9223372036854775808"}),
        json!({"d": "1.234"}),
        json!({"d": "1234"}),
        json!({"d": "1e2"}),
        json!({"m": "-0.01"}),
    ] {
        assert!(input(&schema, bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn scalars_enums_and_text_are_checked() {
    let schema = schema([
        ("email", field(ValueType::Scalar(Scalar::from_name("email").unwrap()))),
        ("id", field(ValueType::Scalar(Scalar::from_name("uuid").unwrap()))),
        ("day", field(ValueType::Scalar(Scalar::from_name("date").unwrap()))),
        ("state", field(ValueType::Enum(vec!["open".into(), "shut".into()]))),
        ("text", basic(Basic::Text)),
        ("at", basic(Basic::Timestamp)),
    ]);
    let good = json!({"email": "a@b.eu", "id": "018f3f6e-7b0a-7c3e-9d7e-0123456789ab", "day": "2026-02-28",
        "state": "shut", "text": "ü", "at": "2026-02-28T00:00:00Z"});
    assert_eq!(input(&schema, good.clone()), Ok(good));
    for bad in [
        json!({"email": "a@b"}),
        json!({"id": "018f"}),
        json!({"day": "2026-02-30"}),
        json!({"state": "Shut"}),
        json!({"text": "a\u{0}b"}),
        json!({"text": 5}),
        json!({"at": "yesterday"}),
    ] {
        assert!(input(&schema, bad.clone()).is_err(), "{bad}");
    }
    assert_eq!(
        input(&schema, json!({"state": "ajar"})).unwrap_err(),
        r#"input_schema: $.state: expected one of open, shut, got "ajar""#
    );
}

#[test]
fn the_path_leads_into_lists_and_objects() {
    let line = schema([("price", SchemaField { required: true, ..basic(Basic::Integer) })]);
    let schema = schema([("lines", field(ValueType::List(Box::new(ValueType::Object(line)))))]);
    let error = input(&schema, json!({"lines": [{"price": 1}, {"price": true}]})).unwrap_err();
    assert_eq!(error, "input_schema: $.lines[1].price: expected integer, got true");
    assert!(input(&schema, json!({"lines": {}})).unwrap_err().contains("expected list(object)"));
}

#[test]
fn an_output_that_is_no_object_is_refused_unless_nothing_is_declared() {
    assert_eq!(output(&Schema::default(), json!("ok")), Ok(json!({})));
    let schema = schema([("id", basic(Basic::Text))]);
    assert!(output(&schema, json!([1])).unwrap_err().to_string().starts_with("output_schema: $: expected an object"));
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let schema = schema([("n", basic(Basic::Integer))]);
    let error = input(&schema, json!({"n": "é".repeat(1000)})).unwrap_err();
    assert!(error.chars().count() < 120, "{error}");
}
