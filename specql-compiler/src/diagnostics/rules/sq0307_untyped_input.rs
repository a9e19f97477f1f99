//! SQ0307: an input whose type nothing tells.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// An input whose type nothing tells.
pub static RULE: Rule = Rule {
    code: "SQ0307",
    name: "untyped-input",
    severity: Severity::Error,
    explanation: "\
The inputs of an action are found from its steps: `$input.x` has the type of the entity's field `x`, or of what it is given
to or compared with. Where neither tells, `input:` does.

Wrong:
```yaml
steps:
  - validate: $input.x IS NOT NULL
```

Right:
```yaml
input: {x: text}
steps:
  - validate: $input.x IS NOT NULL
```
",
};

/// Nothing tells the type of `$input.<name>`.
#[must_use]
pub fn error(span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("nothing tells the type of `$input.{name}`"))
        .help(format!("declare the action's inputs: `input: {{{name}: text}}`"))
}
