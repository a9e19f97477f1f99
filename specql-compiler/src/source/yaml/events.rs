//! The first reader: events of `saphyr-parser` to nodes, within budgets and without recursion.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{Entry, MAX_DEPTH, MAX_NODES, Node, Value, scalar, traps};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0001_invalid_yaml::invalid_yaml,
            sq0002_yaml_budget::{too_deep, too_many_nodes},
            sq0003_duplicate_key::duplicate_key,
            sq0004_yaml_feature::refused_feature,
            sq0005_forbidden_character::escaped_nul,
            sq0006_ambiguous_scalar::ambiguous_scalar,
            sq0011_key_not_text::key_not_text,
        },
    },
    source::{FileId, Span},
};

/// Reads all documents. `skipped` bytes stand before `text` in the file.
pub(super) fn read(file: FileId, text: &str, skipped: u32) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut builder = Builder {
        file,
        text,
        skipped,
        offsets: byte_offsets(text),
        open: Vec::new(),
        documents: Vec::new(),
        diagnostics: Vec::new(),
        nodes: 0,
        last_end: skipped,
        last_plain: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let go_on = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                builder.syntax_error(&error);
                false
            }
        };
        if !go_on {
            break;
        }
    }
    (builder.documents, builder.diagnostics)
}

/// Byte offset of every character, and of the end; `None` for ASCII, where they are the same.
fn byte_offsets(text: &str) -> Option<Vec<u32>> {
    if text.is_ascii() {
        return None;
    }
    let ends = text.char_indices().map(|(offset, _)| offset).chain([text.len()]);
    Some(ends.map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect())
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    skipped: u32,
    offsets: Option<Vec<u32>>,
    open: Vec<Open>,
    documents: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
    nodes: usize,
    /// Where the last scalar or flow collection ended: the end of a block collection around it.
    last_end: u32,
    /// The last plain scalar, for the diagnostics of a syntax error behind it.
    last_plain: Option<Span>,
}

/// A collection whose end has not come yet.
struct Open {
    span: Span,
    flow: bool,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, keys: HashMap<String, Span>, pending: Pending },
}

/// What a mapping waits for.
enum Pending {
    Key,
    Value(String, Span),
    /// The value of a key that was refused: read, checked and dropped.
    Dropped,
}

