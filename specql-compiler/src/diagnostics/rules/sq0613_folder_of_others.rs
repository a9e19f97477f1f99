//! SQ0613: the folder of SpecQL's migrations holds those of the project.

use crate::{
    diagnostics::{Diagnostic, Rule, Severity},
    source::Span,
};

/// The folder of SpecQL's migrations holds those of the project.
pub static RULE: Rule = Rule {
    code: "SQ0613",
    name: "folder-of-others",
    severity: Severity::Error,
    explanation: "\
SpecQL writes its migrations, numbered from 1, into a folder where it knows every file. A project that has sqlx migrations already keeps
them where they are; `migrations` of `specql.toml` gives SpecQL's another folder. They also need another table in the database
(`specql explain SQ0612`).

Wrong:
```text
migrations/20230101120000_users.sql
migrations/20230102120000_articles.sql
```

Right:
```toml
# specql.toml
migrations = \"specql-migrations\"
```
",
};

/// The folder at `path` holds this many migrations, the first of them here, and no lock.
#[must_use]
pub fn folder_of_others(span: Span, path: &str, count: usize) -> Diagnostic {
    let files = if count == 1 { "a migration".to_owned() } else { format!("{count} migrations") };
    let message = format!("`{path}` holds {files} that SpecQL did not write, and SpecQL's need a folder of their own");
    Diagnostic::new(&RULE, span, message).help(
        "set `migrations = \"specql-migrations\"` in `specql.toml`: what is in this folder stays as it is; if SpecQL wrote these, restore \
         `specql.lock` from version control",
    )
}
