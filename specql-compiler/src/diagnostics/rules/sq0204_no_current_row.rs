//! SQ0204: there is no current row.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// There is no current row.
pub static RULE: Rule = Rule {
    code: "SQ0204",
    name: "no-current-row",
    severity: Severity::Error,
    explanation: "\
The current row of an action is the one its `insert` of the own entity makes, from that step on; or, in an action without
such an insert, the one whose `id` the caller gives. An update of another entity always says which rows it means.

Wrong:
```yaml
- update: Customer SET orders = orders + 1
```

Right:
```yaml
- update: Customer SET orders = orders + 1 WHERE id = $order.customer
```
",
};

/// An update of an entity that the action has no row of.
#[must_use]
pub fn update(span: Span, entity: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("this update of `{entity}` does not say which row"))
        .help(format!("there is no current row of `{entity}` here; add `WHERE id = …`"))
}

/// A delete of an entity that the action has no row of.
#[must_use]
pub fn delete(span: Span, entity: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("this delete of `{entity}` does not say which row"))
        .help(format!("there is no current row of `{entity}` here; add `WHERE id = …`"))
}

/// `$order` before the insert that makes it.
#[must_use]
pub fn before_insert(span: Span, name: &str, entity: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`${name}` does not exist before `insert: {entity}`"))
        .help("before the insert a bare name is the input field of that name")
}

/// `$order` in a callback of a call that had no row.
#[must_use]
pub fn callback(span: Span, entity: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the call has no row of `{entity}` that its callback could work on"))
        .help(format!("queue the call after the `insert: {entity}`"))
}
