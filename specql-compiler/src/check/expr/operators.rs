//! Operators: what they join, and the type of what comes out.

use specql_registry::{Basic, ValueType};

use super::{
    Place, Want, boolean,
    dates::{is_date, is_whole_days},
    describe,
    fit::fit,
    is_basic, is_constant, is_integer, is_interval, is_money, is_number, is_text, is_uuid, join, public_id,
};
use crate::{
    check::{action::ActionChecker, pattern},
    diagnostics::{
        Diagnostic,
        rules::{
            sq0301_expression_syntax as expression_syntax, sq0303_type_mismatch as type_mismatch,
            sq0312_unreadable_pattern as unreadable_pattern,
        },
    },
    model::{
        Expr, ExprKind,
        expr::{BinaryOp, ExprType, Literal},
    },
    source::Span,
    syntax::expr::{Ast, AstKind},
};

/// The most parts that copies of the value after `CASE`, one for each `WHEN`, may have: a `CASE` within that value, and so
/// on, would make more of them than fit into memory.
const LARGEST_CASE: usize = 2_000;

/// How many parts an expression has.
fn size(expr: &Expr) -> usize {
    let mut parts = 1;
    expr.children(&mut |child| parts += size(child));
    parts
}

impl ActionChecker<'_> {
    pub(super) fn binary(
        &mut self,
        operator: BinaryOp,
        left: &Ast,
        right: &Ast,
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        use BinaryOp as Op;
        match operator {
            Op::And | Op::Or => {
                let (left, right) = (self.condition(left), self.condition(right));
                let (left, right) = (left?, right?);
                let nullable = left.nullable || right.nullable;
                Some(boolean(nullable, ExprKind::Binary(operator, Box::new(left), Box::new(right))))
            }
            Op::Equal | Op::NotEqual | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                let (left, right) = self.comparable(operator.symbol(), left, right)?;
                let nullable = left.nullable || right.nullable;
                Some(boolean(nullable, ExprKind::Binary(operator, Box::new(left), Box::new(right))))
            }
            Op::Concat => self.concat(left, right, span),
            Op::Matches | Op::MatchesAnyCase | Op::NotMatches | Op::NotMatchesAnyCase => {
                self.matches(operator, left, right)
            }
            Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Remainder => {
                self.arithmetic(operator, left, right, span, wanted)
            }
        }
    }

    /// A text and a regular expression; a constant one is one that PostgreSQL can read.
    fn matches(&mut self, operator: BinaryOp, value: &Ast, pattern: &Ast) -> Option<Expr> {
        let text = Want::optional(ExprType::basic(Basic::Text));
        let span = pattern.span;
        let (value, pattern) = (self.value(value, &text), self.value(pattern, &text));
        let (value, pattern) = (value?, pattern?);
        self.check_pattern(&pattern, span)?;
        let nullable = value.nullable || pattern.nullable;
        Some(boolean(nullable, ExprKind::Binary(operator, Box::new(value), Box::new(pattern))))
    }

    /// Whether a regular expression, where it is a constant, can be read.
    pub(super) fn check_pattern(&mut self, pattern: &Expr, span: Span) -> Option<()> {
        let ExprKind::Literal(Literal::Text(text)) = &pattern.kind else { return Some(()) };
        match pattern::check(text) {
            Ok(()) => Some(()),
            Err(reason) => self.report(unreadable_pattern::error(span, reason.message())),
        }
    }

    fn concat(&mut self, left: &Ast, right: &Ast, span: Span) -> Option<Expr> {
        let text = Want::optional(ExprType::basic(Basic::Text));
        let (left, right) = (self.joined(left), self.joined(right));
        let (left, right) = (id_for_ref(left?), id_for_ref(right?));
        let simple = |expr: &Expr| !matches!(&expr.ty, ExprType::Value(ty) if ty.is_structured());
        if !(is_text(&left.ty) || is_text(&right.ty)) || !simple(&left) || !simple(&right) {
            let error =
                mismatch(span, "||", &left, &right).help("one side of `||` is a text, the other a single value");
            return self.report(error);
        }
        let nullable = left.nullable || right.nullable;
        let kind = ExprKind::Binary(BinaryOp::Concat, Box::new(left), Box::new(right));
        Some(Expr { kind, ty: text.ty, nullable })
    }

    /// A value that becomes a part of a text. It may be of any type: only what has none of its own is asked to be text.
    pub(super) fn joined(&mut self, part: &Ast) -> Option<Expr> {
        let text = Want::optional(ExprType::basic(Basic::Text));
        let wanted = self.settles_input(part).then_some(&text);
        self.expression(part, wanted)
    }

    /// Whether an input gets its type from what is wanted of this expression.
    fn settles_input(&self, ast: &Ast) -> bool {
        match &ast.kind {
            AstKind::Call { args, .. } => args.iter().any(|arg| self.settles_input(arg)),
            AstKind::Case { branches, otherwise, .. } => {
                let values = branches.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                values.into_iter().any(|value| self.settles_input(value))
            }
            AstKind::Path { .. } => self.is_open(ast),
            _ => false,
        }
    }

    fn arithmetic(
        &mut self,
        operator: BinaryOp,
        left: &Ast,
        right: &Ast,
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        let (left_span, right_span) = (left.span, right.span);
        let (left, right) = match operator {
            BinaryOp::Multiply | BinaryOp::Divide => self.factors(left, right, wanted)?,
            _ => self.pair(left, right, wanted)?,
        };
        // A constant takes the other side's type, so that `price * 2` stays money; but not where the other side is time.
        let (left, right) = match (is_constant(&left), is_constant(&right)) {
            (true, false) if is_number(&right.ty) && is_number(&left.ty) => {
                (as_number(left, &right.ty, left_span), right)
            }
            (false, true) if is_number(&left.ty) && is_number(&right.ty) => {
                let right = as_number(right, &left.ty, right_span);
                (left, right)
            }
            _ => (left, right),
        };
        let Some(ty) = result_type(operator, &left, &right) else {
            let error = mismatch(span, operator.symbol(), &left, &right);
            let mixed = (is_money(&left.ty) && is_integer(&right.ty)) || (is_integer(&left.ty) && is_money(&right.ty));
            let days = is_date(&left.ty) || is_date(&right.ty);
            return self.report(match (mixed, days) {
                (true, _) => {
                    error.help("money is in major units: `minor_units(amount, currency)` makes an integer of it")
                }
                (_, true) => error.help(
                    "a date takes whole days: `+ days(30)`, `+ months(1)`; hours are for times: `start_of_day(date, 'Europe/Berlin')`",
                ),
                _ => error,
            });
        };
        let nullable = left.nullable || right.nullable;
        Some(Expr { kind: ExprKind::Binary(operator, Box::new(left), Box::new(right)), ty, nullable })
    }

    /// Both sides, the one whose type is known first, so that it settles an input on the other.
    fn pair(&mut self, left: &Ast, right: &Ast, wanted: Option<&Want>) -> Option<(Expr, Expr)> {
        if self.is_open(left) && !self.is_open(right) {
            let right = self.expression(right, wanted);
            let from_right = right.as_ref().map(|right| Want::optional(right.ty.clone()));
            let left = self.expression(left, from_right.as_ref().or(wanted));
            return Some((left?, right?));
        }
        let left = self.expression(left, wanted);
        let from_left = left.as_ref().filter(|left| left.ty != ExprType::Null);
        let from_left = from_left.map(|left| Want::optional(left.ty.clone()));
        let right = self.expression(right, from_left.as_ref().or(wanted));
        Some((left?, right?))
    }

    /// Both factors. Neither is of the other's type, or of the product's, unless nothing else tells what it is: in
    /// `price * coalesce(quantity, 1)` the quantity is no money.
    fn factors(&mut self, left: &Ast, right: &Ast, wanted: Option<&Want>) -> Option<(Expr, Expr)> {
        if self.is_open(left) || self.is_open(right) {
            return self.pair(left, right, wanted);
        }
        let (left, right) = (self.expression(left, None), self.expression(right, None));
        Some((left?, right?))
    }

    /// Whether an expression's type comes from its surroundings.
    fn is_open(&self, ast: &Ast) -> bool {
        match &ast.kind {
            AstKind::Null | AstKind::Boolean(_) | AstKind::Number(_) | AstKind::Text(_) | AstKind::Json(_) => true,
            AstKind::List(_) | AstKind::Object(_) | AstKind::Each(_) => true,
            AstKind::Path { root, members } => {
                root.value == "input" && members.len() == 1 && !self.knows_input(&members[0].value)
            }
            AstKind::Unary(_, operand) => self.is_open(operand),
            _ => false,
        }
    }

    /// Two values of types that can be compared.
    pub(super) fn comparable(&mut self, operator: &str, left: &Ast, right: &Ast) -> Option<(Expr, Expr)> {
        let (left_span, right_span) = (left.span, right.span);
        let pair = self.pair(left, right, None)?;
        match meet(pair, (left_span, right_span), operator) {
            Ok(pair) => Some(pair),
            Err(error) => self.report(*error),
        }
    }

    /// [`comparable`](Self::comparable) of one value with several others. The value is checked once, unless it takes its type
    /// from each of them: checked with each, a value within a value would double the work, and the complaints.
    fn comparable_with_each<'a>(
        &mut self,
        operator: &str,
        value: &Ast,
        others: impl IntoIterator<Item = &'a Ast>,
    ) -> Vec<Option<(Expr, Expr)>> {
        if self.is_open(value) {
            return others.into_iter().map(|other| self.comparable(operator, value, other)).collect();
        }
        let left = self.expression(value, None);
        let known = left.as_ref().filter(|left| left.ty != ExprType::Null);
        let wanted = known.map(|left| Want::optional(left.ty.clone()));
        let pair = |other: &Ast| {
            let right = self.expression(other, wanted.as_ref());
            match meet((left.clone()?, right?), (value.span, other.span), operator) {
                Ok(pair) => Some(pair),
                Err(error) => self.report(*error),
            }
        };
        others.into_iter().map(pair).collect()
    }

    pub(super) fn in_list(&mut self, value: &Ast, list: &[Ast], negated: bool) -> Option<Expr> {
        let mut checked = Vec::new();
        let mut left = None;
        for (value, element) in self.comparable_with_each("IN", value, list).into_iter().flatten() {
            left = Some(value);
            checked.push(element);
        }
        let value = left.filter(|_| checked.len() == list.len())?;
        let nullable = value.nullable || checked.iter().any(|element| element.nullable);
        Some(boolean(nullable, ExprKind::In { value: Box::new(value), list: checked, negated }))
    }

    pub(super) fn like(&mut self, value: &Ast, pattern: &Ast, any_case: bool, negated: bool) -> Option<Expr> {
        let text = Want::optional(ExprType::basic(Basic::Text));
        let (value, pattern) = (self.value(value, &text), self.value(pattern, &text));
        let (value, pattern) = (value?, pattern?);
        let nullable = value.nullable || pattern.nullable;
        let kind = ExprKind::Like { value: Box::new(value), pattern: Box::new(pattern), any_case, negated };
        Some(boolean(nullable, kind))
    }

    pub(super) fn between(&mut self, value: &Ast, low: &Ast, high: &Ast, negated: bool) -> Option<Expr> {
        let mut pairs = self.comparable_with_each("BETWEEN", value, [low, high]).into_iter();
        let ((value, low), (_, high)) = (pairs.next()??, pairs.next()??);
        let nullable = value.nullable || low.nullable || high.nullable;
        let kind = ExprKind::Between { value: Box::new(value), low: Box::new(low), high: Box::new(high), negated };
        Some(boolean(nullable, kind))
    }

    /// `CASE`; with an operand each `WHEN` becomes a comparison with it.
    pub(super) fn case(
        &mut self,
        operand: Option<&Ast>,
        branches: &[(Ast, Ast)],
        otherwise: Option<&Ast>,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        let whens = branches.iter().map(|(when, _)| when);
        let conditions: Vec<Option<Expr>> = match operand {
            None => whens.map(|when| self.condition(when)).collect(),
            Some(operand) => {
                let equal = |(left, right): (Expr, Expr)| {
                    let nullable = left.nullable || right.nullable;
                    boolean(nullable, ExprKind::Binary(BinaryOp::Equal, Box::new(left), Box::new(right)))
                };
                let pairs = self.comparable_with_each("CASE", operand, whens);
                let copies = pairs.iter().flatten().map(|(left, _)| size(left)).sum::<usize>();
                if copies > LARGEST_CASE {
                    let error = expression_syntax::error(
                        operand.span,
                        "the value after CASE is too large to be compared so often",
                    );
                    return self.report(error.help("write the conditions out: `CASE WHEN … THEN …`"));
                }
                pairs.into_iter().map(|pair| pair.map(equal)).collect()
            }
        };
        let values: Vec<&Ast> = branches.iter().map(|(_, value)| value).chain(otherwise).collect();
        let (mut values, ty) = self.unified(&values, wanted)?;
        let conditions: Vec<Expr> = conditions.into_iter().collect::<Option<_>>()?;
        let nullable = otherwise.is_none() || values.iter().any(|value| value.nullable);
        let last = if otherwise.is_some() { values.pop().map(Box::new) } else { None };
        let kind = ExprKind::Case { branches: conditions.into_iter().zip(values).collect(), otherwise: last };
        Some(Expr { kind, ty, nullable })
    }

    /// Values of one type: the wanted one, else the one that all of them fit.
    pub(super) fn unified(&mut self, parts: &[&Ast], wanted: Option<&Want>) -> Option<(Vec<Expr>, ExprType)> {
        let part = wanted.map(Want::part);
        let checked: Vec<_> = parts.iter().map(|ast| self.expression(ast, part.as_ref())).collect();
        let checked: Vec<Expr> = checked.into_iter().collect::<Option<_>>()?;
        // A value in a list or an object is whatever it is: JSON takes any.
        let any = |want: &Want| is_basic(&want.ty, Basic::Json) && matches!(want.place, Place::Operand);
        let want = part.filter(|want| !any(want)).unwrap_or_else(|| Want::optional(common_type(&checked)));
        let mut fitted = Vec::new();
        for (expr, ast) in checked.into_iter().zip(parts) {
            match fit(expr, &want, ast.span) {
                Ok(expr) => fitted.push(expr),
                Err(error) => self.diagnostics.push(*error),
            }
        }
        // PostgreSQL joins no uuid with a text here, though each may be assigned to a text column.
        let uuids = fitted.iter().filter(|expr| is_uuid(&expr.ty)).count();
        let texts = fitted.iter().filter(|expr| is_text(&expr.ty) && !is_constant(expr)).count();
        if uuids > 0 && texts > 0 {
            let span = join(parts.first()?.span, parts.last()?.span);
            return self.report(type_mismatch::error(span, "values of one type", "text and uuid"));
        }
        (fitted.len() == parts.len()).then_some((fitted, want.ty))
    }
}

