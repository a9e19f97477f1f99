//! SQ0602: a sealed migration was edited.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// A sealed migration was edited.
pub static RULE: Rule = Rule {
    code: "SQ0602",
    name: "edited-migration",
    severity: Severity::Error,
    explanation: "\
A sealed migration may have run on any database, and sqlx refuses to go on where an applied file no longer has the bytes that
ran. What a sealed migration got wrong is put right by the next one.

Wrong:
```sh
sed -i 's/TEXT/VARCHAR(20)/' migrations/0001_init.sql
```

Right:
```sh
git checkout -- migrations/0001_init.sql
```
",
};

/// The file no longer has the bytes that were sealed.
#[must_use]
pub fn edited_migration(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(&RULE, span, format!("sealed migration `{path}` was edited")).label("not what was sealed").help(
        format!("restore it (`git checkout -- {path}`); change the entities instead, and a new migration is written"),
    )
}
