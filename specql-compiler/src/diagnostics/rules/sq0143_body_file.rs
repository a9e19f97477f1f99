//! SQ0143: the file of a function's body cannot be used.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The file of a function's body cannot be used.
pub static RULE: Rule = Rule {
    code: "SQ0143",
    name: "body-file",
    severity: Severity::Error,
    explanation: "\
`file:` of a function is the path of a `.sql` file in the project's folder, with `/` between its parts. The file must be there, and
be a text. No path leads out of the project's folder.

Wrong:
```yaml
functions:
  tax: {args: {amount: money}, returns: money, file: ../shared/tax.sql}
```

Right:
```yaml
functions:
  tax: {args: {amount: money}, returns: money, file: sql/tax.sql}
```
",
};

/// It is not there.
#[must_use]
pub fn missing(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("there is no file `{path}` in the project's folder"))
        .help("write the body into that file, or name the file that has it, from the project's folder")
}

/// The path may not be one of a body.
#[must_use]
pub fn path(span: Span, path: &str) -> Diagnostic {
    let message = format!("`{}` is no path of a `.sql` file in the project's folder", path.escape_debug());
    Diagnostic::new(&RULE, span, message)
        .help("name it from the project's folder, with `/` and without `.` or `..`: `sql/tax.sql`")
}

/// The file is another part of the project.
#[must_use]
pub fn other_part(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` is another part of the project, and no body of a function"))
        .help("keep the bodies in a folder of their own: `sql/tax.sql`")
}

/// The file holds a character that is no text.
#[must_use]
pub fn character(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("`{path}` holds a control character or is not UTF-8"))
        .help("remove the character, and save the file as UTF-8")
}
