//! Lists and objects that hold expressions.

use specql_registry::ValueType;

use super::{
    super::{
        input::decode,
        types::{is_array, sql_type},
        view::json_object,
    },
    Printer, Sql, binding,
};
use crate::model::{Expr, expr::ExprType, names::snake};

/// PostgreSQL takes at most 100 arguments in a call.
const ELEMENTS_IN_A_CALL: usize = 100;

impl Printer<'_> {
    pub(super) fn list_of(&self, elements: &[Expr], ty: &ExprType) -> Sql {
        match ty {
            ExprType::Value(list @ ValueType::List(item)) if is_array(item) => {
                let elements: Vec<String> = elements.iter().map(|element| self.print(element)).collect();
                Sql::new(format!("ARRAY[{}]::{}", elements.join(", "), sql_type(list)), binding::CAST)
            }
            _ => {
                let elements: Vec<String> = elements.iter().map(|element| self.public(element)).collect();
                let calls: Vec<String> = elements
                    .chunks(ELEMENTS_IN_A_CALL)
                    .map(|chunk| format!("jsonb_build_array({})", chunk.join(", ")))
                    .collect();
                joined(calls.join(" || "), calls.len())
            }
        }
    }

    pub(super) fn object(&self, fields: &[(String, Expr)], ty: &ExprType) -> Sql {
        let pairs: Vec<(String, String)> =
            fields.iter().map(|(name, value)| (name.clone(), self.public(value))).collect();
        let object = json_object(&pairs);
        // Composites are kept in one form: numbers that a reader could round as text, and no nulls.
        if let ExprType::Value(composite @ ValueType::Composite(info)) = ty {
            return Sql::atom(decode(composite, &object, &snake(info.info().name)));
        }
        // Where a shape is wanted a field without a value is left out, so that its default applies.
        let shaped = matches!(ty, ExprType::Value(ValueType::Object(_)));
        if shaped && fields.iter().any(|(_, value)| value.nullable) {
            return Sql::atom(format!("app.without_nulls({object})"));
        }
        Sql::new(object, binding::CONCAT)
    }
}

/// Calls that are joined with `||`.
fn joined(text: String, calls: usize) -> Sql {
    if calls == 1 { Sql::atom(text) } else { Sql::new(text, binding::CONCAT) }
}
