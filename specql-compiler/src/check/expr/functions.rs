//! The functions that expressions may call: their arguments and results.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::{Want, describe, fit::fit, is_basic, is_number, is_text, is_uuid, operators::id_for_ref};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::{
        sq0303_type_mismatch as type_mismatch, sq0305_unknown_function as unknown_function,
        sq0306_invalid_constant as invalid_constant,
    },
    model::{
        Expr, ExprKind,
        expr::{ExprType, FUNCTIONS, Literal},
    },
    source::{Span, Spanned},
    syntax::expr::Ast,
};

/// How each function is called, for the help of its errors.
const USAGES: &[(&str, &str)] = &[
    ("now", "now()"),
    ("coalesce", "coalesce(a, b, …)"),
    ("lower", "lower(text)"),
    ("upper", "upper(text)"),
    ("length", "length(text)"),
    ("trim", "trim(text)"),
    ("round", "round(number) or round(decimal, digits)"),
    ("abs", "abs(number)"),
    ("ceil", "ceil(number)"),
    ("floor", "floor(number)"),
    ("concat", "concat(a, b, …)"),
    ("greatest", "greatest(a, b, …)"),
    ("least", "least(a, b, …)"),
    ("date_trunc", "date_trunc('day', timestamp)"),
    ("minor_units", "minor_units(amount, currency)"),
];

/// What `date_trunc` cuts to.
const TRUNCATIONS: &[&str] = &["second", "minute", "hour", "day", "week", "month", "quarter", "year"];

