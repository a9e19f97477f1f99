//! From text to [`TypeSyntax`].

use super::{DefaultSyntax, DefaultValue, TypeExpr, TypeKind, TypeSyntax};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{sq0110_unknown_type::unknown_type, sq0111_type_syntax::type_syntax},
    },
    source::{
        Span, Spanned,
        yaml::{self, Node, Value},
    },
};

/// Deepest nesting of `list(list(…))`.
const MAX_DEPTH: usize = 8;

/// Reads a type. `node` must hold text.
///
/// # Errors
/// What is wrong, at its place inside the text.
pub fn parse(node: &Node) -> Result<TypeSyntax, Box<Diagnostic>> {
    let Some(text) = node.as_text() else {
        let what = format!("expected a type, got {}", node.value.kind());
        return Err(Box::new(
            type_syntax(node.span, what).help("write a type such as `text`, `integer!` or `money = 0`"),
        ));
    };
    let mut parser = Parser { text, at: 0, node };
    let ty = parser.type_expr(0)?;
    let mut required = parser.eat('!');
    let default = if parser.eat('=') {
        let (default, bang) = parser.default()?;
        required |= bang;
        Some(default)
    } else {
        None
    };
    if let Some(rest) = parser.rest() {
        let what = format!("`{rest}` does not belong to a type");
        return Err(parser.error(parser.at, text.len(), what));
    }
    Ok(TypeSyntax { ty, required, default, span: node.span })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    node: &'a Node,
}

impl<'a> Parser<'a> {
    fn type_expr(&mut self, depth: usize) -> Result<TypeExpr, Box<Diagnostic>> {
        if depth > MAX_DEPTH {
            return Err(self.error(self.at, self.at, format!("types nest at most {MAX_DEPTH} deep")));
        }
        let name = self.word("a type's name")?;
        let start = self.at - name.value.len();
        let kind = if self.eat('(') {
            let kind = match name.value.as_str() {
                "enum" => TypeKind::Enum(self.enum_values()?),
                "list" => TypeKind::List(Box::new(self.type_expr(depth + 1)?)),
                "decimal" => self.precision()?,
                "ref" => self.target()?,
                other => return Err(Box::new(unknown_type(name.span, other, &["enum", "list", "decimal", "ref"]))),
            };
            self.expect(')')?;
            kind
        } else {
            match name.value.as_str() {
                "enum" => return Err(self.needs_arguments(name.span, "enum", "enum(open, closed)")),
                "list" => return Err(self.needs_arguments(name.span, "list", "list(text)")),
                "ref" => return Err(self.needs_arguments(name.span, "ref", "ref(Customer)")),
                _ => TypeKind::Name(name.value),
            }
        };
        Ok(TypeExpr { kind, span: self.node.inner_span(start, self.at) })
    }

    fn enum_values(&mut self) -> Result<Vec<Spanned<String>>, Box<Diagnostic>> {
        let mut values: Vec<Spanned<String>> = Vec::new();
        loop {
            let value = match self.quoted()? {
                Some(value) => value,
                None => self.word("a value")?,
            };
            if let Some(first) = values.iter().find(|first| first.value == value.value) {
                let diagnostic = type_syntax(value.span, format!("the value `{}` stands twice", value.value));
                return Err(Box::new(diagnostic.related(first.span, "first here")));
            }
            values.push(value);
            if self.eat(',') {
                continue;
            }
            if !self.rest().is_none_or(|rest| rest.starts_with(')')) {
                let (at, help) = (self.at, "a value that is no single word stands in quotes: `enum('on hold', paid)`");
                return Err(Box::new(self.error(at, at, "expected `,` or `)` here".to_owned()).help(help)));
            }
            return Ok(values);
        }
    }

    fn precision(&mut self) -> Result<TypeKind, Box<Diagnostic>> {
        let from = self.at;
        let precision = self.number()?;
        self.expect(',')?;
        let scale = self.number()?;
        // 28 digits are what a Rust `Decimal` holds without loss.
        if precision == 0 || precision > 28 || scale > precision {
            return Err(self.error(
                from,
                self.at,
                "a decimal has 1 to 28 digits, and no more behind the point than in all".to_owned(),
            ));
        }
        Ok(TypeKind::Decimal(precision, scale))
    }

    fn target(&mut self) -> Result<TypeKind, Box<Diagnostic>> {
        let first = self.word("an entity's name")?;
        if self.eat('.') {
            return Ok(TypeKind::Ref { schema: Some(first), entity: self.word("an entity's name")? });
        }
        Ok(TypeKind::Ref { schema: None, entity: first })
    }