/// The type that all of these can take; the first one's where there is none, so that the others are reported.
fn common_type(parts: &[Expr]) -> ExprType {
    let mut open = parts.iter().filter(|part| part.ty != ExprType::Null);
    let typed: Vec<&Expr> = open.clone().filter(|part| !is_constant(part)).collect();
    let candidates: Vec<&Expr> = if typed.is_empty() { open.by_ref().collect() } else { typed };
    let Some(first) = candidates.first() else { return ExprType::basic(Basic::Text) };
    let others_fit = |ty: &ExprType| {
        candidates.iter().all(|part| fit((*part).clone(), &Want::optional(ty.clone()), Span::default()).is_ok())
    };
    let fallback = [ExprType::basic(Basic::Text), ExprType::Value(ValueType::Decimal(None))];
    candidates.iter().map(|part| &part.ty).chain(&fallback).find(|ty| others_fit(ty)).unwrap_or(&first.ty).clone()
}

/// Where a value is wanted, a reference is the UUID that it stands for.
pub(super) fn id_for_ref(expr: Expr) -> Expr {
    if matches!(expr.ty, ExprType::Ref(_)) { public_id(expr) } else { expr }
}

/// A constant as a number of the other side's type, where it is one; else as it is.
fn as_number(constant: Expr, ty: &ExprType, span: Span) -> Expr {
    fit(constant.clone(), &Want::optional(ty.clone()), span).unwrap_or(constant)
}

