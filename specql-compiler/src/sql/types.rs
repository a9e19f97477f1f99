//! Types of the language as PostgreSQL types, and what a value must satisfy besides.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::{
    object::Need,
    quote::{jsonb, literal},
    shape::{has_shape, shape_needs, shape_sql},
};
use crate::model::{FieldType, KeyType, limits::Limits};

/// The type of a column, or of an attribute of an input type.
pub(super) fn sql_type(ty: &ValueType) -> String {
    match ty {
        ValueType::Basic(basic) => basic_type(*basic).to_owned(),
        ValueType::Decimal(None) => "NUMERIC".to_owned(),
        ValueType::Decimal(Some((precision, scale))) => format!("NUMERIC({precision},{scale})"),
        ValueType::Scalar(scalar) => scalar_base_type(scalar.info().base),
        ValueType::Enum(_) => "TEXT".to_owned(),
        ValueType::List(item) if is_array(item) => format!("{}[]", sql_type(item)),
        ValueType::Composite(_) | ValueType::List(_) | ValueType::Object(_) => "JSONB".to_owned(),
    }
}

/// The type of what stands behind a scalar.
#[must_use]
pub fn scalar_base_type(base: ScalarBase) -> String {
    match base {
        ScalarBase::Text => "TEXT".to_owned(),
        ScalarBase::Numeric(precision, scale) => format!("NUMERIC({precision},{scale})"),
        ScalarBase::Uuid => "UUID".to_owned(),
        ScalarBase::Date => "DATE".to_owned(),
        ScalarBase::Time => "TIME".to_owned(),
        ScalarBase::Interval => "INTERVAL".to_owned(),
        ScalarBase::Inet => "INET".to_owned(),
        ScalarBase::MacAddr => "MACADDR".to_owned(),
        ScalarBase::Point => "POINT".to_owned(),
    }
}

