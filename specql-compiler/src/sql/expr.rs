//! Typed expressions as SQL. A tree is printed, never text spliced: every name and constant goes through `quote`.

use specql_registry::{Basic, ValueType};

use super::{
    entity::{CURRENT_TENANT, TENANT, column_name, tenant_and},
    input::decode,
    quote::{ident, jsonb, literal, qualified},
    types::{in_json, is_array, is_text_in_json, own_json, sql_type},
    writer::list,
};
use crate::model::{
    ColumnRef, Entity, EntityId, Expr, ExprKind, Field, FieldType, Model, Var, VarId,
    expr::{BinaryOp, ErrorField, ExprType, JobField, Literal, UnaryOp},
    function::{Form, Function},
    names,
};

/// Whether values of the type are days.
fn is_day(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ty) if sql_type(ty) == "DATE")
}

/// How tightly an operator binds in PostgreSQL; higher is tighter.
mod binding {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const IS: u8 = 4;
    pub(super) const COMPARISON: u8 = 5;
    pub(super) const LIKE: u8 = 6;
    pub(super) const CONCAT: u8 = 7;
    pub(super) const SUM: u8 = 8;
    pub(super) const PRODUCT: u8 = 9;
    pub(super) const SIGN: u8 = 10;
    pub(super) const CAST: u8 = 11;
    pub(super) const ATOM: u8 = 12;
}

/// Prints the expressions of one function.
#[derive(Clone, Copy)]
pub(super) struct Printer<'a> {
    pub model: &'a Model,
    /// The function's row variables.
    pub vars: &'a [Var],
    /// The SQL of the tenant in whose name the function runs.
    pub tenant: &'static str,
    /// What the row is called in place of its variable, in a statement that works on many rows at once.
    pub row: Option<&'static str>,
    /// What stands before a column of the statement's own row.
    pub own: &'a str,
}

/// What a statement's own row is called.
pub(super) const STATEMENT: &str = "t.";

/// SQL, and how tightly its outermost operator binds.
struct Sql {
    text: String,
    binding: u8,
}

impl Sql {
    fn new(text: impl Into<String>, binding: u8) -> Self {
        Self { text: text.into(), binding }
    }

    fn atom(text: impl Into<String>) -> Self {
        Self::new(text, binding::ATOM)
    }

    /// In parentheses, unless it binds at least this tightly.
    fn at_least(self, binding: u8) -> String {
        if self.binding >= binding { self.text } else { format!("({})", self.text) }
    }
}

/// The variable that holds a row.
pub(super) fn row_variable(var: &Var) -> String {
    ident(&names::derived(&format!("v_{}", var.name)))
}

/// `ORDER BY …`: the columns, a row without a value last, and behind all of them the key.
pub(super) fn in_order(owner: &Entity, order: &[(ColumnRef, bool)], alias: &str) -> String {
    let by = |(column, descending): &(ColumnRef, bool)| {
        let way = if *descending { " DESC NULLS LAST" } else { "" };
        format!("{alias}.{}{way}", column_name(owner, *column))
    };
    let keys: Vec<String> = order.iter().map(by).chain([format!("{alias}.{}", ident(&owner.pk()))]).collect();
    format!("ORDER BY {}", keys.join(", "))
}

/// The variable that holds the id of a job that a step queued.
pub(super) fn job_variable(bind: &str) -> String {
    ident(&names::derived(&format!("job_{bind}")))
}

/// The variable that holds a value, such as the element of a list.
pub(super) fn value_variable(name: &str) -> String {
    ident(&names::derived(&format!("value_{name}")))
}

/// What the elements are called of which a list is made. A name with that before it is never a column of another table.
fn elements_alias(name: &str) -> String {
    ident(&names::derived(&format!("each_{name}")))
}

/// The variable that holds the place of that value in its list.
pub(super) fn position_variable(name: &str) -> String {
    ident(&names::derived(&format!("position_{name}")))
}