/// Two operands of a comparison, of types that PostgreSQL compares.
fn meet(
    (left, right): (Expr, Expr),
    (left_span, right_span): (Span, Span),
    operator: &str,
) -> Result<(Expr, Expr), Box<Diagnostic>> {
    let span = join(left_span, right_span);
    if left.ty == ExprType::Null || right.ty == ExprType::Null {
        let error = type_mismatch::error(span, "a value on both sides", "NULL, which equals nothing");
        return Err(Box::new(error.help("write `IS NULL` or `IS NOT NULL`")));
    }
    let as_other = |constant: Expr, other: &Expr, span| fit(constant, &Want::optional(other.ty.clone()), span);
    let (left, right) = match (is_constant(&left), is_constant(&right)) {
        // A number keeps its own type beside another number: `total > 0.5` compares, it does not round.
        (true, false) if !(is_number(&left.ty) && is_number(&right.ty)) => {
            let other = id_for_ref(right);
            (as_other(left, &other, left_span)?, other)
        }
        (false, true) if !(is_number(&left.ty) && is_number(&right.ty)) => {
            let other = id_for_ref(left);
            let right = as_other(right, &other, right_span)?;
            (other, right)
        }
        _ => (left, right),
    };
    let same_ref = matches!((&left.ty, &right.ty), (ExprType::Ref(a), ExprType::Ref(b)) if a == b);
    let (left, right) = if same_ref { (left, right) } else { (id_for_ref(left), id_for_ref(right)) };
    let constants = is_constant(&left) || is_constant(&right);
    let money_and_integer =
        (is_money(&left.ty) && is_integer(&right.ty)) || (is_integer(&left.ty) && is_money(&right.ty));
    let numbers = is_number(&left.ty) && is_number(&right.ty) && (constants || !money_and_integer);
    let texts = is_text(&left.ty) && is_text(&right.ty);
    let two_refs = matches!((&left.ty, &right.ty), (ExprType::Ref(_), ExprType::Ref(_))) && !same_ref;
    // Lists are compared item by item.
    let comparable = match &left.ty {
        ExprType::Value(ValueType::List(item)) => !item.is_structured(),
        ExprType::Value(ty) => !ty.is_structured(),
        _ => true,
    };
    let intervals = is_interval(&left.ty) && is_interval(&right.ty);
    if two_refs || !(numbers || texts || intervals || (left.ty == right.ty && comparable)) {
        let error = mismatch(span, operator, &left, &right);
        let of_time = |ty: &ExprType| is_basic(ty, Basic::Timestamp);
        let day_and_time = (is_date(&left.ty) && of_time(&right.ty)) || (of_time(&left.ty) && is_date(&right.ty));
        return Err(Box::new(match (money_and_integer, day_and_time) {
            (true, _) => error.help("money is in major units: `minor_units(amount, currency)` makes an integer of it"),
            (_, true) => error.help("a time has a date in a time zone: `date_of(time, 'Europe/Berlin')`"),
            _ => error,
        }));
    }
    Ok((left, right))
}

