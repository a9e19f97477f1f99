//! SQ0612: two histories of migrations would be recorded in one table.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// Two histories of migrations would be recorded in one table.
pub static RULE: Rule = Rule {
    code: "SQ0612",
    name: "shared-table",
    severity: Severity::Error,
    explanation: "\
A project that has sqlx migrations of its own keeps them, in their folder and with their table. SpecQL's are another history: they have
another folder (`migrations` of `specql.toml`), and need another table, for both begin with number 1. sqlx's own configuration names
it, so that `sqlx migrate run --config` and `db.migrate()` use the same one.

Wrong:
```toml
# specql.toml, and nothing else
migrations = \"specql-migrations\"
```

Right:
```toml
# specql-migrations/sqlx.toml
[migrate]
migrations-dir = \"specql-migrations\"
table-name = \"_specql_migrations\"
```
",
};

/// The project's own migrations are in the folder `theirs`, and SpecQL's in `ours`.
#[must_use]
pub fn shared_table(span: Span, theirs: &str, ours: &str, table: &str) -> Diagnostic {
    let message =
        format!("the migrations of `{theirs}` and those of `{ours}` would both be recorded in the table `{table}`");
    Diagnostic::new(&RULE, span, message).label("a history of its own").help(format!(
        "write `{ours}/sqlx.toml` with `[migrate]`, `migrations-dir = \"{ours}\"` and `table-name = \"_specql_migrations\"`; sqlx-cli reads it \
         by `sqlx migrate run --config {ours}/sqlx.toml`"
    ))
}
