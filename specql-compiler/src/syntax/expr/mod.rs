//! Expressions as they are written: text to a tree in which every part knows its place. Nothing is resolved here.
//!
//! The grammar is a part of SQL's: what it does not name (casts, subselects, `;`, operators of a schema) cannot be
//! said, and so can never reach the database. Rows of another entity have a form of their own: `count(Order WHERE …)`.

mod forms;
mod lexer;
mod of_rows;
mod operators;
mod parser;
mod template;
mod walk;

#[cfg(test)]
mod tests;

pub use forms::{
    CallSyntax, EachSyntax, ForeachSyntax, NotifySyntax, OrderSyntax, RowsSyntax, SourceSyntax, parse_call, parse_find,
    parse_foreach, parse_notify, parse_order, parse_rows,
};
pub use of_rows::{OfRowsSyntax, RowsFunction};
pub use operators::{BinaryOp, CONSTANTS, FORMS, Form, INFIX, Infix, NAMES, REFUSED, ROWS, UnaryOp, by_strength};
pub use parser::{UpdateSyntax, parse, parse_update};
pub(super) use parser::{parts, structure};
pub use template::{TextPart, parse_text};

use crate::source::{Span, Spanned};

/// How deep a tree may be. Everything that walks one may recurse.
pub const MAX_DEPTH: usize = 100;

/// An expression as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    /// What it is.
    pub kind: AstKind,
    /// Where it stands.
    pub span: Span,
    /// One more than that of its deepest part.
    pub depth: usize,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum AstKind {
    /// `NULL`.
    Null,
    /// `TRUE`, `FALSE`.
    Boolean(bool),
    /// `42`, `1.10`: as it is written, without a sign.
    Number(String),
    /// `'text'`, with `''` already one quote.
    Text(String),
    /// A text with values in it.
    Template(Vec<TextPart>),
    /// `INTERVAL '10 minutes'`: the text.
    Interval(String),
    /// A YAML sequence or mapping of constants.
    Json(serde_json::Value),
    /// A YAML sequence that holds an expression.
    List(Vec<Ast>),
    /// A YAML mapping that holds an expression.
    Object(Vec<(Spanned<String>, Ast)>),
    /// `{$for: x in …, $each: …}`.
    Each(Box<EachSyntax>),
    /// A bare name.
    Name(String),
    /// `$order.customer.email`.
    Path {
        /// `order`.
        root: Spanned<String>,
        /// `customer`, `email`.
        members: Vec<Spanned<String>>,
    },
    /// A prefix operator.
    Unary(UnaryOp, Box<Ast>),
    /// An infix operator.
    Binary(BinaryOp, Box<Ast>, Box<Ast>),
    /// `a [NOT] IN (b, c)`.
    In {
        /// The left side.
        value: Box<Ast>,
        /// One or more.
        list: Vec<Ast>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `a [NOT] LIKE b`, `a [NOT] ILIKE b`.
    Like {
        /// The left side.
        value: Box<Ast>,
        /// The pattern.
        pattern: Box<Ast>,
        /// `ILIKE`.
        any_case: bool,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// `a [NOT] BETWEEN b AND c`.
    Between {
        /// The left side.
        value: Box<Ast>,
        /// The lower bound.
        low: Box<Ast>,
        /// The upper bound.
        high: Box<Ast>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `a IS [NOT] NULL`.
    IsNull {
        /// What is asked.
        value: Box<Ast>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `CASE [operand] WHEN … THEN … [ELSE …] END`.
    Case {
        /// Compared with each `WHEN`.
        operand: Option<Box<Ast>>,
        /// `WHEN` and `THEN`.
        branches: Vec<(Ast, Ast)>,
        /// `ELSE`.
        otherwise: Option<Box<Ast>>,
    },
    /// `lower(email)`.
    Call {
        /// The name as it is written.
        function: Spanned<String>,
        /// The arguments.
        args: Vec<Ast>,
    },
    /// `count(Order WHERE …)`.
    OfRows(Box<OfRowsSyntax>),
}