/// A `duration` counts as the interval that it is.
fn as_interval(ty: &ExprType) -> &ExprType {
    if is_interval(ty) { &ExprType::Interval } else { ty }
}

/// The type that an arithmetic operator makes of these; `None` where it does not join them.
fn result_type(operator: BinaryOp, left: &Expr, right: &Expr) -> Option<ExprType> {
    use BinaryOp as Op;
    let timestamp = |ty: &ExprType| is_basic(ty, Basic::Timestamp);
    match (as_interval(&left.ty), as_interval(&right.ty)) {
        (ty, ExprType::Interval) if timestamp(ty) && matches!(operator, Op::Add | Op::Subtract) => Some(ty.clone()),
        (ExprType::Interval, ty) if timestamp(ty) && operator == Op::Add => Some(ty.clone()),
        (a, b) if timestamp(a) && timestamp(b) && operator == Op::Subtract => Some(ExprType::Interval),
        (ExprType::Interval, ExprType::Interval) if matches!(operator, Op::Add | Op::Subtract) => {
            Some(ExprType::Interval)
        }
        (ExprType::Interval, ty) if is_number(ty) && matches!(operator, Op::Multiply | Op::Divide) => {
            Some(ExprType::Interval)
        }
        (ty, ExprType::Interval) if is_number(ty) && operator == Op::Multiply => Some(ExprType::Interval),
        (ty, ExprType::Interval) if is_date(ty) && matches!(operator, Op::Add | Op::Subtract) => {
            is_whole_days(right).then(|| ty.clone())
        }
        (ExprType::Interval, ty) if is_date(ty) && operator == Op::Add => is_whole_days(left).then(|| ty.clone()),
        // As PostgreSQL has it: a number of days.
        (a, b) if is_date(a) && is_date(b) && operator == Op::Subtract => Some(ExprType::basic(Basic::Integer)),
        (a, b) if is_number(a) && is_number(b) => number_type(operator, left, right),
        _ => None,
    }
}

