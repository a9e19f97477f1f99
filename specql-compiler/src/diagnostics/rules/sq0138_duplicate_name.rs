//! SQ0138: two things of one name.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two things of one name.
pub static RULE: Rule = Rule {
    code: "SQ0138",
    name: "duplicate-name",
    severity: Severity::Error,
    explanation: "\
An entity is written once in a project, in one schema; an action once in its entity. Two entities of one name would be one
type in the generated Rust.

Wrong:
```yaml
entity: Order
---
entity: Order
```

Right:
```yaml
entity: Order
---
entity: OrderLine
```
",
};

/// The entity `name` exists at `first` already.
#[must_use]
pub fn entity(span: Span, first: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is a second entity `{name}`"))
        .related(first, "first here")
        .help("an entity is written once; rename one of them")
}

/// The entities `name` and `other` become the same table name.
#[must_use]
pub fn table(span: Span, first: Span, name: &str, other: &str, table: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{name}` and `{other}` would both be the table `{table}`"))
        .related(first, "first here")
        .help("rename one of them")
}

/// The entity has an action `name` at `first` already.
#[must_use]
pub fn action(span: Span, first: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is a second action `{name}` in this entity"))
        .related(first, "first here")
        .help("rename one of them")
}

/// The entity has a schedule `name` at `first` already.
#[must_use]
pub fn schedule(span: Span, first: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is a second schedule `{name}` in this entity"))
        .related(first, "first here")
        .help("rename one of them")
}

/// A callback's function would have a name that another one has.
#[must_use]
pub fn callback(span: Span, first: Span, function: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("two callbacks would both be the function `{function}`"))
        .related(first, "the other one")
        .help("give one of the calls a name of its own with `as:`")
}

/// Two declared functions of one schema have the same name.
#[must_use]
pub fn function(span: Span, first: Span, name: &str, schema: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the function `{schema}.{name}` is declared twice"))
        .related(first, "the other one")
        .help("declare it in one entity; all of them may call it")
}