    /// The rest of the text as a default, and whether it ends in `!`.
    fn default(&mut self) -> Result<(DefaultSyntax, bool), Box<Diagnostic>> {
        self.blanks();
        let from = self.at;
        if let Some(quoted) = self.quoted()? {
            let default = DefaultSyntax { value: DefaultValue::Quoted(quoted.value), span: quoted.span };
            return Ok((default, self.eat('!')));
        }
        let rest = self.text[from..].trim_end();
        let (written, bang) = match rest.strip_suffix('!') {
            Some(written) => (written.trim_end(), true),
            None => (rest, false),
        };
        self.at = self.text.len();
        let span = self.node.inner_span(from, from + written.len());
        if written.is_empty() {
            return Err(Box::new(type_syntax(span, "a default is missing behind `=`".to_owned())));
        }
        let value = if written.starts_with(['{', '[']) {
            let (documents, diagnostics) = yaml::read(span.file, written);
            match (documents.into_iter().next(), diagnostics.first()) {
                (Some(node), None) => DefaultValue::Yaml(moved(node, span)),
                (_, Some(problem)) => {
                    return Err(Box::new(type_syntax(span, format!("the default is not YAML: {}", problem.message))));
                }
                (None, None) => return Err(Box::new(type_syntax(span, "a default is missing behind `=`".to_owned()))),
            }
        } else {
            DefaultValue::Word(written.to_owned())
        };
        Ok((DefaultSyntax { value, span }, bang))
    }

    /// A text in single or double quotes, with the quote doubled inside it.
    fn quoted(&mut self) -> Result<Option<Spanned<String>>, Box<Diagnostic>> {
        self.blanks();
        let from = self.at;
        let Some(quote) = self.text[from..].chars().next().filter(|c| matches!(c, '\'' | '"')) else { return Ok(None) };
        let mut value = String::new();
        let mut rest = &self.text[from + 1..];
        loop {
            let Some(end) = rest.find(quote) else {
                return Err(self.error(from, self.text.len(), format!("this text has no closing {quote}")));
            };
            value.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            if !rest.starts_with(quote) {
                break;
            }
            value.push(quote);
            rest = &rest[1..];
        }
        self.at = self.text.len() - rest.len();
        Ok(Some(Spanned { value, span: self.node.inner_span(from, self.at) }))
    }

    fn word(&mut self, what: &str) -> Result<Spanned<String>, Box<Diagnostic>> {
        self.blanks();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error(self.at, self.at, format!("expected {what} here")));
        }
        let from = self.at;
        self.at += length;
        Ok(Spanned { value: rest[..length].to_owned(), span: self.node.inner_span(from, self.at) })
    }

    fn number(&mut self) -> Result<u16, Box<Diagnostic>> {
        let word = self.word("a number")?;
        word.value.parse().map_err(|_| Box::new(type_syntax(word.span, format!("`{}` is no number", word.value))))
    }

    fn eat(&mut self, expected: char) -> bool {
        self.blanks();
        let there = self.text[self.at..].starts_with(expected);
        if there {
            self.at += expected.len_utf8();
        }
        there
    }

    fn expect(&mut self, expected: char) -> Result<(), Box<Diagnostic>> {
        if self.eat(expected) {
            Ok(())
        } else {
            Err(self.error(self.at, self.at, format!("expected `{expected}` here")))
        }
    }

    fn rest(&mut self) -> Option<&'a str> {
        self.blanks();
        let rest = &self.text[self.at..];
        (!rest.is_empty()).then_some(rest)
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn needs_arguments(&self, span: Span, name: &str, example: &str) -> Box<Diagnostic> {
        Box::new(type_syntax(span, format!("`{name}` needs to say of what")).help(format!("for example `{example}`")))
    }

    fn error(&self, from: usize, to: usize, what: String) -> Box<Diagnostic> {
        Box::new(type_syntax(self.node.inner_span(from, to), what))
    }
}

/// The node with all spans replaced: it was read from a piece of text that has no positions of its own.
fn moved(mut node: Node, span: Span) -> Node {
    node.span = span;
    node.content_start = None;
    node.value = match node.value {
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(|item| moved(item, span)).collect()),
        Value::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|entry| yaml::Entry { key_span: span, value: moved(entry.value, span), key: entry.key })
                .collect(),
        ),
        scalar => scalar,
    };
    node
}
