//! Tokens to a tree: a Pratt parser with SQL's precedence, bounded in depth.

use super::{
    Ast, AstKind, BinaryOp, MAX_DEPTH, UnaryOp,
    lexer::{Token, TokenKind, tokens},
    of_rows::RowsFunction,
    operators::INFIX,
};
use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    source::{Span, Spanned, yaml::Node},
};

/// Binding powers, weakest first. `a AND b` binds weaker than `a = b`, and so on, as in SQL.
pub(super) mod power {
    pub(in crate::syntax::expr) const LOWEST: u8 = 0;
    pub(in crate::syntax::expr) const OR: u8 = 1;
    pub(in crate::syntax::expr) const AND: u8 = 2;
    pub(in crate::syntax::expr) const NOT: u8 = 3;
    pub(in crate::syntax::expr) const IS: u8 = 4;
    pub(in crate::syntax::expr) const COMPARISON: u8 = 5;
    pub(in crate::syntax::expr) const RANGE: u8 = 6;
    pub(in crate::syntax::expr) const CONCAT: u8 = 7;
    pub(in crate::syntax::expr) const SUM: u8 = 8;
    pub(in crate::syntax::expr) const PRODUCT: u8 = 9;
    pub(in crate::syntax::expr) const SIGN: u8 = 10;
}

/// Words that are no names where an expression may stand.
const KEYWORDS: &[&str] = &[
    "and", "or", "not", "in", "like", "ilike", "between", "is", "null", "true", "false", "case", "when", "then",
    "else", "end", "interval",
];

/// `Order SET a = expr, b = expr [WHERE expr]`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateSyntax {
    /// `Order`.
    pub entity: Spanned<String>,
    /// Field and value.
    pub set: Vec<(Spanned<String>, Ast)>,
    /// `WHERE`.
    pub condition: Option<Ast>,
}

/// Reads an expression from a scalar whose text is `text`.
///
/// # Errors
/// The first thing that is no expression, with its place.
pub fn parse(node: &Node, text: &str) -> Result<Ast, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let ast = parser.expression(power::LOWEST)?;
    parser.end()?;
    Ok(ast)
}

/// Reads the string form of `update:`, with or without `SET`.
///
/// # Errors
/// The first thing that does not fit, with its place.
pub fn parse_update(node: &Node, text: &str) -> Result<UpdateSyntax, Box<Diagnostic>> {
    let mut parser = Parser::new(node, text)?;
    let entity = parser.entity()?;
    let mut set = Vec::new();
    if parser.take_word("set") {
        loop {
            let field = parser.name("a field of the entity")?;
            parser.expect_symbol("=", "write `field = value`")?;
            set.push((field, parser.expression(power::LOWEST)?));
            if !parser.take_symbol(",") {
                break;
            }
        }
    }
    let condition = if parser.take_word("where") { Some(parser.expression(power::LOWEST)?) } else { None };
    parser.end()?;
    Ok(UpdateSyntax { entity, set, condition })
}

