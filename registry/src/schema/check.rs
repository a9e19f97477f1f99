//! The check of JSON values against a schema: of inputs before a job is queued and again in the worker, of outputs
//! when the answer arrives.
//!
//! A value comes out in the one form that the rest of the system knows: integers as JSON numbers, decimals as JSON
//! strings (a JSON number would pass through a binary float), absent optional fields left out rather than null.

use serde_json::Value;

use super::{FieldDefault, Schema, number, text};
use crate::{Basic, Json, ValueType, json::Object, scalars::ScalarBase};

/// Longest excerpt of a value that an error shows, in characters.
const EXCERPT: usize = 60;

/// Where and why a value does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{schema}: {path}: {problem}")]
pub struct SchemaError {
    /// `input_schema` or `output_schema`.
    pub schema: &'static str,
    /// `$.items[0].price`.
    pub path: String,
    /// What was expected and what came.
    pub problem: String,
}

/// A problem on its way up: the path is completed by those who know it.
struct Problem {
    /// Steps from the innermost to the outermost.
    steps: Vec<String>,
    text: String,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Self { steps: Vec::new(), text: text.into() }
    }

    fn at(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }

    fn into_error(self, schema: &'static str) -> SchemaError {
        let mut path = String::from("$");
        path.extend(self.steps.into_iter().rev());
        SchemaError { schema, path, problem: self.text }
    }
}

/// Which way a value goes: an input is written by our side and must be exact; an output may hold more than is declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Schema {
    /// The input with its constant defaults filled in. Defaults that are settings stay absent: the worker resolves them.
    ///
    /// # Errors
    /// An unknown or missing field, or a value that does not fit its type.
    pub fn check_input(&self, input: &Object) -> Result<Object, SchemaError> {
        check_fields(self, input, Way::In).map_err(|problem| problem.into_error("input_schema"))
    }

    /// The declared fields of an output; what else it holds is left out.
    ///
    /// # Errors
    /// A missing field, or a value that does not fit its type.
    pub fn check_output(&self, output: &Json) -> Result<Json, SchemaError> {
        let checked = match output {
            Json::Object(fields) => check_fields(self, fields, Way::Out),
            // An operation without declared output may answer anything.
            _ if self.fields.is_empty() => Ok(Object::new()),
            other => Err(Problem::new(format!("expected an object, got {}", excerpt(other)))),
        };
        checked.map(Json::Object).map_err(|problem| problem.into_error("output_schema"))
    }
}

impl ValueType {
    /// The value in its one form, when it fits this type.
    ///
    /// # Errors
    /// What was expected and what came, below `$`.
    pub fn check_input(&self, value: &Value) -> Result<Value, SchemaError> {
        self.check(&value.clone().into()).map(Value::from)
    }

    /// The same, of a value whose numbers have all their digits.
    ///
    /// # Errors
    /// What was expected and what came, below `$`.
    pub fn check(&self, value: &Json) -> Result<Json, SchemaError> {
        check_value(self, value, Way::In).map_err(|problem| problem.into_error("input_schema"))
    }

    /// The name as a person would write it in YAML.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Basic(basic) => basic.name().into(),
            Self::Decimal(None) => "decimal".into(),
            Self::Decimal(Some((precision, scale))) => format!("decimal({precision}, {scale})"),
            Self::Scalar(scalar) => scalar.info().name.into(),
            Self::Composite(composite) => composite.info().name.into(),
            Self::Enum(values) => format!("enum({})", values.join(", ")),
            Self::List(item) => format!("list({})", item.describe()),
            Self::Object(_) => "object".into(),
        }
    }
}

fn check_fields(schema: &Schema, given: &Object, way: Way) -> Result<Object, Problem> {
    if way == Way::In
        && let Some(unknown) = given.keys().find(|key| !schema.fields.contains_key(*key))
    {
        let known: Vec<_> = schema.fields.keys().map(|key| format!("`{key}`")).collect();
        let known = if known.is_empty() { "it takes none".into() } else { format!("it takes {}", known.join(", ")) };
        return Err(Problem::new(format!("unknown field; {known}")).at(step(unknown)));
    }
    let mut checked = Object::new();
    for (name, field) in &schema.fields {
        let given = given.get(name).filter(|value| !value.is_null());
        let value = match (given, &field.default) {
            (Some(value), _) => check_value(&field.ty, value, way).map_err(|problem| problem.at(step(name)))?,
            (None, Some(FieldDefault::Value(constant))) if way == Way::In => constant.clone().into(),
            (None, Some(FieldDefault::Setting(_))) if way == Way::In => continue,
            (None, _) if field.required => {
                let problem = format!("required, expected {}", field.ty.describe());
                return Err(Problem::new(problem).at(step(name)));
            }
            (None, _) => continue,
        };
        checked.insert(name.clone(), value);
    }
    Ok(checked)
}

