//! SQ0005: a character that editors and readers treat in different ways.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A character that editors and readers treat in different ways.
pub static RULE: Rule = Rule {
    code: "SQ0005",
    name: "forbidden-character",
    severity: Severity::Error,
    explanation: "\
Tabs, NUL, control characters, a lone carriage return, NEL, LS and PS are refused everywhere in a file: they are invisible, and
what they mean depends on who reads them. NUL is refused as the escape `\\0` too: PostgreSQL cannot store it. Files are UTF-8, with or without a byte order mark, with LF or CRLF line ends.

Wrong:
```yaml
fields:\n\ttotal: integer
```

Right:
```yaml
fields:\n  total: integer
```
",
};

/// `what` says which character this is, for people.
#[must_use]
pub fn forbidden_character(span: Span, character: char, what: &str) -> Diagnostic {
    let help = match character {
        '\t' => "use spaces; inside a text write `\\t` in double quotes",
        '\0' | '\u{fffd}' => "save the file as UTF-8",
        _ => "remove it; inside a text write it as an escape in double quotes",
    };
    Diagnostic::new(&RULE, span, format!("{what} is not allowed in a YAML file")).help(help)
}

/// A NUL that an escape makes.
#[must_use]
pub fn escaped_nul(span: Span) -> Diagnostic {
    Diagnostic::new(&RULE, span, "a NUL character is not allowed in a YAML file")
        .help("remove it: PostgreSQL cannot store it")
}