/// Reads tokens from left to right.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    pub(super) fn new(node: &Node, text: &str) -> Result<Self, Box<Diagnostic>> {
        if text.trim().is_empty() {
            return Err(Box::new(expression_syntax::error(node.span, "an expression is missing here")));
        }
        Ok(Self { tokens: tokens(node, text)?, at: 0, depth: 0 })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// Whether the token after the next one is a word.
    pub(super) fn word_follows(&self) -> bool {
        matches!(self.tokens.get(self.at + 1), Some(Token { kind: TokenKind::Word(_), .. }))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Box<Diagnostic>> {
        if self.take_word(word) {
            return Ok(());
        }
        Err(Box::new(self.unexpected(&format!("`{}`", word.to_uppercase()))))
    }

    pub(super) fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek().kind, TokenKind::Symbol(found) if found == symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str, help: &str) -> Result<(), Box<Diagnostic>> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        Err(Box::new(self.unexpected(&format!("`{symbol}`")).help(help)))
    }

    pub(super) fn end(&self) -> Result<(), Box<Diagnostic>> {
        if self.peek().kind == TokenKind::End {
            return Ok(());
        }
        Err(Box::new(self.unexpected("an operator or the end of the expression")))
    }

    pub(super) fn name(&mut self, what: &str) -> Result<Spanned<String>, Box<Diagnostic>> {
        match &self.peek().kind {
            TokenKind::Word(word) => {
                let name = Spanned { value: word.clone(), span: self.peek().span };
                self.at += 1;
                Ok(name)
            }
            _ => Err(Box::new(self.unexpected(what))),
        }
    }

    fn unexpected(&self, wanted: &str) -> Diagnostic {
        let token = self.peek();
        let found = match &token.kind {
            TokenKind::Word(word) => format!("found `{word}`"),
            TokenKind::Variable(name) => format!("found `${name}`"),
            TokenKind::Number(number) => format!("found `{number}`"),
            TokenKind::Text(_) => "found a text".to_owned(),
            TokenKind::Symbol(symbol) => format!("found `{symbol}`"),
            TokenKind::End => "the expression ends".to_owned(),
        };
        expression_syntax::error(token.span, format!("{found} where {wanted} should stand"))
            .help("inside an expression a text stands in single quotes: `'text'`")
    }

    /// An expression whose operators bind stronger than `least`.
    pub(super) fn expression(&mut self, least: u8) -> Result<Ast, Box<Diagnostic>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Box::new(too_deep(self.peek().span)));
        }
        let mut left = self.prefix()?;
        while self.operator_strength().is_some_and(|strength| strength > least) {
            left = self.infix(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Ast, Box<Diagnostic>> {
        let start = self.peek().span;
        match self.peek().kind.clone() {
            TokenKind::Number(number) => {
                self.at += 1;
                leaf(AstKind::Number(number), start)
            }
            TokenKind::Text(text) => {
                self.at += 1;
                leaf(AstKind::Text(text), start)
            }
            TokenKind::Variable(root) => {
                self.at += 1;
                self.path(Spanned { value: root, span: start })
            }
            TokenKind::Symbol("-") => {
                self.at += 1;
                let operand = self.expression(power::SIGN)?;
                node(start, AstKind::Unary(UnaryOp::Negate, Box::new(operand)), self.last_span())
            }
            TokenKind::Symbol("(") => {
                self.at += 1;
                if self.at_word("select") {
                    return Err(Box::new(
                        expression_syntax::error(self.peek().span, "there are no subselects in expressions").help(
                            "follow a reference, `$order.customer.email`, or name an entity: `count(Order WHERE …)`",
                        ),
                    ));
                }
                let inner = self.expression(power::LOWEST)?;
                self.expect_symbol(")", "close the bracket")?;
                Ok(inner)
            }
            TokenKind::Word(word) => self.word(&word, start),
            TokenKind::Symbol(_) | TokenKind::End => Err(Box::new(self.unexpected("a value"))),
        }
    }

    /// What begins with a word: a keyword, a function or a name.
    fn word(&mut self, word: &str, start: Span) -> Result<Ast, Box<Diagnostic>> {
        let keyword = word.to_ascii_lowercase();
        self.at += 1;
        match keyword.as_str() {
            "null" => leaf(AstKind::Null, start),
            "true" | "false" => leaf(AstKind::Boolean(keyword == "true"), start),
            "not" => {
                let operand = self.expression(power::NOT)?;
                node(start, AstKind::Unary(UnaryOp::Not, Box::new(operand)), self.last_span())
            }
            "case" => self.case(start),
            "interval" => match self.peek().kind.clone() {
                TokenKind::Text(text) => {
                    self.at += 1;
                    node(start, AstKind::Interval(text), self.last_span())
                }
                _ => Err(Box::new(self.unexpected("a text such as `'10 minutes'`"))),
            },
            _ if KEYWORDS.contains(&keyword.as_str()) => {
                self.at -= 1;
                Err(Box::new(self.unexpected("a value")))
            }
            _ if self.take_symbol("(") => {
                if let Some(function) = RowsFunction::find(word) {
                    let kind = self.of_rows(function, start)?;
                    return node(start, kind, self.last_span());
                }
                let mut args = Vec::new();
                if !self.take_symbol(")") {
                    loop {
                        args.push(self.expression(power::LOWEST)?);
                        if !self.take_symbol(",") {
                            break;
                        }
                    }
                    self.expect_symbol(")", "close the bracket after the last argument")?;
                }
                let function = Spanned { value: word.to_owned(), span: start };
                node(start, AstKind::Call { function, args }, self.last_span())
            }
            _ if self.take_symbol(".") => {
                let span = join(start, self.peek().span);
                let member = self.name("a field")?.value;
                Err(Box::new(expression_syntax::error(span, format!("`{word}.{member}` is no name")).help(format!(
                    "a field of a row begins with the row's name: `${word}.{member}`, or `$order.{word}.{member}` where `{word}` is a field of that row itself"
                ))))
            }
            _ => leaf(AstKind::Name(word.to_owned()), start),
        }
    }

    fn path(&mut self, root: Spanned<String>) -> Result<Ast, Box<Diagnostic>> {
        let start = root.span;
        let mut members = Vec::new();
        while self.take_symbol(".") {
            members.push(self.name("a field's name")?);
        }
        node(start, AstKind::Path { root, members }, self.last_span())
    }

    fn case(&mut self, start: Span) -> Result<Ast, Box<Diagnostic>> {
        let operand = if self.at_word("when") { None } else { Some(Box::new(self.expression(power::LOWEST)?)) };
        let mut branches = Vec::new();
        while self.take_word("when") {
            let condition = self.expression(power::LOWEST)?;
            self.expect_word("then")?;
            branches.push((condition, self.expression(power::LOWEST)?));
        }
        if branches.is_empty() {
            return Err(Box::new(self.unexpected("`WHEN`")));
        }
        let otherwise = if self.take_word("else") { Some(Box::new(self.expression(power::LOWEST)?)) } else { None };
        self.expect_word("end")?;
        node(start, AstKind::Case { operand, branches, otherwise }, self.last_span())
    }

    /// How strongly the operator that comes next binds, if one does.
    fn operator_strength(&self) -> Option<u8> {
        if let Some((_, strength)) = self.binary_operator() {
            return Some(strength);
        }
        if self.at_word("is") {
            return Some(power::IS);
        }
        let after_not = self.at + usize::from(self.at_word("not"));
        match &self.tokens.get(after_not)?.kind {
            TokenKind::Word(word) => ["in", "like", "ilike", "between"]
                .iter()
                .any(|operator| word.eq_ignore_ascii_case(operator))
                .then_some(power::RANGE),
            _ => None,
        }
    }

    /// The operator that comes next and its right side, around `left`.
    fn infix(&mut self, left: Ast) -> Result<Ast, Box<Diagnostic>> {
        let start = left.span;
        let value = Box::new(left);
        if let Some((operator, strength)) = self.binary_operator() {
            self.at += 1;
            let right = Box::new(self.expression(strength)?);
            if strength == power::COMPARISON && matches!(self.binary_operator(), Some((_, power::COMPARISON))) {
                return Err(Box::new(
                    expression_syntax::error(self.peek().span, "comparisons cannot be chained")
                        .help("join two comparisons with `AND`"),
                ));
            }
            return node(start, AstKind::Binary(operator, value, right), self.last_span());
        }
        if self.take_word("is") {
            let negated = self.take_word("not");
            self.expect_word("null")?;
            return node(start, AstKind::IsNull { value, negated }, self.last_span());
        }
        let negated = self.take_word("not");
        let any_case = self.at_word("ilike");
        let kind = if any_case || self.at_word("like") {
            self.at += 1;
            AstKind::Like { value, pattern: Box::new(self.expression(power::RANGE)?), any_case, negated }
        } else if self.take_word("between") {
            let low = Box::new(self.expression(power::RANGE)?);
            self.expect_word("and")?;
            AstKind::Between { value, low, high: Box::new(self.expression(power::RANGE)?), negated }
        } else {
            self.expect_word("in")?;
            self.expect_symbol("(", "write `field IN (a, b)`")?;
            let mut list = vec![self.expression(power::LOWEST)?];
            while self.take_symbol(",") {
                list.push(self.expression(power::LOWEST)?);
            }
            self.expect_symbol(")", "close the list")?;
            AstKind::In { value, list, negated }
        };
        node(start, kind, self.last_span())
    }

    fn binary_operator(&self) -> Option<(BinaryOp, u8)> {
        let written = match &self.peek().kind {
            TokenKind::Word(word) => word.as_str(),
            TokenKind::Symbol(symbol) => symbol,
            _ => return None,
        };
        let infix = INFIX.iter().find(|infix| infix.written.eq_ignore_ascii_case(written))?;
        Some((infix.operator, infix.power))
    }

    /// Where the token before the next one stands.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1).min(self.tokens.len() - 1)].span
    }
}

