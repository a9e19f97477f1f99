//! SQ0314: two sequences whose names differ by one letter.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two sequences whose names differ by one letter.
pub static RULE: Rule = Rule {
    code: "SQ0314",
    name: "similar-sequences",
    severity: Severity::Warning,
    explanation: "\
A sequence is not declared: `sequence(invoice_no)` in any action of a schema takes the next number of the same sequence. So a slip in
its name begins another one, with 1.

Wrong:
```yaml
- update: Invoice SET note = concat('no. ', sequence(invoice_no)) WHERE note IS NULL
- update: Order SET note = concat('no. ', sequence(invoce_no))
```

Right:
```yaml
- update: Invoice SET note = concat('no. ', sequence(invoice_no)) WHERE note IS NULL
- update: Order SET note = concat('no. ', sequence(invoice_no))
```
",
};

/// A name that is almost that of another sequence, which is named first at `first`.
#[must_use]
pub fn warning(span: Span, name: &str, known: &str, first: Span) -> Diagnostic {
    let message = format!("`{name}` and `{known}` are two sequences, each with numbers of its own");
    Diagnostic::new(&RULE, span, message)
        .related(first, "the other one")
        .help("if they are one sequence, write the same name; else choose names that differ in more than a letter")
}
