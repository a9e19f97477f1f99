//! Text to tokens.

use crate::{
    diagnostics::{Diagnostic, rules::sq0301_expression_syntax as expression_syntax},
    source::{Span, yaml::Node},
};

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A name or a keyword, as it is written.
    Word(String),
    /// `$name`.
    Variable(String),
    /// Digits, with or without a point.
    Number(String),
    /// `'text'`.
    Text(String),
    /// An operator or a bracket: one of [`SYMBOLS`].
    Symbol(&'static str),
    /// After the last one.
    End,
}

/// Operators and brackets; longer ones before their beginnings.
const SYMBOLS: &[&str] =
    &["||", "<>", "!=", "!~*", "!~", "~*", "<=", ">=", "~", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",", "."];

/// What people write that means something in SQL or YAML but nothing here, and what to say then.
const STRANGERS: &[(&str, &str)] = &[
    ("::", "there are no casts: give the field or input the type that is wanted"),
    (";", "a step holds one expression: no `;`"),
    ("--", "there are no SQL comments in expressions: use a YAML comment after a space and `#`"),
    ("/*", "there are no SQL comments in expressions: use a YAML comment after a space and `#`"),
    ("\"", "text stands in single quotes: `'text'`"),
    ("==", "equality is one `=`"),
    ("&&", "write `AND`"),
    ("{", "`{$path}` stands in a text in YAML's own quotes; in an expression texts are joined with `||`"),
];

/// All tokens of a scalar's text.
pub(super) fn tokens(node: &Node, text: &str) -> Result<Vec<Token>, Box<Diagnostic>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = token(node, text, at, first)?;
        tokens.push(Token { kind, span: node.inner_span(at, at + length) });
        at += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: node.inner_span(text.len(), text.len()) });
    Ok(tokens)
}

/// The token that starts at `at`, and its length.
fn token(node: &Node, text: &str, at: usize, first: char) -> Result<(TokenKind, usize), Box<Diagnostic>> {
    let rest = &text[at..];
    if first == '\'' {
        return quoted(node, text, at);
    }
    if is_word_start(first) {
        let length = word_length(rest);
        return Ok((TokenKind::Word(rest[..length].to_owned()), length));
    }
    if first == '$' {
        let length = word_length(&rest[1..]);
        if !rest[1..].starts_with(is_word_start) {
            let message = "a `$` that no name follows";
            return Err(Box::new(
                expression_syntax::error(node.inner_span(at, at + 1), message)
                    .help("name a variable: `$order`, `$input`, `$output`"),
            ));
        }
        return Ok((TokenKind::Variable(rest[1..=length].to_owned()), length + 1));
    }
    if first.is_ascii_digit() {
        return number(node, text, at);
    }
    if let Some((stranger, help)) = STRANGERS.iter().find(|(stranger, _)| rest.starts_with(stranger)) {
        let span = node.inner_span(at, at + stranger.len());
        return Err(Box::new(expression_syntax::error(span, format!("`{stranger}` has no meaning here")).help(*help)));
    }
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((TokenKind::Symbol(symbol), symbol.len()));
    }
    let span = node.inner_span(at, at + first.len_utf8());
    Err(Box::new(expression_syntax::error(span, format!("`{}` has no meaning here", first.escape_debug()))))
}

/// A text in single quotes, in which `''` is one quote.
fn quoted(node: &Node, text: &str, at: usize) -> Result<(TokenKind, usize), Box<Diagnostic>> {
    let mut value = String::new();
    let mut rest = text[at + 1..].char_indices().peekable();
    while let Some((offset, character)) = rest.next() {
        if character == '\0' {
            let span = node.inner_span(at + 1 + offset, at + 2 + offset);
            return Err(Box::new(expression_syntax::error(span, "PostgreSQL's text cannot hold the character NUL")));
        } else if character != '\'' {
            value.push(character);
        } else if rest.next_if(|(_, next)| *next == '\'').is_some() {
            value.push('\'');
        } else {
            return Ok((TokenKind::Text(value), offset + 2));
        }
    }
    Err(Box::new(
        expression_syntax::error(node.inner_span(at, text.len()), "this text has no closing quote")
            .help("close it with `'`; a quote inside a text is written twice: `'it''s'`"),
    ))
}

/// `42` or `1.10`.
fn number(node: &Node, text: &str, at: usize) -> Result<(TokenKind, usize), Box<Diagnostic>> {
    let rest = &text[at..];
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = digits(rest);
    if rest[length..].starts_with('.') {
        let fraction = digits(&rest[length + 1..]);
        if fraction > 0 {
            length += 1 + fraction;
        }
    }
    if rest[length..].starts_with(is_word_start) {
        let end = length + word_length(&rest[length..]);
        let span = node.inner_span(at, at + end);
        return Err(Box::new(expression_syntax::error(
            span,
            format!("`{}` is neither a number nor a name", &rest[..end]),
        )));
    }
    Ok((TokenKind::Number(rest[..length].to_owned()), length))
}

fn is_word_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len())
}
