//! SQ0144: what a function has is no body.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// What a function has is no body.
pub static RULE: Rule = Rule {
    code: "SQ0144",
    name: "function-body",
    severity: Severity::Error,
    explanation: "\
A function has one body, under `sql:` or in the file of `file:`, or none, if somebody else makes it. The body is what stands between
the quotes of `CREATE FUNCTION`. In `language: sql`, which need not be said, it is a query; in `language: plpgsql` it is a block
`BEGIN … END`.

Wrong:
```yaml
functions:
  tax:
    args: {amount: money}
    returns: money
    sql: CREATE FUNCTION sales.tax(amount numeric) RETURNS numeric LANGUAGE sql AS 'SELECT amount * 0.19'
```

Right:
```yaml
functions:
  tax:
    args: {amount: money}
    returns: money
    sql: SELECT amount * 0.19
```
",
};

/// `sql:` and `file:` stand both.
#[must_use]
pub fn two(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a function has one body: `sql` and `file` exclude each other")
        .help("remove one of them")
}

/// `language:` stands alone.
#[must_use]
pub fn language_alone(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "`language` says what a body is written in, and the function has none")
        .help("remove it, or give the body: `sql: SELECT …`")
}

/// There is nothing in it.
#[must_use]
pub fn empty(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the body of `{name}` is empty"))
        .help("write the query that gives its value: `SELECT …`; without a body the function is only declared")
}

/// It is a whole statement that makes a function.
#[must_use]
pub fn whole_statement(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the body of `{name}` is a whole `CREATE` statement"))
        .help("keep what stands between its quotes: the migration writes what is around it")
}

/// It is written in the other language.
#[must_use]
pub fn other_language(span: Span, name: &str, language: &str, other: &str) -> Diagnostic {
    let (message, help) = match language {
        "sql" => (
            format!("the body of `{name}` is a block of PL/pgSQL, and its `language` is `sql`"),
            format!("say `language: {other}`, or write a query: `SELECT …`"),
        ),
        _ => (
            format!("the body of `{name}` is no block of PL/pgSQL, which begins with `BEGIN` or `DECLARE`"),
            format!("say `language: {other}`, or write `BEGIN RETURN …; END`"),
        ),
    };
    Diagnostic::new(&RULE, span, message).help(help)
}
