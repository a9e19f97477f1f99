//! Random input of actions, by the types that the compiler found for them.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use specql_compiler::internals::model::{Action, EntityId, FieldType};
use specql_registry::{Basic, ValueType, scalars::ScalarBase};
use specql_tests::random::Random;
use uuid::Uuid;

/// The rows that there are, by entity.
pub(crate) type Rows = IndexMap<EntityId, Uuid>;

/// Input that an action takes; `None` where it wants a row of an entity that has none.
pub(crate) fn good(random: &mut Random, action: &Action, own: Option<Uuid>, rows: &Rows) -> Option<Map<String, Value>> {
    let mut input = Map::new();
    for field in &action.input {
        if field.name == "id" {
            input.insert("id".to_owned(), json!(own?));
            continue;
        }
        if !field.required && random.chance(30) {
            continue;
        }
        if !field.required && !action.standard && random.chance(10) {
            input.insert(field.name.clone(), Value::Null);
            continue;
        }
        let value = match &field.ty {
            FieldType::Value(ty) => value(random, ty),
            FieldType::Ref { target, .. } => match rows.get(target) {
                Some(id) => json!(id),
                None if field.required => return None,
                None => continue,
            },
        };
        input.insert(field.name.clone(), value);
    }
    Some(input)
}

/// A value of the type.
fn value(random: &mut Random, ty: &ValueType) -> Value {
    match ty {
        ValueType::Basic(Basic::Text) => json!(random.pick(&["x", "it's", "", "ÄÖ \"q\" \\ %", "http://x"])),
        ValueType::Basic(Basic::Integer | Basic::Bigint) => json!(random.below(1000)),
        ValueType::Basic(Basic::Float) => json!(1.5),
        ValueType::Basic(Basic::Boolean) => json!(random.chance(50)),
        ValueType::Basic(Basic::Timestamp) => json!("2026-01-31T12:00:00Z"),
        ValueType::Basic(Basic::Json) => random.pick(&[json!({"a": [1, null]}), json!("text"), json!(7)]).clone(),
        ValueType::Decimal(_) => json!("1.5"),
        ValueType::Scalar(scalar) => scalar_example(scalar.info().example, scalar.info().base),
        ValueType::Composite(composite) => serde_json::from_str(composite.info().example).unwrap(),
        ValueType::Enum(values) => json!(random.pick(values)),
        ValueType::List(item) => (0..random.below(3)).map(|_| value(random, item)).collect(),
        ValueType::Object(schema) => {
            let fields = schema.fields.iter().filter(|(_, field)| field.required || random.clone().chance(50));
            fields.map(|(name, field)| (name.clone(), value(&mut random.clone(), &field.ty))).collect()
        }
    }
}

/// The table's example, as JSON has it.
fn scalar_example(example: &str, base: ScalarBase) -> Value {
    match base {
        ScalarBase::Text => json!(example),
        _ => serde_json::from_str(example).unwrap_or_else(|_| json!(example)),
    }
}

/// Input with one mistake in it, and the status that must name it.
pub(crate) fn bad(action: &Action, good: &Map<String, Value>) -> Vec<(Map<String, Value>, String)> {
    let mut inputs = vec![];
    let mut unknown = good.clone();
    unknown.insert("no_such_field".to_owned(), json!(1));
    inputs.push((unknown, "validation:unknown_field_no_such_field".to_owned()));
    for field in &action.input {
        if field.required {
            let mut without = good.clone();
            without.remove(&field.name);
            inputs.push((without, format!("validation:missing_{}", field.name)));
        }
        let wrong = match &field.ty {
            FieldType::Value(ValueType::Basic(Basic::Json)) => continue,
            FieldType::Value(ValueType::List(_) | ValueType::Object(_) | ValueType::Composite(_)) => json!("text"),
            _ => json!({"no": "value"}),
        };
        let mut input = good.clone();
        input.insert(field.name.clone(), wrong);
        inputs.push((input, format!("validation:invalid_{}", field.name)));
    }
    inputs
}
