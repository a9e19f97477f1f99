//! What looks like a value in a text, and is none: `{ $order.number }`, `{order.number}`, `$order.number`.

use crate::{
    check::action::{ActionChecker, Binding},
    diagnostics::rules::sq0310_unfilled_placeholder as unfilled,
    source::{
        Span,
        yaml::{Node, Value},
    },
    syntax::expr::parse,
};

impl ActionChecker<'_> {
    /// Warns of what stands in the words of a text where a value may be meant: the path of something that is there.
    pub(super) fn warn_of_unfilled(&mut self, words: &str, span: Span) {
        let meant: Vec<_> = placeholders(words).into_iter().filter(|found| self.means_a_value(found.path)).collect();
        // Of a text that is an expression as a whole another rule has warned.
        let whole = Node { value: Value::Null, span, content_start: None, quoted: true };
        if !meant.is_empty() && parse(&whole, words).is_ok() {
            return;
        }
        self.diagnostics.extend(meant.iter().map(|found| unfilled::warning(span, found.written, found.path)));
    }

    /// Whether a path without its `$` leads to something that is there.
    fn means_a_value(&self, path: &str) -> bool {
        let mut names = path.split('.');
        let (Some(root), Some(member)) = (names.next(), names.next()) else { return false };
        let in_callback = self.frames.len() > 1;
        let of_entity = |entity| self.project.column(entity, member).is_some();
        let binding = self.frame().bindings.iter().rev().find(|(bound, _)| bound == root).map(|(_, binding)| binding);
        match (root, binding) {
            (_, Some(Binding::Row(var) | Binding::Optional(var))) => of_entity(self.frame().vars[var.0].entity),
            (_, Some(Binding::Job)) => member == "job_id",
            (_, Some(Binding::Value(..))) => true,
            (_, None) if self.inheritable().any(|(name, entity)| name == root && of_entity(entity)) => true,
            ("input", None) => !in_callback && (self.knows_input(member) || of_entity(self.entity)),
            ("job" | "output" | "error", None) => in_callback,
            _ => root == self.project.entity(self.entity).snake && of_entity(self.entity),
        }
    }
}

/// What may be meant as a value.
#[derive(Debug, PartialEq)]
struct Placeholder<'a> {
    /// As it stands there, with its braces.
    written: &'a str,
    /// `order.number`.
    path: &'a str,
}

/// All in a text, from left to right. A name alone is none: a price is `$5`, and `{name}` may be another program's.
fn placeholders(words: &str) -> Vec<Placeholder<'_>> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(found) = words[from..].find(|character: char| character.is_ascii_alphabetic()) {
        let start = from + found;
        let path = path_at(&words[start..]);
        from = start + path.len();
        if path.contains('.') {
            out.extend(around(words, start, from));
        }
    }
    out
}

/// `order.number` at the beginning of a text.
fn path_at(text: &str) -> &str {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut end = text.find(|character| !is_name(character)).unwrap_or(text.len());
    while let Some(rest) = text[end..].strip_prefix('.') {
        let length = rest.find(|character| !is_name(character)).unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        end += 1 + length;
    }
    &text[..end]
}

/// The path `start..end` with what is around it, where that makes a placeholder of it: a `$`, or braces.
fn around(words: &str, start: usize, end: usize) -> Option<Placeholder<'_>> {
    let (before, behind) = (&words[..start], &words[end..]);
    let without_dollar = before.strip_suffix('$');
    let opening = without_dollar.unwrap_or(before);
    let bare = opening.trim_end_matches(' ');
    let braces = bare.len() - bare.trim_end_matches('{').len();
    let spaces = behind.len() - behind.trim_start_matches(' ').len();
    let closing = behind[spaces..].len() - behind[spaces..].trim_start_matches('}').len();
    let is_braced = braces > 0 && closing > 0;
    if without_dollar.is_none() && !is_braced {
        return None;
    }
    // `{{$` is how a literal `{$` is written.
    let is_literal = without_dollar.is_some() && opening.ends_with('{') && closing < 2;
    if is_literal {
        return None;
    }
    let (first, last) = if is_braced {
        let brace = bare.len() - braces;
        (brace - usize::from(bare[..brace].ends_with('$')), end + spaces + closing)
    } else {
        (start - 1, end)
    };
    Some(Placeholder { written: &words[first..last], path: &words[start..end] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &str) -> Vec<(&str, &str)> {
        placeholders(words).into_iter().map(|found| (found.written, found.path)).collect()
    }

    #[test]
    fn a_path_with_a_dollar_or_in_braces_may_be_meant_as_a_value() {
        assert_eq!(found("We gave { $refund.amount } back"), [("{ $refund.amount }", "refund.amount")]);
        assert_eq!(found("{refund.amount}"), [("{refund.amount}", "refund.amount")]);
        assert_eq!(found("${refund.amount}"), [("${refund.amount}", "refund.amount")]);
        assert_eq!(found("{{refund.amount}}"), [("{{refund.amount}}", "refund.amount")]);
        assert_eq!(found("{$refund.amount}}"), [("{$refund.amount}}", "refund.amount")]);
        assert_eq!(found("$refund.amount."), [("$refund.amount", "refund.amount")]);
        let computed = "{round($refund.amount, 2)} of {a.b.c}";
        assert_eq!(found(computed), [("$refund.amount", "refund.amount"), ("{a.b.c}", "a.b.c")]);
    }

    #[test]
    fn other_words_are_words() {
        for words in
            ["costs $5.00 or US$ 7", "see example.com", "{name}", "{$refund.amount}", "ß$é.ü", "e.g. {this", ""]
        {
            assert_eq!(found(words), [], "{words}");
        }
    }
}