/// A list or an object, unless it is too deep.
pub(in crate::syntax) fn structure(kind: AstKind, span: Span) -> Result<Ast, Box<Diagnostic>> {
    node(span, kind, span)
}

/// An expression without parts.
fn leaf(kind: AstKind, span: Span) -> Result<Ast, Box<Diagnostic>> {
    node(span, kind, span)
}

/// An expression from the first of two places to the second, unless it is too deep.
fn node(start: Span, kind: AstKind, end: Span) -> Result<Ast, Box<Diagnostic>> {
    let span = join(start, end);
    let depth = 1 + parts(&kind).map(|part| part.depth).max().unwrap_or(0);
    if depth > MAX_DEPTH {
        return Err(Box::new(too_deep(span)));
    }
    Ok(Ast { kind, span, depth })
}

/// The direct parts of an expression.
pub(in crate::syntax) fn parts(kind: &AstKind) -> Box<dyn Iterator<Item = &Ast> + '_> {
    match kind {
        AstKind::Null
        | AstKind::Boolean(_)
        | AstKind::Number(_)
        | AstKind::Text(_)
        | AstKind::Interval(_)
        | AstKind::Json(_)
        | AstKind::Name(_)
        | AstKind::Path { .. }
        // Its parts are paths, which have no parts.
        | AstKind::Template(_) => Box::new([].into_iter()),
        AstKind::Unary(_, operand) => Box::new([&**operand].into_iter()),
        AstKind::Binary(_, left, right) => Box::new([&**left, &**right].into_iter()),
        AstKind::In { value, list, .. } => Box::new(std::iter::once(&**value).chain(list)),
        AstKind::Like { value, pattern, .. } => Box::new([&**value, &**pattern].into_iter()),
        AstKind::Between { value, low, high, .. } => Box::new([&**value, &**low, &**high].into_iter()),
        AstKind::IsNull { value, .. } => Box::new([&**value].into_iter()),
        AstKind::Case { operand, branches, otherwise } => Box::new(
            operand
                .as_deref()
                .into_iter()
                .chain(branches.iter().flat_map(|(condition, value)| [condition, value]))
                .chain(otherwise.as_deref()),
        ),
        AstKind::Call { args, .. } | AstKind::List(args) => Box::new(args.iter()),
        AstKind::OfRows(rows) => Box::new(rows.condition.iter()),
        AstKind::Object(entries) => Box::new(entries.iter().map(|(_, value)| value)),
        AstKind::Each(each) => Box::new(each.parts()),
    }
}

fn too_deep(span: Span) -> Diagnostic {
    expression_syntax::error(span, format!("this expression is nested more than {MAX_DEPTH} deep"))
        .help("split it over several steps")
}

fn join(start: Span, end: Span) -> Span {
    Span { file: start.file, start: start.start.min(end.start), end: start.end.max(end.end) }
}
