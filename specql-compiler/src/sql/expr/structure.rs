//! Lists and objects that hold expressions.

use specql_registry::{Basic, ValueType};

use super::{
    super::{
        entity::tenant_and,
        input::decode,
        quote::{ident, literal, qualified},
        types::{is_array, sql_type},
        view::json_object,
        writer::indented,
    },
    Printer, Sql, binding, elements_alias, in_order, row_variable,
};
use crate::model::{
    Expr, ExprKind,
    expr::{Each, ExprType, Literal},
    names::snake,
    step::Source,
};

/// PostgreSQL takes at most 100 arguments in a call.
const ELEMENTS_IN_A_CALL: usize = 100;

impl Printer<'_> {
    pub(super) fn list_of(&self, elements: &[Expr], ty: &ExprType) -> Sql {
        match ty {
            ExprType::Value(list @ ValueType::List(item)) if is_array(item) => {
                let elements: Vec<String> = elements.iter().map(|element| self.in_array(element, item)).collect();
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

    pub(super) fn object(&self, fields: &[(String, Expr)], vital: &[String], ty: &ExprType) -> Sql {
        let pairs: Vec<(String, String)> =
            fields.iter().map(|(name, value)| (name.clone(), self.public(value))).collect();
        let object = json_object(&pairs);
        if vital.is_empty() {
            return self.shaped(object, fields, ty);
        }
        // Its values are computed once: a function of the project's own may do more than answer.
        let there: Vec<String> = vital.iter().map(|name| format!("o.made ->> {} IS NOT NULL", literal(name))).collect();
        let whole = self.shaped("o.made".to_owned(), fields, ty).text;
        Sql::atom(format!("(SELECT {whole} FROM (SELECT {object} AS made) AS o WHERE {})", there.join(" AND ")))
    }

    /// An object of the type: `object` is SQL with a JSON null for each field that has no value.
    fn shaped(&self, object: String, fields: &[(String, Expr)], ty: &ExprType) -> Sql {
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

    /// A list with a value for each element or row, in their order.
    pub(super) fn each(&self, each: &Each, ty: &ExprType) -> String {
        let (from, order) = match &each.source {
            Source::Rows { entity, condition, order, limit, bind, .. } => {
                let owner = self.model.entity(*entity);
                // The rows have the name that their variable would have: what names it names them.
                let row = self.vars.get(bind.0).map(row_variable).unwrap_or_default();
                let own = format!("{row}.");
                let of_row = Printer { own: &own, ..*self };
                let condition = condition.as_ref().map(|it| format!("{} AND ", of_row.operand(it))).unwrap_or_default();
                let tenant = tenant_and(owner, &row, self.tenant);
                let table = qualified(&owner.schema, &owner.table());
                let (by, pk) = (in_order(owner, order, &row), ident(&owner.pk()));
                let rows = format!("{table} AS {row}\nWHERE {condition}{own}deleted_at IS NULL{tenant}");
                let Some(limit) = limit else { return self.list_from(each, ty, &rows, &by) };
                // PostgreSQL refuses a negative one.
                let first = format!("SELECT {own}{pk}\nFROM {rows}\n{by}\nLIMIT greatest({}, 0)", self.print(limit));
                (format!("{table} AS {row}\nWHERE {own}{pk} IN (\n{}\n){tenant}", indented(&first)), by)
            }
            Source::Values { list, bind, element } => {
                let elements = self.elements(list, bind);
                let alias = elements_alias(bind);
                let from = match self.decoded(list, bind, element) {
                    None => format!("{elements} WITH ORDINALITY AS {alias}(value, position)"),
                    Some(decoded) => format!(
                        "(\n    SELECT {decoded} AS value, e.position\n    FROM {elements} WITH ORDINALITY AS e(value, position)\n) AS {alias}"
                    ),
                };
                (from, format!("ORDER BY {alias}.position"))
            }
        };
        self.list_from(each, ty, &from, &order)
    }

    /// The list of the values of the rows that `from` gives, in their order.
    fn list_from(&self, each: &Each, ty: &ExprType, from: &str, order: &str) -> String {
        // Of a bare constant PostgreSQL would not know the type.
        let bare = matches!(each.value.kind, ExprKind::Literal(Literal::Text(_) | Literal::Null));
        let typed = |value: String| if bare { format!("{value}::text") } else { value };
        let list = match ty {
            ExprType::Value(list @ ValueType::List(item)) if is_array(item) => {
                let (value, ty) = (typed(self.in_array(&each.value, item)), sql_type(list));
                format!("coalesce(array_agg({value} {order})::{ty}, ARRAY[]::{ty})")
            }
            _ => format!("coalesce(jsonb_agg({} {order}), '[]'::jsonb)", typed(self.public(&each.value))),
        };
        format!("(\n{}\n)", indented(&format!("SELECT {list}\nFROM {from}")))
    }

    /// The rows of a list, of which a loop takes each.
    pub(in crate::sql) fn elements(&self, list: &Expr, bind: &str) -> String {
        let value = self.print(list);
        match &list.ty {
            ExprType::Value(ValueType::List(item)) if is_array(item) => format!("unnest({value})"),
            _ => format!("jsonb_array_elements(app.to_array({value}, {}))", literal(list_name(list, bind))),
        }
    }

    /// An element of it, `e.value`, as a value of its type; `None` where it is one already.
    pub(in crate::sql) fn decoded(&self, list: &Expr, bind: &str, element: &ValueType) -> Option<String> {
        match (&list.ty, element) {
            (ExprType::Value(ValueType::List(item)), _) if is_array(item) => None,
            (_, ValueType::Basic(Basic::Json) | ValueType::Object(_)) => None,
            _ => Some(decode(element, "e.value", list_name(list, bind))),
        }
    }

    /// An element of an array in SQL.
    fn in_array(&self, element: &Expr, item: &ValueType) -> String {
        let json = matches!(item, ValueType::Basic(Basic::Json));
        if !json || element.ty == ExprType::basic(Basic::Json) || element.ty == ExprType::Null {
            return self.print(element);
        }
        match &element.ty {
            ExprType::Value(ty) if sql_type(ty) == "JSONB" => self.public(element),
            _ => format!("jsonb_build_array({}) -> 0", self.public(element)),
        }
    }
}

/// What a list is called in messages.
fn list_name<'a>(list: &'a Expr, bind: &'a str) -> &'a str {
    match &list.kind {
        ExprKind::Input(name) => name,
        _ => bind,
    }
}

/// Calls that are joined with `||`.
fn joined(text: String, calls: usize) -> Sql {
    if calls == 1 { Sql::atom(text) } else { Sql::new(text, binding::CONCAT) }
}
