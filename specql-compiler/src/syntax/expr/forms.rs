//! The small forms around expressions: what stands behind `delete:`, `find:`, `foreach:`, `call:` and `notify:`.

use super::{
    Ast, AstKind, parse,
    parser::{Parser, power},
    template,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    source::{Spanned, yaml::Node},
};

/// `Order [WHERE expr]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowsSyntax {
    /// `Order`.
    pub entity: Spanned<String>,
    /// `WHERE`.
    pub condition: Option<Ast>,
}

/// A field by which rows are ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderSyntax {
    /// `due_on`.
    pub field: Spanned<String>,
    /// `DESC`.
    pub descending: bool,
}

/// `x in …`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeachSyntax {
    /// `x`.
    pub name: Spanned<String>,
    /// What it goes through.
    pub source: SourceSyntax,
}

/// What a `foreach` goes through.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSyntax {
    /// `find Order [WHERE expr] [ORDER BY field [DESC], …] [LIMIT expr]`.
    Rows {
        /// Which rows.
        rows: RowsSyntax,
        /// `ORDER BY`.
        order: Vec<OrderSyntax>,
        /// `LIMIT`.
        limit: Option<Ast>,
    },
    /// An expression whose value is a list.
    Values(Ast),
}

/// `{$for: x in …, $each: …}`: a list with a value for each element.
#[derive(Clone, Debug, PartialEq)]
pub struct EachSyntax {
    /// `x in …`.
    pub head: ForeachSyntax,
    /// The value for each element.
    pub value: Ast,
}

impl EachSyntax {
    /// The expressions of which it is made.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Ast> {
        let (first, second) = match &self.head.source {
            SourceSyntax::Rows { rows, limit, .. } => (rows.condition.as_ref(), limit.as_ref()),
            SourceSyntax::Values(list) => (Some(list), None),
        };
        first.into_iter().chain(second).chain([&self.value])
    }
}

/// `fn(a = expr, …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSyntax {
    /// `fn`.
    pub function: Spanned<String>,
    /// Name and value.
    pub args: Vec<(Spanned<String>, Ast)>,
}

/// `recipient(channel, message)`.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifySyntax {
    /// A word, kept as it is, or a path.
    pub recipient: Ast,
    /// The channel.
    pub channel: Spanned<String>,
    /// The message.
    pub message: Ast,
}

/// Reads `Order [WHERE expr]`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_rows(node: &Node, text: &str) -> Result<RowsSyntax, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let rows = parser.rows()?;
    parser.end()?;
    Ok(rows)
}

/// Reads `Order [WHERE expr] [ORDER BY field [DESC], …]`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_find(node: &Node, text: &str) -> Result<(RowsSyntax, Vec<OrderSyntax>), Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let rows = parser.rows()?;
    let order = parser.order_by()?;
    parser.end()?;
    Ok((rows, order))
}

/// Reads `field [DESC], …`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_order(node: &Node, text: &str) -> Result<Vec<OrderSyntax>, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let order = parser.order()?;
    parser.end()?;
    Ok(order)
}

/// Reads `x in find Order [WHERE expr] [ORDER BY field [DESC], …] [LIMIT expr]` or `x in expr`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_foreach(node: &Node, text: &str) -> Result<ForeachSyntax, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let head = parser.each()?;
    parser.end()?;
    Ok(head)
}

/// Reads `fn(a = expr, …)`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_call(node: &Node, text: &str) -> Result<CallSyntax, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let function = parser.name("the action or the function to call")?;
    let mut args = Vec::new();
    if parser.take_symbol("(") && !parser.take_symbol(")") {
        loop {
            let name = parser.name("an argument's name")?;
            parser.expect_symbol("=", "arguments have names: `fn(amount = $order.total)`")?;
            args.push((name, parser.expression(power::LOWEST)?));
            if !parser.take_symbol(",") {
                break;
            }
        }
        parser.expect_symbol(")", "close the bracket after the last argument")?;
    }
    parser.end()?;
    Ok(CallSyntax { function, args })
}