impl Printer<'_> {
    /// An expression.
    pub(super) fn print(&self, expr: &Expr) -> String {
        self.sql(expr).text
    }

    /// A condition to which ` AND …` is added, or ` IS NOT TRUE`.
    pub(super) fn operand(&self, expr: &Expr) -> String {
        self.sql(expr).at_least(binding::NOT)
    }

    /// A value as it leaves the database: a ref as its target's public id.
    pub(super) fn public(&self, expr: &Expr) -> String {
        match &expr.ty {
            ExprType::Ref(entity) => self.public_id(*entity, expr),
            // A number stays a number on its way to a service, in a list, too.
            ExprType::Value(ValueType::List(item)) if is_text_in_json(item) => self.print(expr),
            ExprType::Value(ty) if !is_text_in_json(ty) => in_json(ty, &self.print(expr)),
            ExprType::Interval => format!("app.duration_text({})", self.print(expr)),
            _ => self.print(expr),
        }
    }

    /// A value as text.
    pub(super) fn text(&self, expr: &Expr) -> String {
        match &expr.ty {
            ExprType::Ref(entity) => format!("{}::text", self.public_id(*entity, expr)),
            ExprType::Value(ty) if sql_type(ty) == "TEXT" => self.print(expr),
            ExprType::Interval => self.public(expr),
            ExprType::Value(ty) if own_json(ty).is_some() => self.public(expr),
            _ => format!("{}::text", self.sql(expr).at_least(binding::CAST)),
        }
    }

    /// A value as it is written in a text, whatever `DateStyle` and `TimeZone` are.
    fn written(&self, value: &Expr) -> Sql {
        let printed = self.sql(value).at_least(binding::CAST);
        match &value.ty {
            ExprType::Value(ty) if sql_type(ty) == "DATE" => {
                Sql::new(format!("to_jsonb({printed}) #>> '{{}}'"), binding::CONCAT)
            }
            ExprType::Value(ty) if sql_type(ty) == "TIMESTAMPTZ" => {
                Sql::new(format!("to_jsonb({printed} AT TIME ZONE 'UTC') #>> '{{}}' || 'Z'"), binding::CONCAT)
            }
            _ => Sql::new(format!("{printed}::text"), binding::CAST),
        }
    }

    /// The key of the row whose public id this is.
    pub(super) fn key_of(&self, entity: EntityId, id: &Expr, field: &str) -> String {
        let target = self.model.entity(entity);
        let id = self.print(id);
        let key = format!(
            "(SELECT k.{} FROM {} AS k WHERE k.id = {id} AND k.deleted_at IS NULL{})",
            ident(&target.pk()),
            qualified(&target.schema, &target.table()),
            tenant_and(target, "k", self.tenant),
        );
        list("app.known_key(", &[key, id, literal(field)], ")")
    }

    fn variable(&self, var: VarId) -> String {
        self.row.map_or_else(|| self.vars.get(var.0).map(row_variable).unwrap_or_default(), str::to_owned)
    }

    fn sql(&self, expr: &Expr) -> Sql {
        match &expr.kind {
            ExprKind::Literal(value) => self.literal(value, &expr.ty),
            ExprKind::Column { entity, column } => {
                Sql::atom(format!("{}{}", self.own, column_name(self.model.entity(*entity), *column)))
            }
            ExprKind::VarColumn { var, column } => {
                let entity = self.model.entity(self.vars[var.0].entity);
                Sql::atom(format!("{}.{}", self.variable(*var), column_name(entity, *column)))
            }
            ExprKind::Row(var) => Sql::atom(self.row_key(*var)),
            ExprKind::Follow { base, entity, column } => {
                let column = column_name(self.model.entity(*entity), *column);
                Sql::atom(self.follow(*entity, &column, base))
            }
            ExprKind::Member { base, name } => self.member(base, name, &expr.ty),
            ExprKind::PublicId(base) => match &base.ty {
                ExprType::Ref(entity) => Sql::atom(self.public_id(*entity, base)),
                _ => self.sql(base),
            },
            ExprKind::TextOf(value) => self.written(value),
            ExprKind::KeyOf { entity, id, field } => Sql::atom(self.key_of(*entity, id, field)),
            ExprKind::Input(name) => Sql::atom(format!("input.{}", ident(name))),
            ExprKind::Value(name) => Sql::atom(value_variable(name)),
            ExprKind::Element(name) => Sql::atom(format!("{}.value", elements_alias(name))),
            ExprKind::JobId(bind) => Sql::atom(job_variable(bind)),
            ExprKind::Job(field) => Sql::atom(match field {
                JobField::Id => "_job_run_id",
                JobField::Service => "_context.service_name",
                JobField::Operation => "_context.operation",
                JobField::CorrelationId => "_context.correlation_id",
                JobField::Attempts => "_context.attempts",
            }),
            ExprKind::Output(path) => output(path, &expr.ty),
            ExprKind::Error(field) => Sql::new(
                match field {
                    ErrorField::Message => "_error ->> 'message'",
                    ErrorField::Kind => "_error ->> 'kind'",
                },
                binding::CONCAT,
            ),
            ExprKind::Unary(UnaryOp::Not, value) => {
                Sql::new(format!("NOT {}", self.sql(value).at_least(binding::IS)), binding::NOT)
            }
            ExprKind::Unary(UnaryOp::Negate, value) => {
                Sql::new(format!("- {}", self.sql(value).at_least(binding::CAST)), binding::SIGN)
            }
            // PostgreSQL makes a timestamp of it.
            ExprKind::Binary(op @ (BinaryOp::Add | BinaryOp::Subtract), left, right) if is_day(&expr.ty) => {
                Sql::new(format!("({})::date", self.binary(*op, left, right).text), binding::CAST)
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right),
            ExprKind::In { value, list, negated } => {
                let items: Vec<String> = list.iter().map(|item| self.print(item)).collect();
                self.test(value, *negated, &format!("IN ({})", items.join(", ")))
            }
            ExprKind::Like { value, pattern, any_case, negated } => {
                let like = if *any_case { "ILIKE" } else { "LIKE" };
                self.test(value, *negated, &format!("{like} {}", self.sql(pattern).at_least(binding::CONCAT)))
            }
            ExprKind::Between { value, low, high, negated } => {
                let low = self.sql(low).at_least(binding::CONCAT);
                let high = self.sql(high).at_least(binding::CONCAT);
                self.test(value, *negated, &format!("BETWEEN {low} AND {high}"))
            }
            ExprKind::IsNull { value, negated } => {
                let value = self.sql(value).at_least(binding::COMPARISON);
                Sql::new(format!("{value} IS {}NULL", if *negated { "NOT " } else { "" }), binding::IS)
            }
            ExprKind::Case { branches, otherwise } => {
                let mut text = "CASE".to_owned();
                for (condition, value) in branches {
                    text.push_str(&format!(" WHEN {} THEN {}", self.print(condition), self.print(value)));
                }
                if let Some(value) = otherwise {
                    text.push_str(&format!(" ELSE {}", self.print(value)));
                }
                text.push_str(" END");
                Sql::atom(text)
            }
            ExprKind::Call { function, args } => self.call(function, args, &expr.ty),
            ExprKind::Sequence { name, of_tenant } => {
                let tenant = if *of_tenant { self.tenant } else { "NULL" };
                Sql::atom(format!("app.next_number({}, {tenant})", literal(name)))
            }
            ExprKind::OfRows(rows) => Sql::atom(self.of_rows(rows)),
            ExprKind::List(elements) => self.list_of(elements, &expr.ty),
            ExprKind::Object { fields, vital } => self.object(fields, vital, &expr.ty),
            ExprKind::Each(each) => Sql::atom(self.each(each, &expr.ty)),
            ExprKind::UserCall { function, args } => {
                let function = self.model.function(*function);
                let arg = |arg: &Expr| match &arg.ty {
                    ExprType::Ref(_) => self.public(arg),
                    _ => self.print(arg),
                };
                let args: Vec<String> = args.iter().map(arg).collect();
                Sql::atom(format!("{}({})", qualified(&function.schema, &function.name), args.join(", ")))
            }
        }
    }

    /// A member of a composite, as a value of its own type.
    fn member(&self, base: &Expr, name: &str, ty: &ExprType) -> Sql {
        let base = self.sql(base).at_least(binding::CONCAT);
        match ty {
            ExprType::Value(ty) if sql_type(ty) == "TEXT" => {
                Sql::new(format!("{base} ->> {}", literal(name)), binding::CONCAT)
            }
            ExprType::Value(ty) if sql_type(ty) == "JSONB" => {
                Sql::new(format!("{base} -> {}", literal(name)), binding::CONCAT)
            }
            ExprType::Value(ty) => Sql::atom(decode(ty, &format!("{base} -> {}", literal(name)), name)),
            _ => Sql::atom(base),
        }
    }

    fn row_key(&self, var: VarId) -> String {
        let entity = self.model.entity(self.vars[var.0].entity);
        format!("{}.{}", self.variable(var), ident(&entity.pk()))
    }

    /// `column` of the row to which `base` points.
    fn follow(&self, entity: EntityId, column: &str, base: &Expr) -> String {
        let target = self.model.entity(entity);
        format!(
            "(SELECT f.{column} FROM {} AS f WHERE f.{} = {}{})",
            qualified(&target.schema, &target.table()),
            ident(&target.pk()),
            self.print(base),
            tenant_and(target, "f", self.tenant),
        )
    }

    /// The public id of a row; where the row is at hand, without a look-up.
    fn public_id(&self, entity: EntityId, base: &Expr) -> String {
        match &base.kind {
            ExprKind::Row(var) => format!("{}.id", self.variable(*var)),
            ExprKind::KeyOf { id, .. } => self.print(id),
            _ => self.follow(entity, "id", base),
        }
    }

    fn binary(&self, op: BinaryOp, left: &Expr, right: &Expr) -> Sql {
        let (symbol, own, chains) = match op {
            BinaryOp::Or => ("OR", binding::OR, true),
            BinaryOp::And => ("AND", binding::AND, true),
            BinaryOp::Equal => ("=", binding::COMPARISON, false),
            BinaryOp::NotEqual => ("<>", binding::COMPARISON, false),
            BinaryOp::Less => ("<", binding::COMPARISON, false),
            BinaryOp::LessOrEqual => ("<=", binding::COMPARISON, false),
            BinaryOp::Greater => (">", binding::COMPARISON, false),
            BinaryOp::GreaterOrEqual => (">=", binding::COMPARISON, false),
            BinaryOp::Concat => ("||", binding::CONCAT, true),
            BinaryOp::Matches => ("~", binding::CONCAT, false),
            BinaryOp::MatchesAnyCase => ("~*", binding::CONCAT, false),
            BinaryOp::NotMatches => ("!~", binding::CONCAT, false),
            BinaryOp::NotMatchesAnyCase => ("!~*", binding::CONCAT, false),
            BinaryOp::Add => ("+", binding::SUM, true),
            BinaryOp::Subtract => ("-", binding::SUM, true),
            BinaryOp::Multiply => ("*", binding::PRODUCT, true),
            BinaryOp::Divide => ("/", binding::PRODUCT, true),
            BinaryOp::Remainder => ("%", binding::PRODUCT, true),
        };
        let left = self.sql(left).at_least(if chains { own } else { own + 1 });
        let right = self.sql(right).at_least(own + 1);
        Sql::new(format!("{left} {symbol} {right}"), own)
    }

    fn test(&self, value: &Expr, negated: bool, rest: &str) -> Sql {
        let value = self.sql(value).at_least(binding::CONCAT);
        Sql::new(format!("{value} {}{rest}", if negated { "NOT " } else { "" }), binding::LIKE)
    }

    fn call(&self, function: &str, args: &[Expr], ty: &ExprType) -> Sql {
        let argument = |arg: &Expr| match &arg.ty {
            _ if function.starts_with("jsonb_build_") => self.public(arg),
            // Lists of simple values are arrays in SQL.
            ExprType::Value(ValueType::List(item)) if function.starts_with("jsonb_") && is_array(item) => {
                format!("to_jsonb({})", self.print(arg))
            }
            _ => self.print(arg),
        };
        let form = Function::find(function).map_or(Form::Same, |function| function.form);
        if let Form::Cast(texts) | Form::Atom(texts) = form {
            let (least, _) = Function::find(function).map_or((0, 0), |function| function.arguments);
            let at = args.len().saturating_sub(least).min(texts.len().saturating_sub(1));
            let mut text = String::new();
            for (index, part) in texts.get(at).copied().unwrap_or_default().split(['{', '}']).enumerate() {
                // What stands between the braces is the number of an argument.
                match part.parse::<usize>().ok().filter(|_| index % 2 == 1).and_then(|number| args.get(number)) {
                    Some(arg) => text.push_str(&self.sql(arg).at_least(binding::ATOM)),
                    None => text.push_str(part),
                }
            }
            let strength = if matches!(form, Form::Cast(_)) { binding::CAST } else { binding::ATOM };
            return Sql::new(text, strength);
        }
        let args: Vec<String> = args.iter().map(argument).collect();
        let schema = if form == Form::Own { "app." } else { "" };
        let call = format!("{schema}{function}({})", args.join(", "));
        // An amount that does not fit raises; it is never cut.
        if function == "minor_units" && *ty == ExprType::basic(Basic::Integer) {
            Sql::new(format!("{call}::integer"), binding::CAST)
        } else {
            Sql::atom(call)
        }
    }

    fn literal(&self, value: &Literal, ty: &ExprType) -> Sql {
        match value {
            Literal::Null => Sql::atom("NULL"),
            Literal::Boolean(value) => Sql::atom(if *value { "TRUE" } else { "FALSE" }),
            Literal::Integer(digits) | Literal::Decimal(digits) => number(digits),
            Literal::Text(text) => match ty {
                // PostgreSQL guesses at a bare text, and not always right: `CASE` of two such dates would be a text.
                ExprType::Value(ty) if sql_type(ty) != "TEXT" => {
                    Sql::new(format!("{}::{}", literal(text), sql_type(ty).to_lowercase()), binding::CAST)
                }
                _ => Sql::atom(literal(text)),
            },
            Literal::Interval(seconds) => Sql::atom(format!("make_interval(secs => {seconds})")),
            Literal::Json(value) => Sql::new(json(value, ty), binding::CAST),
        }
    }
}

