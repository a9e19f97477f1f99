//! SQ0002: a file is larger or deeper than a specification needs.

use crate::source::yaml::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A file is larger or deeper than a specification needs.
pub static RULE: Rule = Rule {
    code: "SQ0002",
    name: "yaml-budget",
    severity: Severity::Error,
    explanation: "\
A file may hold 1 MiB, 20,000 values and 64 levels of nesting. The limits keep a build from being stopped by a file that is no
specification; several files are read together, so a large project stays within them.

Wrong:
```yaml
one file of 20 MB
```

Right:
```yaml
several files, one entity each
```
",
};

/// The file has too many bytes.
#[must_use]
pub fn too_large(span: Span, bytes: usize) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the file is too large: {bytes} bytes, at most {MAX_BYTES} are read"))
        .help(HELP)
}

/// The file has too many values.
#[must_use]
pub fn too_many_nodes(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("the file holds more than {MAX_NODES} values")).help(HELP)
}

/// A value is nested too deeply.
#[must_use]
pub fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("nested deeper than {MAX_DEPTH} levels"))
        .help("what stands behind this place was not read")
}

const HELP: &str = "split it into several files; they are read together";
