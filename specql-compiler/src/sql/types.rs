//! Types of the language as PostgreSQL types, and what a value must satisfy besides.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::quote::{jsonb, literal};
use crate::model::FieldType;

/// The type of a column, or of an attribute of an input type.
pub(super) fn sql_type(ty: &ValueType) -> String {
    match ty {
        ValueType::Basic(basic) => basic_type(*basic).to_owned(),
        ValueType::Decimal(None) => "NUMERIC".to_owned(),
        ValueType::Decimal(Some((precision, scale))) => format!("NUMERIC({precision},{scale})"),
        ValueType::Scalar(scalar) => scalar_type(*scalar),
        ValueType::Enum(_) => "TEXT".to_owned(),
        ValueType::List(item) if is_array(item) => format!("{}[]", sql_type(item)),
        ValueType::List(_) | ValueType::Object(_) => "JSONB".to_owned(),
    }
}

/// The type of a value outside its table, where a ref is its target's public id.
pub(super) fn public_type(ty: &FieldType) -> String {
    match ty {
        FieldType::Value(ty) => sql_type(ty),
        FieldType::Ref { .. } => "UUID".to_owned(),
    }
}

/// Whether a list of these is an array in SQL; any other list is JSONB.
pub(super) fn is_array(item: &ValueType) -> bool {
    matches!(item, ValueType::Basic(_) | ValueType::Decimal(_) | ValueType::Scalar(_))
}

/// Whether values travel as JSON text because a JSON reader could lose digits of them.
pub(super) fn is_text_in_json(ty: &ValueType) -> bool {
    match ty {
        ValueType::Basic(Basic::Bigint) | ValueType::Decimal(_) => true,
        ValueType::Scalar(scalar) => matches!(scalar.info().base, ScalarBase::Numeric(..)),
        _ => false,
    }
}

/// Precision and scale of a number with a fixed number of decimals.
pub(super) fn precision(ty: &ValueType) -> Option<(u16, u16)> {
    match ty {
        ValueType::Decimal(limits) => *limits,
        ValueType::Scalar(scalar) => match scalar.info().base {
            ScalarBase::Numeric(precision, scale) => Some((precision, scale)),
            _ => None,
        },
        _ => None,
    }
}

/// What a value must satisfy besides its SQL type.
pub(super) struct Check {
    /// A condition that is true or NULL for good values.
    pub condition: String,
    /// What the value must be, for people: `an e-mail address`.
    pub words: String,
}

/// The check on a value of this type; `value` is the SQL of a column or attribute.
pub(super) fn check(ty: &ValueType, value: &str) -> Option<Check> {
    match ty {
        ValueType::Basic(_) | ValueType::Decimal(_) | ValueType::Object(_) => None,
        ValueType::Enum(names) => Some(Check {
            condition: format!("{value} IN ({})", literals(names).join(", ")),
            words: format!("one of {}", names.join(", ")),
        }),
        ValueType::Scalar(scalar) => scalar_check(*scalar, value),
        ValueType::List(item) => Some(list_check(item, value)),
    }
}

fn scalar_check(scalar: Scalar, value: &str) -> Option<Check> {
    let info = scalar.info();
    let condition = match (info.pattern, info.range) {
        (Some(pattern), _) => format!("{value} ~ {}", literal(pattern)),
        (None, (Some(low), Some(high))) => format!("{value} BETWEEN {low} AND {high}"),
        (None, (Some(low), None)) => format!("{value} >= {low}"),
        (None, (None, Some(high))) => format!("{value} <= {high}"),
        (None, (None, None)) => return None,
    };
    let bounds = match info.range {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" of at least {low}"),
        (None, Some(high)) => format!(" of at most {high}"),
        (None, None) => String::new(),
    };
    Some(Check { condition, words: format!("{}{bounds}", info.doc) })
}

/// A CHECK cannot hold a subquery: arrays are checked by `ALL` and by `app.all_match`.
fn list_check(item: &ValueType, value: &str) -> Check {
    match item {
        ValueType::Enum(names) => {
            let allowed = serde_json::Value::from(names.clone());
            Check {
                condition: format!("jsonb_typeof({value}) = 'array' AND {value} <@ {}", jsonb(&allowed)),
                words: format!("a list of {}", names.join(", ")),
            }
        }
        ValueType::Scalar(scalar) => {
            let info = scalar.info();
            let mut conditions = vec![no_nulls(value)];
            conditions.extend(info.pattern.map(|pattern| format!("app.all_match({value}, {})", literal(pattern))));
            conditions.extend(info.range.0.map(|low| format!("{low} <= ALL ({value})")));
            conditions.extend(info.range.1.map(|high| format!("{high} >= ALL ({value})")));
            Check { condition: conditions.join(" AND "), words: format!("a list in which each item is {}", info.doc) }
        }
        ValueType::Basic(_) | ValueType::Decimal(_) => {
            Check { condition: no_nulls(value), words: "a list without nulls".to_owned() }
        }
        ValueType::List(_) | ValueType::Object(_) => {
            Check { condition: format!("jsonb_typeof({value}) = 'array'"), words: "a list".to_owned() }
        }
    }
}

fn no_nulls(value: &str) -> String {
    format!("array_position({value}, NULL) IS NULL")
}

fn literals(names: &[String]) -> Vec<String> {
    names.iter().map(|name| literal(name)).collect()
}

const fn basic_type(basic: Basic) -> &'static str {
    match basic {
        Basic::Text => "TEXT",
        Basic::Integer => "INTEGER",
        Basic::Bigint => "BIGINT",
        Basic::Float => "DOUBLE PRECISION",
        Basic::Boolean => "BOOLEAN",
        Basic::Timestamp => "TIMESTAMPTZ",
        Basic::Json => "JSONB",
    }
}

fn scalar_type(scalar: Scalar) -> String {
    match scalar.info().base {
        ScalarBase::Text => "TEXT".to_owned(),
        ScalarBase::Numeric(precision, scale) => format!("NUMERIC({precision},{scale})"),
        ScalarBase::Uuid => "UUID".to_owned(),
        ScalarBase::Date => "DATE".to_owned(),
    }
}