/// The default of a field: a constant or `now()`.
pub(super) fn default_value(model: &Model, field: &Field) -> Option<String> {
    Some(constant(model, &field.ty, field.default.as_ref()?))
}

/// An expression over the columns of a statement's row, which is called `t`.
pub(super) fn statement_value(model: &Model, value: &Expr) -> String {
    Printer { model, vars: &[], tenant: CURRENT_TENANT, row: None, own: STATEMENT }.print(value)
}

/// A condition over the columns of a table's own row.
pub(super) fn row_condition(model: &Model, value: &Expr) -> String {
    Printer { model, vars: &[], tenant: CURRENT_TENANT, row: None, own: "" }.print(value)
}

/// A constant of a type, or `now()`.
pub(super) fn constant(model: &Model, ty: &FieldType, value: &Expr) -> String {
    let mut expr = value.clone();
    if let FieldType::Value(ty) = ty {
        expr.ty = ExprType::Value(ty.clone());
    }
    Printer { model, vars: &[], tenant: TENANT, row: None, own: STATEMENT }.print(&expr)
}

/// Numbers come with a sign: `a - -1` must not become a comment.
fn number(digits: &str) -> Sql {
    let binding = if digits.starts_with(['-', '+']) { 0 } else { binding::ATOM };
    Sql::new(digits, binding)
}