fn check_value(ty: &ValueType, value: &Json, way: Way) -> Result<Json, Problem> {
    match ty {
        ValueType::Basic(basic) => check_basic(*basic, value),
        ValueType::Decimal(limits) => check_decimal(*limits, ty, value),
        ValueType::Scalar(scalar) => match scalar.info().base {
            ScalarBase::Numeric(precision, scale) => {
                let checked = check_decimal(Some((precision, scale)), ty, value)?;
                number::in_range(&checked, scalar.info().range).map_err(Problem::new)?;
                Ok(checked)
            }
            ScalarBase::Point if is_point(value) => Ok(value.clone()),
            ScalarBase::Point => Err(expected(ty, value)),
            _ => match value.as_str() {
                Some(given) if text::fits_scalar(*scalar, given) => Ok(value.clone()),
                _ => Err(expected(ty, value)),
            },
        },
        ValueType::Enum(values) => match value.as_str() {
            Some(given) if values.iter().any(|one| one == given) => Ok(value.clone()),
            _ => Err(Problem::new(format!("expected one of {}, got {}", values.join(", "), excerpt(value)))),
        },
        ValueType::List(item_type) => {
            let items = value.as_array().ok_or_else(|| expected(ty, value))?;
            let check =
                |(index, item)| check_value(item_type, item, way).map_err(|problem| problem.at(format!("[{index}]")));
            Ok(Json::Array(items.iter().enumerate().map(check).collect::<Result<_, _>>()?))
        }
        ValueType::Composite(composite) => {
            let fields = value.as_object().ok_or_else(|| expected(ty, value))?;
            check_fields(composite.schema(), fields, way).map(Json::Object)
        }
        ValueType::Object(schema) => {
            let fields = value.as_object().ok_or_else(|| expected(ty, value))?;
            check_fields(schema, fields, way).map(Json::Object)
        }
    }
}

/// `{"x": 1.5, "y": 2}` and nothing else.
fn is_point(value: &Json) -> bool {
    let Some(members) = value.as_object() else { return false };
    members.len() == 2
        && ["x", "y"].iter().all(|axis| members.get(*axis).is_some_and(|value| value.as_number().is_some()))
}

fn check_basic(basic: Basic, value: &Json) -> Result<Json, Problem> {
    let ty = ValueType::Basic(basic);
    let fits = match basic {
        Basic::Integer => {
            let whole = number::whole(value).filter(|n| i32::try_from(*n).is_ok());
            return whole.map(Json::from).ok_or_else(|| expected(&ty, value));
        }
        Basic::Bigint => {
            let whole = number::whole(value).or_else(|| value.as_str()?.parse().ok());
            return whole.map(Json::from).ok_or_else(|| expected(&ty, value));
        }
        Basic::Text => match value.as_str() {
            Some(text) if text.contains('\0') => return Err(Problem::new("text must not hold NUL characters")),
            text => text.is_some(),
        },
        Basic::Float => value.as_number().is_some(),
        Basic::Boolean => matches!(value, Json::Bool(_)),
        Basic::Timestamp => value.as_str().is_some_and(text::is_timestamp),
        Basic::Json => true,
    };
    if fits { Ok(value.clone()) } else { Err(expected(&ty, value)) }
}

fn check_decimal(limits: Option<(u16, u16)>, ty: &ValueType, value: &Json) -> Result<Json, Problem> {
    let decimal = number::decimal(value).ok_or_else(|| expected(ty, value))?;
    if let Some((precision, scale)) = limits {
        number::fits(&decimal, precision, scale).map_err(Problem::new)?;
    }
    Ok(Json::String(decimal))
}

fn expected(ty: &ValueType, value: &Json) -> Problem {
    Problem::new(format!("expected {}, got {}", ty.describe(), excerpt(value)))
}

/// A field's step of a path: `.amount`, or `["a b"]` where the name is no word.
fn step(name: &str) -> String {
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_word { format!(".{name}") } else { format!("[{}]", excerpt(&name.into())) }
}

/// The value as JSON, cut short.
fn excerpt(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