/// Reads `recipient(channel, "message")`. Only here a text may stand in double quotes, for the original writes it so.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_notify(node: &Node, text: &str) -> Result<NotifySyntax, Box<Diagnostic>> {
    let shape = || {
        Box::new(
            expression_syntax::error(node.span, "this is no notification")
                .help("write `recipient(channel, \"message\")`, such as `admins(orders, \"a new order\")`"),
        )
    };
    let open = text.find('(').ok_or_else(shape)?;
    let close = text.trim_end().strip_suffix(')').map(str::len).filter(|close| *close > open).ok_or_else(shape)?;
    let comma = text[open..close].find(',').map(|comma| open + comma).ok_or_else(shape)?;

    let recipient = part(node, text, 0, open)?;
    if !matches!(recipient.kind, AstKind::Name(_) | AstKind::Path { .. }) {
        return Err(Box::new(
            expression_syntax::error(recipient.span, "a recipient is a word or a variable")
                .help("write `admins(…)`, or `$order.customer(…)`"),
        ));
    }
    let channel = part(node, text, open + 1, comma)?;
    let AstKind::Name(name) = channel.kind else {
        return Err(Box::new(
            expression_syntax::error(channel.span, "a channel is a word").help("write `admins(orders, \"…\")`"),
        ));
    };
    let channel = Spanned { value: name, span: channel.span };
    let message = message(node, text, comma + 1, close)?;
    Ok(NotifySyntax { recipient, channel, message })
}

/// A message in double quotes with `{$path}` in it, or an expression.
fn message(node: &Node, text: &str, start: usize, end: usize) -> Result<Ast, Box<Diagnostic>> {
    let written = text[start..end].trim();
    let Some(inner) = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return part(node, text, start, end);
    };
    let from = start + text[start..end].find('"').unwrap_or_default();
    let span = node.inner_span(from, from + written.len());
    if inner.contains(['"', '\0']) {
        return Err(Box::new(
            expression_syntax::error(span, "this text ends before its last quote")
                .help("put it in single quotes: `'a \"new\" order'`"),
        ));
    }
    Ok(Ast { span, ..template::read(node, text, from + 1, from + written.len() - 1)? })
}

/// The expression between two places of a text, with its own places.
pub(super) fn part(node: &Node, text: &str, start: usize, end: usize) -> Result<Ast, Box<Diagnostic>> {
    if text[start..end].trim().is_empty() {
        let span = node.inner_span(start, end);
        return Err(Box::new(expression_syntax::error(span, "something is missing here")));
    }
    parse(node, &format!("{:start$}{}", "", &text[start..end]))
}

impl Parser {
    /// `Order [WHERE expr]`.
    fn rows(&mut self) -> Result<RowsSyntax, Box<Diagnostic>> {
        let entity = self.entity()?;
        let condition = if self.take_word("where") { Some(self.expression(power::LOWEST)?) } else { None };
        Ok(RowsSyntax { entity, condition })
    }

    /// `x in find Order [WHERE expr] [ORDER BY field [DESC], …] [LIMIT expr]`, `x in expr`.
    fn each(&mut self) -> Result<ForeachSyntax, Box<Diagnostic>> {
        let name = self.name("a name for the element, as in `line in $order.lines`,")?;
        self.expect_word("in")?;
        let source = if self.at_word("find") && self.word_follows() {
            self.take_word("find");
            let (rows, order) = (self.rows()?, self.order_by()?);
            let limit = if self.take_word("limit") { Some(self.expression(power::LOWEST)?) } else { None };
            SourceSyntax::Rows { rows, order, limit }
        } else {
            SourceSyntax::Values(self.expression(power::LOWEST)?)
        };
        Ok(ForeachSyntax { name, source })
    }

    /// `[ORDER BY field [ASC | DESC], …]`.
    fn order_by(&mut self) -> Result<Vec<OrderSyntax>, Box<Diagnostic>> {
        if !self.take_word("order") {
            return Ok(Vec::new());
        }
        self.expect_word("by")?;
        self.order()
    }

    /// `field [ASC | DESC], …`.
    fn order(&mut self) -> Result<Vec<OrderSyntax>, Box<Diagnostic>> {
        let mut order = Vec::new();
        loop {
            let field = self.name("a field")?;
            let descending = self.take_word("desc");
            let _ = !descending && self.take_word("asc");
            order.push(OrderSyntax { field, descending });
            if !self.take_symbol(",") {
                return Ok(order);
            }
        }
    }

    /// `Order`, `sales.Order`.
    pub(super) fn entity(&mut self) -> Result<Spanned<String>, Box<Diagnostic>> {
        let mut entity = self.name("an entity")?;
        if self.take_symbol(".") {
            let name = self.name("an entity")?;
            entity.value = format!("{}.{}", entity.value, name.value);
            entity.span.end = name.span.end;
        }
        Ok(entity)
    }
}