/// The type of a table's internal key, and of a column that refers to it.
pub(super) const fn key_type(key: KeyType) -> &'static str {
    match key {
        KeyType::Integer => "INTEGER",
        KeyType::Bigint => "BIGINT",
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

/// A value as JSON prints it: `value` is SQL of this type.
pub(super) fn in_json(ty: &ValueType, value: &str) -> String {
    let (item, list) = match ty {
        ValueType::List(item) if is_array(item) => (&**item, true),
        _ => (ty, false),
    };
    if is_text_in_json(item) {
        return format!("{value}::text{}", if list { "[]" } else { "" });
    }
    match own_json(item) {
        Some((one, many)) => format!("app.{}({value})", if list { many } else { one }),
        None => value.to_owned(),
    }
}

/// The function that [`in_json`] calls for a value of that type.
pub(super) fn in_json_needs(ty: &ValueType) -> Option<Need> {
    let (item, list) = match ty {
        ValueType::List(item) if is_array(item) => (&**item, true),
        _ => (ty, false),
    };
    let (one, many) = own_json(item)?;
    let argument = sql_type(item).to_lowercase();
    Some(Need::function(if list { format!("app.{many}({argument}[])") } else { format!("app.{one}({argument})") }))
}

/// The functions that print a value, and a list of values, whose SQL type has no JSON form.
pub(super) fn own_json(ty: &ValueType) -> Option<(&'static str, &'static str)> {
    let ValueType::Scalar(scalar) = ty else { return None };
    match scalar.info().base {
        ScalarBase::Interval => Some(("duration_text", "duration_texts")),
        ScalarBase::Point => Some(("point_json", "point_list_json")),
        _ => None,
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
        ValueType::Composite(_) | ValueType::List(_) if has_shape(ty) => Some(Check {
            condition: format!("app.fits_shape({value}, {})", shape_sql(ty)),
            words: format!("of the type {ty}"),
        }),
        ValueType::Composite(_) => None,
        ValueType::Enum(names) => Some(Check {
            condition: format!("{value} IN ({})", literals(names).join(", ")),
            words: format!("one of {}", names.join(", ")),
        }),
        ValueType::Scalar(scalar) => scalar_check(*scalar, value),
        ValueType::List(item) => Some(list_check(item, value)),
    }
}

/// What a field's type and its limits say of a value, if they say anything.
pub(super) fn field_check(ty: &ValueType, limits: &Limits, value: &str) -> Option<Check> {
    let of_type = check(ty, value);
    if limits.are_none() {
        return of_type;
    }
    let mut conditions: Vec<String> = of_type.iter().map(|check| check.condition.clone()).collect();
    let mut words: Vec<String> = of_type.into_iter().map(|check| check.words).collect();
    match (&limits.min, &limits.max) {
        (Some(min), Some(max)) => {
            conditions.push(format!("{value} BETWEEN {min} AND {max}"));
            words.push(format!("from {min} to {max}"));
        }
        (Some(min), None) => {
            conditions.push(format!("{value} >= {min}"));
            // NaN counts as greater than every number.
            if !matches!(ty, ValueType::Basic(Basic::Integer | Basic::Bigint)) {
                conditions.push(format!("{value} <> 'NaN'"));
            }
            words.push(format!("at least {min}"));
        }
        (None, Some(max)) => {
            conditions.push(format!("{value} <= {max}"));
            words.push(format!("at most {max}"));
        }
        (None, None) => {}
    }
    if let Some(pattern) = &limits.pattern {
        conditions.push(format!("{value} ~ {}", literal(pattern)));
        words.push(format!("a text that matches {pattern}"));
    }
    Some(Check { condition: conditions.join(" AND "), words: words.join(", ") })
}

/// The functions that [`check`] calls for a value of that type.
pub(super) fn check_needs(ty: &ValueType) -> Vec<Need> {
    match ty {
        ValueType::Composite(_) | ValueType::List(_) if has_shape(ty) => {
            [Need::function("app.fits_shape(jsonb, jsonb)")].into_iter().chain(shape_needs(ty)).collect()
        }
        ValueType::List(item) => match &**item {
            ValueType::Scalar(scalar) if scalar.info().pattern.is_some() => {
                vec![Need::function("app.all_match(text[], text)")]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The days that four digits of a year can name; neither is `infinity` one of them.
const FIRST_DAY: &str = "0001-01-01";
const LAST_DAY: &str = "9999-12-31";
/// PostgreSQL's last time of day, which other calendars do not have.
const MIDNIGHT: &str = "24:00:00";

fn scalar_check(scalar: Scalar, value: &str) -> Option<Check> {
    let info = scalar.info();
    let condition = match (info.pattern, info.range) {
        _ if info.base == ScalarBase::Date => {
            format!("{value} BETWEEN {} AND {}", literal(FIRST_DAY), literal(LAST_DAY))
        }
        _ if info.base == ScalarBase::Time => format!("{value} < {}", literal(MIDNIGHT)),
        _ if info.base == ScalarBase::Interval => format!("isfinite({value})"),
        (Some(pattern), _) => format!("{value} ~ {}", literal(pattern)),
        (None, (Some(low), Some(high))) => format!("{value} BETWEEN {low} AND {high}"),
        // NaN counts as greater than every number.
        (None, (Some(low), None)) => format!("{value} >= {low} AND {value} <> 'NaN'"),
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
            // Points have no equality, which the search for a NULL wants.
            let no_nulls = match info.base {
                ScalarBase::Point => format!("num_nulls(VARIADIC {value}) = 0"),
                _ => no_nulls(value),
            };
            let mut conditions = vec![no_nulls];
            match info.base {
                ScalarBase::Date => conditions.extend([
                    format!("{} <= ALL ({value})", literal(FIRST_DAY)),
                    format!("{} >= ALL ({value})", literal(LAST_DAY)),
                ]),
                ScalarBase::Time => conditions.push(format!("{} > ALL ({value})", literal(MIDNIGHT))),
                _ => {}
            }
            conditions.extend(info.pattern.map(|pattern| format!("app.all_match({value}, {})", literal(pattern))));
            conditions.extend(info.range.0.map(|low| format!("{low} <= ALL ({value})")));
            conditions.extend(match info.range {
                (_, Some(high)) => Some(format!("{high} >= ALL ({value})")),
                (Some(_), None) => Some(format!("'NaN' <> ALL ({value})")),
                (None, None) => None,
            });
            Check { condition: conditions.join(" AND "), words: format!("a list in which each item is {}", info.doc) }
        }
        ValueType::Basic(_) | ValueType::Decimal(_) => {
            Check { condition: no_nulls(value), words: "a list without nulls".to_owned() }
        }
        ValueType::Composite(_) | ValueType::List(_) | ValueType::Object(_) => {
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

/// The type of a basic value.
pub(crate) const fn basic_type(basic: Basic) -> &'static str {
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