impl Builder<'_> {
    /// Takes an event; `false` ends the reading.
    fn event(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> bool {
        let span = self.span(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                true
            }
            Event::Alias(_) => {
                self.diagnostics.push(refused_feature(span, "an alias", "write the value out"));
                self.count(span)
                    && self.add(Node { value: Value::Null, span, content_start: None, quoted: false }, true)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.properties(span, anchor, tag.as_deref());
                self.count(span) && self.scalar(&text, style, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.properties(span, anchor, tag.as_deref());
                self.count(span) && self.start(span, '[', Content::Sequence(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.properties(span, anchor, tag.as_deref());
                let content = Content::Mapping { entries: Vec::new(), keys: HashMap::new(), pending: Pending::Key };
                self.count(span) && self.start(span, '{', content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
        }
    }

    /// Anchors and tags are refused; reading goes on as if they were not there.
    fn properties(&mut self, span: Span, anchor: usize, tag: Option<&saphyr_parser::Tag>) {
        if anchor != 0 {
            self.diagnostics.push(refused_feature(span, "an anchor", "write the value out where it is needed"));
        }
        if let Some(tag) = tag {
            let help = "leave the tag out; quote a value that is text";
            self.diagnostics.push(refused_feature(span, &format!("the tag `{tag}`"), help));
        }
    }

    fn count(&mut self, span: Span) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.diagnostics.push(too_many_nodes(span));
        }
        self.nodes <= MAX_NODES
    }

    fn start(&mut self, span: Span, bracket: char, content: Content) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.diagnostics.push(too_deep(span));
            return false;
        }
        let flow = self.source(Span { end: span.start + 1, ..span }).starts_with(bracket);
        self.open.push(Open { span, flow, content });
        true
    }

    fn end(&mut self, span: Span) -> bool {
        let Some(open) = self.open.pop() else { return false };
        if open.flow {
            self.last_end = span.end;
        }
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        let span = Span { end: self.last_end.max(open.span.start), ..open.span };
        self.add(Node { value, span, content_start: None, quoted: false }, true)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> bool {
        let plain = style == ScalarStyle::Plain;
        // `text.rs` has refused the character itself, but an escape makes one too, and PostgreSQL cannot store it.
        if text.contains('\0') {
            self.diagnostics.push(escaped_nul(span));
        }
        if plain && text.is_empty() {
            let span = Span { start: self.last_end, end: self.last_end, ..span };
            return self.add(Node { value: Value::Null, span, content_start: None, quoted: false }, false);
        }
        // The span of a block scalar reaches to the next token; what stands before it is its own.
        let span = Span { end: span.start + u32_len(self.source(span).trim_end()), ..span };
        self.last_end = span.end;
        let raw = self.source(span);
        let content_start = if plain {
            (raw == text).then_some(span.start)
        } else {
            let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
            (quoted && raw.get(1..raw.len().saturating_sub(1)) == Some(text)).then_some(span.start + 1)
        };
        let value = if plain {
            self.last_plain = Some(span);
            if let Some(diagnostic) = self.comment_behind(span).and_then(|rest| traps::cut_expression(text, rest, span))
            {
                self.diagnostics.push(diagnostic);
            }
            match scalar::resolve(text) {
                Ok(value) => value,
                // A key is text whatever it looks like.
                Err(_) if self.at_key() => Value::String(text.to_owned()),
                Err(ambiguous) => {
                    self.diagnostics.push(ambiguous_scalar(span, text, ambiguous.why, ambiguous.instead.as_deref()));
                    Value::String(text.to_owned())
                }
            }
        } else {
            Value::String(text.to_owned())
        };
        self.add(Node { value, span, content_start, quoted: !plain }, true)
    }

    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { pending: Pending::Key, .. }, .. }))
    }

    /// Puts a node where it belongs. `written`: it is there in the source, not left out.
    fn add(&mut self, node: Node, written: bool) -> bool {
        let (text, skipped) = (self.text, self.skipped);
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return true;
        };
        let flow = open.flow;
        let (entries, keys, pending) = match &mut open.content {
            Content::Sequence(items) => {
                items.push(node);
                return true;
            }
            Content::Mapping { entries, keys, pending } => (entries, keys, pending),
        };
        *pending = match std::mem::replace(pending, Pending::Key) {
            Pending::Key => match key_text(&node) {
                None => {
                    self.diagnostics.push(key_not_text(node.span, node.value.kind()));
                    Pending::Dropped
                }
                Some(key) if key == "<<" => {
                    self.diagnostics.push(refused_feature(node.span, "a merge key", "write the keys out"));
                    Pending::Dropped
                }
                Some(key) => {
                    if let Some(first) = keys.get(&key) {
                        self.diagnostics.push(duplicate_key(node.span, *first, &key));
                        Pending::Dropped
                    } else {
                        keys.insert(key.clone(), node.span);
                        Pending::Value(key, node.span)
                    }
                }
            },
            Pending::Value(key, key_span) => {
                let source = |span: Span| slice(text, skipped, span).to_owned();
                let joined = if flow && !written && key.contains(')') {
                    traps::join_split_parenthesis(entries, key_span, source)
                } else {
                    None
                };
                match joined {
                    Some(diagnostic) => self.diagnostics.push(diagnostic),
                    None => {
                        let value = if written { node } else { Node { span: key_span, ..node } };
                        entries.push(Entry { key, key_span, value });
                    }
                }
                Pending::Key
            }
            Pending::Dropped => Pending::Key,
        };
        true
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let offset = self.offset(error.marker().index());
        let at = Span { file: self.file, start: offset, end: offset };
        // The parser has a limit of its own, and looks ahead.
        if error.info().contains("recursion limit") {
            self.diagnostics.push(too_deep(at));
            return;
        }
        if let Some(plain) = self.last_plain {
            let line_end = plain.end + u32_len(self.rest_of_line(plain.end));
            let whole = Span { end: line_end, ..plain };
            let line = self.source(whole);
            let inside = offset.checked_sub(plain.start).map_or(usize::MAX, |inside| inside as usize);
            let span = Span { end: plain.start + u32_len(line.trim_end()), ..plain };
            let split = self
                .line_with(plain)
                .and_then(|(line, start)| traps::cut_before_quotes(line, (plain.end - start.start) as usize, start));
            if let Some(diagnostic) = split.filter(|_| offset > plain.end) {
                self.diagnostics.push(diagnostic);
                return;
            }
            if let Some(diagnostic) = traps::colon(line, inside, span) {
                // A plain text that goes on into the next line is one of the keys and values behind an open bracket.
                self.diagnostics.push(match line.split_once('\n') {
                    None => diagnostic,
                    Some((first, _)) => {
                        let first = Span { end: span.start + u32_len(first.trim_end()), ..span };
                        invalid_yaml(first, "a `{` or `[` before the end of this line is not closed")
                    }
                });
                return;
            }
        }
        self.diagnostics.push(invalid_yaml(at, error.info()));
    }

    fn offset(&self, index: usize) -> u32 {
        let offset = match &self.offsets {
            None => u32_len(self.text).min(u32::try_from(index).unwrap_or(u32::MAX)),
            Some(offsets) => offsets.get(index).copied().unwrap_or_else(|| u32_len(self.text)),
        };
        offset + self.skipped
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let start = self.offset(span.start.index());
        Span { file: self.file, start, end: self.offset(span.end.index()).max(start) }
    }

    fn source(&self, span: Span) -> &str {
        slice(self.text, self.skipped, span)
    }

    /// The rest of the line, if nothing but a comment stands on it. Looks no further than it must: a line may be as long as
    /// the file and hold thousands of scalars.
    fn comment_behind(&self, span: Span) -> Option<&str> {
        let behind = self.text.get((span.end - self.skipped) as usize..)?;
        let comment = behind.trim_start_matches(' ');
        (comment.len() < behind.len() && comment.starts_with('#')).then(|| self.rest_of_line(span.end))
    }

    /// The line in which a span begins, and where it begins itself.
    fn line_with(&self, span: Span) -> Option<(&str, Span)> {
        let before = self.text.get(..(span.start - self.skipped) as usize)?;
        let start = self.skipped + u32_len(&before[..before.rfind('\n').map_or(0, |at| at + 1)]);
        Some((self.rest_of_line(start), Span { start, end: start, ..span }))
    }

    fn rest_of_line(&self, from: u32) -> &str {
        let rest = self.text.get((from - self.skipped) as usize..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// The key's text: any scalar that is there and is not null.
fn key_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) | Value::Number(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

fn slice(text: &str, skipped: u32, span: Span) -> &str {
    let start = span.start.saturating_sub(skipped) as usize;
    text.get(start..span.end.saturating_sub(skipped) as usize).unwrap_or_default()
}

fn u32_len(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