/// A JSON constant: an array of SQL where the type is one.
fn json(value: &serde_json::Value, ty: &ExprType) -> String {
    match (value, ty) {
        (serde_json::Value::Array(items), ExprType::Value(list @ ValueType::List(_))) if sql_type(list) != "JSONB" => {
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    serde_json::Value::String(text) => literal(text),
                    point if sql_type(list) == "POINT[]" => literal(&point_text(point)),
                    other => literal(&other.to_string()),
                })
                .collect();
            format!("ARRAY[{}]::{}", items.join(", "), sql_type(list))
        }
        (_, ExprType::Value(ty)) if sql_type(ty) == "POINT" => format!("{}::point", literal(&point_text(value))),
        _ => jsonb(value),
    }
}

/// `{"x": 1.5, "y": 2}` as PostgreSQL writes a point.
fn point_text(point: &serde_json::Value) -> String {
    format!("({},{})", point["x"], point["y"])
}

/// A value in a job's output.
fn output(path: &[String], ty: &ExprType) -> Sql {
    let steps: Vec<String> = path.iter().map(|step| literal(step)).collect();
    match ty {
        ExprType::Value(ty) if sql_type(ty) == "TEXT" => {
            let last = steps.len().saturating_sub(1);
            let text: Vec<String> = steps
                .iter()
                .enumerate()
                .map(|(i, step)| format!(" {} {step}", if i == last { "->>" } else { "->" }))
                .collect();
            Sql::new(format!("_output_data{}", text.concat()), binding::CONCAT)
        }
        ExprType::Value(ty) => {
            let value: Vec<String> = steps.iter().map(|step| format!(" -> {step}")).collect();
            Sql::atom(decode(ty, &format!("_output_data{}", value.concat()), &format!("output_{}", path.join("_"))))
        }
        _ => Sql::atom("_output_data"),
    }
}

mod of_rows;
mod structure;
#[cfg(test)]
mod tests;
