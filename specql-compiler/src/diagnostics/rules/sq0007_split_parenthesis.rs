//! SQ0007: a value inside `{…}` was split at a comma.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A value inside `{…}` was split at a comma.
pub static RULE: Rule = Rule {
    code: "SQ0007",
    name: "split-parenthesis",
    severity: Severity::Error,
    explanation: "\
Inside `{…}` a comma ends a value, in parentheses too: YAML reads `{status: enum(a, b)}` as the two keys `status` and `b)`.

Wrong:
```yaml
fields: {status: enum(open, closed)}
```

Right:
```yaml
fields: {status: \"enum(open, closed)\"}
```

A type stands in quotes then, and so does a statement (`update:`). A value in quotes would be a text: there `{$expr: \"…\"}` keeps
an expression together.
",
};

/// `text` is what was meant as the value of `key`.
#[must_use]
pub fn split_parenthesis(span: Span, key: &str, text: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("inside `{{…}}` the value of `{key}` ends at the comma"))
        .help(way_out(key, text))
}

/// Keys whose value is words for people.
const PROSE: [&str; 2] = ["message", "description"];

/// Keys whose value is a statement, and a word that each of them has. A field may have that name, too, and then it has a value.
const STATEMENTS: [(&str, &str); 6] = [
    ("update", " set "),
    ("delete", " where "),
    ("find", " where "),
    ("foreach", " in "),
    ("call", " = "),
    ("notify", "\""),
];

/// Types, statements and prose are the same in quotes. A value would become a text.
fn way_out(key: &str, text: &str) -> String {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let is_type = ["enum(", "list(", "decimal(", "ref("].iter().any(|name| text.starts_with(name));
    let lower = text.to_lowercase();
    let is_statement = STATEMENTS.iter().any(|(statement, word)| *statement == key && lower.contains(word));
    if is_type || is_statement || PROSE.contains(&key) {
        return format!("quote it: {key}: \"{quoted}\"");
    }
    format!("write it as {key}: {{$expr: \"{quoted}\"}}")
}
