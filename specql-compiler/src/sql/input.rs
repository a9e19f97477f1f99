//! Reading JSON into typed values: payloads of actions and outputs of services.
//!
//! The functions that do it are in `app/input.sql`; each ends the action with a code that names the field.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::{
    quote::literal,
    shape::{has_shape, shape_sql},
    types::{is_array, precision},
    writer::indented,
};

/// The SQL of a JSON value as a value of this type; `name` is what an error calls it.
pub(super) fn decode(ty: &ValueType, json: &str, name: &str) -> String {
    let label = literal(name);
    if has_shape(ty) {
        return format!("app.to_shape({json}, {label}, {})", shape_sql(ty));
    }
    let function = match ty {
        ValueType::Basic(Basic::Json) | ValueType::Object(_) | ValueType::Composite(_) => {
            return format!("app.to_json({json})");
        }
        ValueType::Basic(basic) => basic_decoder(*basic),
        ValueType::Decimal(_) => "to_decimal",
        ValueType::Scalar(scalar) => scalar_decoder(*scalar),
        ValueType::Enum(_) => "to_text",
        ValueType::List(item) if is_array(item) => {
            let item = decode(item, "e.value", name);
            let lines = [
                format!("CASE WHEN jsonb_typeof({json}) <> 'null' THEN ARRAY("),
                indented(&format!("SELECT {item}")),
                indented(&format!("FROM jsonb_array_elements(app.to_array({json}, {label}))")),
                indented("    WITH ORDINALITY AS e(value, position)"),
                indented("ORDER BY e.position"),
                ") END".to_owned(),
            ];
            return lines.join("\n");
        }
        ValueType::List(_) => "to_array",
    };
    match precision(ty) {
        Some((precision, scale)) => format!("app.{function}({json}, {label}, {precision}, {scale})"),
        None => format!("app.{function}({json}, {label})"),
    }
}

const fn basic_decoder(basic: Basic) -> &'static str {
    match basic {
        Basic::Text => "to_text",
        Basic::Integer => "to_integer",
        Basic::Bigint => "to_bigint",
        Basic::Float => "to_float",
        Basic::Boolean => "to_boolean",
        Basic::Timestamp => "to_timestamp",
        Basic::Json => "to_json",
    }
}

fn scalar_decoder(scalar: Scalar) -> &'static str {
    match scalar.info().base {
        ScalarBase::Text => "to_text",
        ScalarBase::Numeric(..) => "to_decimal",
        ScalarBase::Uuid => "to_uuid",
        ScalarBase::Date => "to_date",
        ScalarBase::Time => "to_time",
        ScalarBase::Interval => "to_duration",
        ScalarBase::Inet => "to_inet",
        ScalarBase::MacAddr => "to_macaddr",
        ScalarBase::Point => "to_point",
    }
}
