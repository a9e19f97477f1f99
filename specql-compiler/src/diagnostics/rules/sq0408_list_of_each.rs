//! SQ0408: a list that is made by `$for` and `$each`, and is not written so.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A list that is made by `$for` and `$each`, and is not written so.
pub static RULE: Rule = Rule {
    code: "SQ0408",
    name: "list-of-each",
    severity: Severity::Error,
    explanation: "\
A list with a value for each row, or for each element of another list, has exactly two keys. `$for` says what it goes through, as in a
`foreach`, and for rows in which order. `$each` is the value for each of them.

Wrong:
```yaml
input: {lines: {$for: tag in $order.tags, sku: $tag, quantity: 1}}
```

Right:
```yaml
input: {lines: {$for: tag in $order.tags, $each: {sku: $tag, quantity: 1}}}
```
",
};

const HELP: &str = "write `{$for: x in find Entity WHERE …, $each: $x.name}`, or `$for: x in $row.list`";

/// A key beside the two.
#[must_use]
pub fn other_key(span: Span, key: &str) -> Diagnostic {
    let message = format!("`{}` stands beside `$for` and `$each`", key.escape_debug());
    Diagnostic::new(&RULE, span, message).help("put what belongs to an element into the value of `$each`")
}

/// One of the two keys is missing.
#[must_use]
pub fn incomplete(span: Span, missing: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("a list for each element needs `{missing}`")).help(HELP)
}

/// What stands behind `$for` is no text.
#[must_use]
pub fn no_head(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "`$for` says what the list is made of").help(HELP)
}