impl ActionChecker<'_> {
    pub(super) fn call_function(
        &mut self,
        function: &Spanned<String>,
        args: &[Ast],
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        let lower = function.value.to_ascii_lowercase();
        let Some(name) = FUNCTIONS.iter().find(|name| **name == lower) else {
            let known = FUNCTIONS.iter().copied();
            return self.report(unknown_function::error(function.span, &function.value, known));
        };
        let expected = match *name {
            "now" => 0..=0,
            "date_trunc" | "minor_units" => 2..=2,
            "round" => 1..=2,
            "coalesce" | "concat" | "greatest" | "least" => 1..=usize::MAX,
            _ => 1..=1,
        };
        if !expected.contains(&args.len()) {
            let usage = USAGES.iter().find(|(known, _)| known == name).map_or(*name, |(_, usage)| usage);
            return self.report(unknown_function::arguments(span, name, usage));
        }
        let (args, ty, nullable) = match *name {
            "now" => (Vec::new(), ExprType::basic(Basic::Timestamp), false),
            "lower" | "upper" | "trim" => self.of_text(&args[0], Basic::Text)?,
            "length" => self.of_text(&args[0], Basic::Integer)?,
            "abs" | "ceil" | "floor" | "round" => self.of_number(name, args, wanted)?,
            "concat" => self.concatenated(args)?,
            "date_trunc" => self.truncated(&args[0], &args[1])?,
            "minor_units" => self.minor_units(&args[0], &args[1], wanted)?,
            // coalesce, greatest and least: NULL only where every argument is.
            _ => {
                let (args, ty) = self.unified(&args.iter().collect::<Vec<_>>(), wanted)?;
                let nullable = args.iter().all(|arg| arg.nullable);
                (args, ty, nullable)
            }
        };
        Some(Expr { kind: ExprKind::Call { function: name, args }, ty, nullable })
    }

    fn of_text(&mut self, arg: &Ast, result: Basic) -> Option<(Vec<Expr>, ExprType, bool)> {
        let arg = self.value(arg, &Want::optional(ExprType::basic(Basic::Text)))?;
        let nullable = arg.nullable;
        Some((vec![arg], ExprType::basic(result), nullable))
    }

    fn of_number(&mut self, name: &str, args: &[Ast], wanted: Option<&Want>) -> Option<(Vec<Expr>, ExprType, bool)> {
        let number = self.expression(&args[0], wanted)?;
        if !is_number(&number.ty) {
            return self.report(type_mismatch::error(args[0].span, "a number", &describe(&number.ty, &number)));
        }
        // Of an integer PostgreSQL's `ceil`, `floor` and `round` make a float; only `abs` keeps it.
        let whole = matches!(number.ty, ExprType::Value(ValueType::Basic(Basic::Integer | Basic::Bigint)));
        let (ty, nullable) = match whole && name != "abs" {
            true => (ExprType::basic(Basic::Float), number.nullable),
            false => (number.ty.clone(), number.nullable),
        };
        let mut checked = vec![number];
        if let Some(digits) = args.get(1) {
            if is_basic(&ty, Basic::Float) {
                let error = type_mismatch::error(args[0].span, "decimal", &describe(&checked[0].ty, &checked[0]));
                return self.report(error.help("only a decimal is rounded to a number of digits"));
            }
            checked.push(self.value(digits, &Want::optional(ExprType::basic(Basic::Integer)))?);
        }
        Some((checked, ty, nullable))
    }

    fn concatenated(&mut self, args: &[Ast]) -> Option<(Vec<Expr>, ExprType, bool)> {
        let text = Want::optional(ExprType::basic(Basic::Text));
        let mut checked = Vec::new();
        for arg in args {
            let expr = id_for_ref(self.expression(arg, Some(&text))?);
            if matches!(&expr.ty, ExprType::Value(ty) if ty.is_structured()) {
                return self.report(type_mismatch::error(arg.span, "a single value", &describe(&expr.ty, &expr)));
            }
            checked.push(expr);
        }
        Some((checked, text.ty, false))
    }

    fn truncated(&mut self, unit: &Ast, time: &Ast) -> Option<(Vec<Expr>, ExprType, bool)> {
        let unit_expr = self.value(unit, &Want::optional(ExprType::basic(Basic::Text)))?;
        let ExprKind::Literal(Literal::Text(text)) = &unit_expr.kind else {
            return self.report(type_mismatch::error(unit.span, "a constant such as `'day'`", "an expression"));
        };
        if !TRUNCATIONS.contains(&text.as_str()) {
            let members: Vec<String> = TRUNCATIONS.iter().map(|&unit| unit.to_owned()).collect();
            return self.report(invalid_constant::member(unit.span, text, &members));
        }
        let time = self.value(time, &Want::optional(ExprType::basic(Basic::Timestamp)))?;
        let nullable = time.nullable;
        Some((vec![unit_expr, time], ExprType::basic(Basic::Timestamp), nullable))
    }

    /// An amount in major units and its currency: the integer that payment services want.
    fn minor_units(
        &mut self,
        amount: &Ast,
        currency: &Ast,
        wanted: Option<&Want>,
    ) -> Option<(Vec<Expr>, ExprType, bool)> {
        let money = Scalar::from_name("money").map_or(ValueType::Decimal(None), ValueType::Scalar);
        let code = Scalar::from_name("currencyCode").map_or(ValueType::Basic(Basic::Text), ValueType::Scalar);
        let amount_expr = self.expression(amount, Some(&Want::optional(ExprType::Value(money))))?;
        let decimal = match &amount_expr.ty {
            ExprType::Value(ValueType::Decimal(_)) => true,
            ExprType::Value(ValueType::Scalar(scalar)) => matches!(scalar.info().base, ScalarBase::Numeric(..)),
            _ => false,
        };
        if !decimal {
            let found = describe(&amount_expr.ty, &amount_expr);
            return self.report(type_mismatch::error(amount.span, "money", &found));
        }
        let currency_expr = self.expression(currency, Some(&Want::optional(ExprType::Value(code.clone()))))?;
        let currency_expr =
            if is_text(&currency_expr.ty) && !is_uuid(&currency_expr.ty) && !super::is_constant(&currency_expr) {
                currency_expr
            } else {
                match fit(currency_expr, &Want::optional(ExprType::Value(code)), currency.span) {
                    Ok(expr) => expr,
                    Err(error) => return self.report(*error),
                }
            };
        let nullable = amount_expr.nullable || currency_expr.nullable;
        // Services take an integer; a bigint where that is asked for, so that large amounts keep their place.
        let large = wanted.is_some_and(|want| is_basic(&want.ty, Basic::Bigint));
        let units = if large { Basic::Bigint } else { Basic::Integer };
        Some((vec![amount_expr, currency_expr], ExprType::basic(units), nullable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_says_how_it_is_called() {
        let usages: Vec<_> = USAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(usages, FUNCTIONS);
    }
}