/// Numbers: the wider of both; money stays money where that makes sense.
fn number_type(operator: BinaryOp, left: &Expr, right: &Expr) -> Option<ExprType> {
    use BinaryOp as Op;
    let decimal = ExprType::Value(ValueType::Decimal(None));
    let float = |expr: &Expr| is_basic(&expr.ty, Basic::Float);
    match (is_money(&left.ty), is_money(&right.ty)) {
        (true, true) => match operator {
            Op::Add | Op::Subtract | Op::Remainder => Some(left.ty.clone()),
            Op::Divide => Some(decimal),
            _ => (is_constant(left) || is_constant(right)).then(|| left.ty.clone()),
        },
        (true, false) => match operator {
            Op::Multiply | Op::Divide => Some(left.ty.clone()),
            _ => (!is_integer(&right.ty)).then(|| left.ty.clone()),
        },
        (false, true) => match operator {
            Op::Multiply => Some(right.ty.clone()),
            Op::Divide => Some(decimal),
            _ => (!is_integer(&left.ty)).then(|| right.ty.clone()),
        },
        (false, false) if float(left) || float(right) => {
            (operator != Op::Remainder).then(|| ExprType::basic(Basic::Float))
        }
        (false, false) if is_integer(&left.ty) && is_integer(&right.ty) => {
            let wide = is_basic(&left.ty, Basic::Bigint) || is_basic(&right.ty, Basic::Bigint);
            Some(ExprType::basic(if wide { Basic::Bigint } else { Basic::Integer }))
        }
        (false, false) => Some(decimal),
    }
}

fn mismatch(span: Span, operator: &str, left: &Expr, right: &Expr) -> Diagnostic {
    type_mismatch::operator(span, operator, &describe(&left.ty, left), &describe(&right.ty, right))
}
