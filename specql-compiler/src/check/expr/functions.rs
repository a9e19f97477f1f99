//! The functions that expressions may call: their arguments and results.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
};

use super::{
    Place, Want, describe, fit::fit, is_basic, is_json, is_number, is_text, is_uuid, key_of, operators::id_for_ref,
    type_of,
};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::{
        sq0303_type_mismatch as type_mismatch, sq0305_unknown_function as unknown_function,
        sq0306_invalid_constant as invalid_constant,
    },
    model::{
        EntityId, Expr, ExprKind, FieldType,
        expr::{ExprType, Literal, RowsFunction},
        function::{FUNCTIONS, Function, FunctionId, Kind, Nulls, Signature, SqlFunction},
    },
    source::{Span, Spanned},
    syntax::expr::Ast,
};

/// What `date_trunc` cuts to.
const TRUNCATIONS: &[&str] = &["second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// What the flags of `regexp_replace` may be.
const REPLACEMENTS: &[&str] = &["g", "i", "gi", "ig"];

impl ActionChecker<'_> {
    pub(super) fn call_function(
        &mut self,
        function: &Spanned<String>,
        args: &[Ast],
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        if let Some(id) = self.declared_function(function)? {
            return self.call_declared(id, args, span);
        }
        let Some(found) = Function::find(&function.value) else {
            if self.project.broken_functions.contains(&function.value) {
                return None;
            }
            let declared = self.project.entities.iter().flat_map(|entity| &entity.functions);
            let of_rows = RowsFunction::ALL.iter().map(|function| function.name());
            let known = FUNCTIONS.iter().map(|f| f.name).chain(of_rows).chain(declared.map(|f| f.name.as_str()));
            return self.report(unknown_function::error(function.span, &function.value, known));
        };
        let (least, most) = found.arguments;
        if args.len() < least || args.len() > most {
            return self.report(unknown_function::arguments(span, found.name, found.usage));
        }
        if found.name == "sequence" {
            return self.sequence(&args[0], span);
        }
        let (args, ty, nullable) = match (found.signature, found.name) {
            (Signature::Of(kinds, result, nulls), _) => self.of_kinds(kinds, result, nulls, args)?,
            (Signature::Same(_), _) => {
                let (args, ty) = self.unified(&args.iter().collect::<Vec<_>>(), wanted)?;
                let nullable = args.iter().all(|arg| arg.nullable);
                (args, ty, nullable)
            }
            (Signature::Own, "nullif") => {
                let (left, right) = self.comparable("nullif", &args[0], &args[1])?;
                let ty = left.ty.clone();
                (vec![left, right], ty, true)
            }
            (Signature::Own, "gen_random_uuid") => (Vec::new(), ExprType::uuid(), false),
            (Signature::Own, "regexp_replace") => self.replaced(args)?,
            (Signature::Own, "concat") => self.concatenated(args)?,
            (Signature::Own, "date_trunc") => self.truncated(&args[0], &args[1])?,
            (Signature::Own, "today") => self.today(args)?,
            (Signature::Own, "date_of") => self.date_of(&args[0], &args[1])?,
            (Signature::Own, "start_of_day") => self.start_of_day(&args[0], &args[1])?,
            (Signature::Own, "end_of_month") => self.end_of_month(&args[0])?,
            (Signature::Own, "date_part") => self.part_of_date(args)?,
            (Signature::Own, "days" | "weeks" | "months" | "years") => self.length_of_time(&args[0])?,
            (Signature::Own, "minor_units") => self.minor_units(&args[0], &args[1], wanted)?,
            (Signature::Own, "jsonb_build_object") => self.object(args, span)?,
            (Signature::Own, name) => self.of_number(name, args, wanted)?,
        };
        Some(Expr { kind: ExprKind::Call { function: found.name, args }, ty, nullable })
    }

    /// The function that an entity declares under this name: the action's own before those of others.
    #[allow(clippy::option_option)] // the outer one is that of a reported error, as everywhere here
    pub(in crate::check) fn declared_function(&mut self, name: &Spanned<String>) -> Option<Option<FunctionId>> {
        let all = || {
            self.project.entities.iter().enumerate().flat_map(|(entity, declared)| {
                let functions = declared.functions.iter().enumerate();
                functions.map(move |(index, function)| (FunctionId { entity: EntityId(entity), index }, function))
            })
        };
        let found: Vec<_> = all().filter(|(_, function)| function.name == name.value).collect();
        let own = found.iter().find(|(id, _)| id.entity == self.entity);
        match (own, &found[..]) {
            (Some((id, _)), _) | (None, [(id, _)]) => Some(Some(*id)),
            (None, []) => Some(None),
            (None, several) => {
                let schemas: Vec<&str> = several.iter().map(|(_, function)| function.schema.as_str()).collect();
                self.report(unknown_function::ambiguous(name.span, &name.value, &schemas))
            }
        }
    }

    /// A call of a declared function, its arguments by position.
    fn call_declared(&mut self, id: FunctionId, args: &[Ast], span: Span) -> Option<Expr> {
        let project = self.project;
        let function = &project.entity(id.entity).functions[id.index];
        if args.len() != function.args.len() {
            let parameters: Vec<&str> = function.args.iter().map(|arg| arg.name.as_str()).collect();
            let usage = format!("{}({})", function.name, parameters.join(", "));
            return self.report(unknown_function::arguments(span, &function.name, &usage));
        }
        let mut checked = Vec::new();
        for (arg, parameter) in args.iter().zip(&function.args) {
            let place = Place::Argument(function.name.clone(), parameter.name.clone());
            checked.push(self.value(arg, &Want { ty: type_of(&parameter.ty), required: parameter.required, place }));
        }
        let args = checked.into_iter().collect::<Option<_>>()?;
        Some(declared_call(id, function, args))
    }

    fn of_kinds(
        &mut self,
        kinds: &[Kind],
        result: Kind,
        nulls: Nulls,
        args: &[Ast],
    ) -> Option<(Vec<Expr>, ExprType, bool)> {
        let mut checked = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            let kind = kinds.get(index).or(kinds.last()).copied().unwrap_or(Kind::Any);
            checked.push(self.of_kind(kind, arg));
        }
        let checked: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        let nullable = match nulls {
            Nulls::Never => false,
            Nulls::Perhaps => true,
            Nulls::WhenOneIs => checked.iter().any(|arg| arg.nullable),
            Nulls::WhenAllAre => checked.iter().all(|arg| arg.nullable),
        };
        Some((checked, type_of_kind(result), nullable))
    }

    fn of_kind(&mut self, kind: Kind, arg: &Ast) -> Option<Expr> {
        match kind {
            Kind::Text | Kind::Integer | Kind::Boolean | Kind::Timestamp => {
                self.value(arg, &Want::optional(type_of_kind(kind)))
            }
            Kind::Name => self.value(arg, &Want { required: true, ..Want::optional(type_of_kind(kind)) }),
            Kind::Any => {
                let value = self.expression(arg, None)?;
                Some(id_for_ref(value))
            }
            Kind::Json => {
                let json = self.expression(arg, Some(&Want::optional(type_of_kind(kind))))?;
                match &json.ty {
                    ExprType::Null => self.value(arg, &Want::optional(type_of_kind(kind))),
                    ty if is_json(ty) => Some(json),
                    ty => {
                        self.report(type_mismatch::error(arg.span, "json, a list or an object", &describe(ty, &json)))
                    }
                }
            }
        }
    }

    fn object(&mut self, args: &[Ast], span: Span) -> Option<(Vec<Expr>, ExprType, bool)> {
        if args.len() % 2 == 1 {
            let found = Function::find("jsonb_build_object").map_or("", |function| function.usage);
            return self.report(unknown_function::arguments(span, "jsonb_build_object", found));
        }
        let mut checked = Vec::new();
        for pair in args.chunks(2) {
            checked.push(self.of_kind(Kind::Name, &pair[0]));
            checked.push(self.of_kind(Kind::Any, &pair[1]));
        }
        Some((checked.into_iter().collect::<Option<_>>()?, type_of_kind(Kind::Json), false))
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
            let expr = id_for_ref(self.joined(arg)?);
            if matches!(&expr.ty, ExprType::Value(ty) if ty.is_structured()) {
                return self.report(type_mismatch::error(arg.span, "a single value", &describe(&expr.ty, &expr)));
            }
            checked.push(expr);
        }
        Some((checked, text.ty, false))
    }

    /// A text in which what matches a regular expression is replaced; what the flags say is known.
    fn replaced(&mut self, args: &[Ast]) -> Option<(Vec<Expr>, ExprType, bool)> {
        let checked: Vec<_> = args.iter().map(|arg| self.of_kind(Kind::Text, arg)).collect();
        let checked: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        self.check_pattern(&checked[1], args[1].span)?;
        if let Some((flags, written)) = checked.get(3).zip(args.get(3)) {
            let ExprKind::Literal(Literal::Text(text)) = &flags.kind else {
                return self.report(type_mismatch::error(written.span, "a constant such as `'g'`", "an expression"));
            };
            if !REPLACEMENTS.contains(&text.as_str()) {
                let members: Vec<String> = REPLACEMENTS.iter().map(|&flags| flags.to_owned()).collect();
                return self.report(invalid_constant::member(written.span, text, &members));
            }
        }
        let nullable = checked.iter().any(|arg| arg.nullable);
        Some((checked, type_of_kind(Kind::Text), nullable))
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

/// The value of a declared function.
pub(in crate::check) fn declared_call(id: FunctionId, function: &SqlFunction, args: Vec<Expr>) -> Expr {
    let kind = ExprKind::UserCall { function: id, args };
    let nullable = !function.never_null;
    match &function.returns {
        FieldType::Value(ty) => Expr { kind, ty: ExprType::Value(ty.clone()), nullable },
        FieldType::Ref { target, .. } => key_of(*target, Expr { kind, ty: ExprType::uuid(), nullable }, &function.name),
    }
}

fn type_of_kind(kind: Kind) -> ExprType {
    ExprType::basic(match kind {
        Kind::Text | Kind::Name => Basic::Text,
        Kind::Integer => Basic::Integer,
        Kind::Boolean => Basic::Boolean,
        Kind::Json | Kind::Any => Basic::Json,
        Kind::Timestamp => Basic::Timestamp,
    })
}
