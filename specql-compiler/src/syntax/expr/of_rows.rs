//! `count(Order WHERE …)`, `sum(Order.total WHERE …)`: what the rows of an entity give together.

use super::{
    Ast, AstKind,
    parser::{Parser, power},
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    source::{Span, Spanned},
};

/// What is made of rows. The checked model has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum RowsFunction {
    Count,
    Exists,
    Sum,
    Avg,
    Min,
    Max,
}

impl RowsFunction {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Count, Self::Exists, Self::Sum, Self::Avg, Self::Min, Self::Max];

    /// The name, in SQL too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Exists => "exists",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Whether it is made of the rows themselves, and not of one of their fields.
    #[must_use]
    pub const fn is_of_whole_rows(self) -> bool {
        matches!(self, Self::Count | Self::Exists)
    }

    /// The one of that name, in any case.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// How it is written, for messages.
    #[must_use]
    pub fn usage(self) -> String {
        let of = if self.is_of_whole_rows() { "Entity" } else { "Entity.field" };
        format!("{}({of} WHERE condition)", self.name())
    }
}

/// `sum(Order.total WHERE …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct OfRowsSyntax {
    /// `sum`.
    pub function: RowsFunction,
    /// `Order`, `sales.Order`.
    pub entity: Spanned<String>,
    /// `total`; not of `count` and `exists`.
    pub field: Option<Spanned<String>>,
    /// `WHERE`.
    pub condition: Option<Ast>,
}

impl Parser {
    /// What follows the opening bracket of such a call.
    pub(super) fn of_rows(&mut self, function: RowsFunction, start: Span) -> Result<AstKind, Box<Diagnostic>> {
        if self.at_word("select") {
            return Err(Box::new(
                expression_syntax::error(start, "there are no subselects in expressions")
                    .help(format!("name the entity: `{}`", function.usage())),
            ));
        }
        let mut path = Vec::new();
        loop {
            path.push(self.name("an entity")?);
            if !self.take_symbol(".") {
                break;
            }
        }
        let whole = function.is_of_whole_rows();
        let span = Span { end: path.last().map_or(start.end, |name| name.span.end), ..path[0].span };
        let field = if whole || path.len() == 1 { None } else { path.pop() };
        if path.len() > 2 || (field.is_none() && !whole) {
            let message =
                format!("`{}` is of {}", function.name(), if whole { "an entity" } else { "a field of an entity" });
            return Err(Box::new(
                expression_syntax::error(span, message).help(format!("write `{}`", function.usage())),
            ));
        }
        let end = path.last().map_or(span.end, |name| name.span.end);
        let names: Vec<String> = path.into_iter().map(|name| name.value).collect();
        let entity = Spanned { value: names.join("."), span: Span { end, ..span } };
        let condition = if self.take_word("where") { Some(self.expression(power::LOWEST)?) } else { None };
        self.expect_symbol(")", &format!("write `{}`", function.usage()))?;
        Ok(AstKind::OfRows(Box::new(OfRowsSyntax { function, entity, field, condition })))
    }
}
