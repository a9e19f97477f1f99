//! Dates, and the times that they are: functions, and what is added to a day.
//!
//! A date is a time only in some zone, so a zone is always written where one becomes the other. Without one, `today()` is the
//! date in UTC.

use specql_registry::{
    Basic, ValueType,
    scalars::{Scalar, ScalarBase},
    timing,
};

use super::{Want, describe, is_basic, literal};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::{
        sq0231_time_zone as time_zone, sq0303_type_mismatch as type_mismatch,
        sq0306_invalid_constant as invalid_constant,
    },
    model::{
        Expr, ExprKind,
        expr::{BinaryOp, ExprType, Literal},
    },
    syntax::expr::Ast,
};

/// What [`date_part`](ActionChecker::part_of_date) takes of a date.
const PARTS_OF_DATES: [&str; 7] = ["year", "quarter", "month", "week", "day", "isodow", "doy"];
/// What it takes of a time besides.
const PARTS_OF_TIMES: [&str; 3] = ["hour", "minute", "second"];

/// The arguments of a call, its type, and whether it may be NULL.
type Checked = Option<(Vec<Expr>, ExprType, bool)>;

impl ActionChecker<'_> {
    /// `today()`, `today('Europe/Berlin')`.
    pub(super) fn today(&mut self, args: &[Ast]) -> Checked {
        let zone = match args.first() {
            Some(zone) => self.zone(zone)?,
            None => literal(Literal::Text("UTC".to_owned()), ExprType::basic(Basic::Text)),
        };
        let nullable = zone.nullable;
        Some((vec![zone], date(), nullable))
    }

    /// `date_of(timestamp, 'Europe/Berlin')`.
    pub(super) fn date_of(&mut self, time: &Ast, zone: &Ast) -> Checked {
        let (time, zone) = (self.value(time, &Want::optional(ExprType::basic(Basic::Timestamp))), self.zone(zone));
        let (time, zone) = (time?, zone?);
        let nullable = time.nullable || zone.nullable;
        Some((vec![time, zone], date(), nullable))
    }

    /// `start_of_day(date, 'Europe/Berlin')`.
    pub(super) fn start_of_day(&mut self, day: &Ast, zone: &Ast) -> Checked {
        let (day, zone) = (self.value(day, &Want::optional(date())), self.zone(zone));
        let (day, zone) = (day?, zone?);
        let nullable = day.nullable || zone.nullable;
        Some((vec![day, zone], ExprType::basic(Basic::Timestamp), nullable))
    }

    /// `end_of_month(date)`.
    pub(super) fn end_of_month(&mut self, day: &Ast) -> Checked {
        let day = self.value(day, &Want::optional(date()))?;
        let nullable = day.nullable;
        Some((vec![day], date(), nullable))
    }

    /// `days(30)`, `months(1)`.
    pub(super) fn length_of_time(&mut self, count: &Ast) -> Checked {
        let count = self.value(count, &Want::optional(ExprType::basic(Basic::Integer)))?;
        let nullable = count.nullable;
        Some((vec![count], ExprType::Interval, nullable))
    }

    /// `date_part('month', date)`, `date_part('hour', timestamp, 'Europe/Berlin')`.
    pub(super) fn part_of_date(&mut self, args: &[Ast]) -> Checked {
        let part = self.value(&args[0], &Want::optional(ExprType::basic(Basic::Text)))?;
        let ExprKind::Literal(Literal::Text(text)) = &part.kind else {
            return self.report(type_mismatch::error(args[0].span, "a constant such as `'month'`", "an expression"));
        };
        let wanted = if args.len() > 2 { ExprType::basic(Basic::Timestamp) } else { date() };
        let of = self.expression(&args[1], Some(&Want::optional(wanted.clone())))?;
        if args.len() == 2 && is_basic(&of.ty, Basic::Timestamp) {
            let error = type_mismatch::error(args[1].span, "a date", "timestamp");
            return self.report(error.help("say in which time zone: `date_part('hour', time, 'Europe/Berlin')`"));
        }
        let times: &[&str] = if args.len() > 2 { &PARTS_OF_TIMES } else { &[] };
        if !PARTS_OF_DATES.iter().chain(times).any(|known| known == text) {
            let members: Vec<String> = PARTS_OF_DATES.iter().chain(times).map(|&part| part.to_owned()).collect();
            return self.report(invalid_constant::member(args[0].span, text, &members));
        }
        let of = self.value(&args[1], &Want::optional(wanted))?;
        let mut nullable = of.nullable;
        let mut checked = vec![part, of];
        if let Some(zone) = args.get(2) {
            let zone = self.zone(zone)?;
            nullable |= zone.nullable;
            checked.push(zone);
        }
        Some((checked, ExprType::basic(Basic::Integer), nullable))
    }

    /// A time zone: a constant that is looked up here, or a value of the type `timezone`.
    fn zone(&mut self, ast: &Ast) -> Option<Expr> {
        let zone = self.expression(ast, Some(&Want::optional(zone_type())))?;
        match &zone.kind {
            ExprKind::Literal(Literal::Text(name)) if !timing::zones().any(|known| known == name) => {
                self.report(time_zone::error(ast.span, name))
            }
            ExprKind::Literal(Literal::Text(name)) => {
                Some(literal(Literal::Text(name.clone()), ExprType::basic(Basic::Text)))
            }
            _ if zone.ty == zone_type() => Some(zone),
            _ => {
                let found = describe(&zone.ty, &zone);
                self.report(type_mismatch::error(ast.span, "a time zone such as `'Europe/Berlin'`", &found))
            }
        }
    }
}

/// The type `date`.
fn date() -> ExprType {
    named("date")
}

fn zone_type() -> ExprType {
    named("timezone")
}

fn named(name: &str) -> ExprType {
    ExprType::Value(Scalar::from_name(name).map_or(ValueType::Basic(Basic::Text), ValueType::Scalar))
}

/// Whether values of the type are days.
pub(super) fn is_date(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Value(ValueType::Scalar(scalar)) if scalar.info().base == ScalarBase::Date)
}

/// Whether a length of time is a number of whole days, weeks, months or years whatever the values in it are: then a date that is
/// later by it is a date.
pub(super) fn is_whole_days(expr: &Expr) -> bool {
    const DAY: i64 = 86_400;
    match &expr.kind {
        ExprKind::Call { function, .. } => ["days", "weeks", "months", "years"].contains(function),
        ExprKind::Literal(Literal::Interval(seconds)) => seconds % DAY == 0,
        ExprKind::Binary(BinaryOp::Add | BinaryOp::Subtract, left, right) => {
            is_whole_days(left) && is_whole_days(right)
        }
        ExprKind::Binary(BinaryOp::Multiply, left, right) => {
            let whole = |expr: &Expr| is_basic(&expr.ty, Basic::Integer);
            (is_whole_days(left) && whole(right)) || (whole(left) && is_whole_days(right))
        }
        _ => false,
    }
}
