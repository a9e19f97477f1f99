//! SQ0313: `sequence(…)` where no number can be taken.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A number is taken where none should be.
pub static RULE: Rule = Rule {
    code: "SQ0313",
    name: "misplaced-sequence",
    severity: Severity::Error,
    explanation: "\
`sequence(invoice_no)` takes the next number each time it is evaluated. In a condition, it would take one for each row that is looked
at. Outside of an action there is nobody to take it.

Wrong:
```yaml
- update: Invoice SET note = 'sent' WHERE total = sequence(invoice_no)
```

Right:
```yaml
- update: Invoice SET note = concat('no. ', sequence(invoice_no)) WHERE note IS NULL
```
",
};

/// In a condition.
#[must_use]
pub fn condition(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a condition takes no number from a sequence")
        .help("take it where a field gets its value, and ask for the field")
}

/// Where there is no action.
#[must_use]
pub fn without_action(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "only the steps of an action take numbers from a sequence")
        .help("take it in `values:` of an insert, or in the `SET` of an update")
}

/// For a row of an entity of another schema.
#[must_use]
pub fn other_schema(span: Span, schema: &str, entity: &str) -> Diagnostic {
    let message = format!("the sequences of this action belong to `{schema}`, and `{entity}` is in another schema");
    Diagnostic::new(&RULE, span, message).help(format!(
        "take the number in an action of `{entity}`, so that all its rows count together, and tenant by tenant"
    ))
}
