//! `docs/reference/types.md`.

use std::fmt::Write as _;

use specql_registry::{Basic, composites, scalars};

use super::{GENERATED, cell};
use crate::{sql, typescript};

/// The types of fields, inputs and schemas, as Markdown.
#[must_use]
pub fn types() -> String {
    let mut text = format!(
        "{GENERATED}
# Types

What a field, an input or a service's schema may be. `T!` is required; `T = value` has a default; `T! = value` both.

## Basic types and those that take others

| type | PostgreSQL | Rust | TypeScript |
|---|---|---|---|
"
    );
    for basic in Basic::ALL {
        let (sql, rust, typescript) = (sql::basic_type(basic), rust_type(basic), typescript::basic(basic));
        let _ = writeln!(text, "| `{}` | `{sql}` | `{rust}` | `{typescript}` |", basic.name());
    }
    text.push_str(
        "| `decimal`, `decimal(p, s)` | `NUMERIC`, `NUMERIC(p,s)` | `value::Decimal` | `string` |
| `enum(a, b)` | `TEXT`, checked | an enum of its own | `'a' \\| 'b'` |
| `list(T)` | `T[]` for basic and scalar T, else `JSONB` | `Vec<T>` | `T[]` |
| `ref(Entity)`, `ref(schema.Entity)` | `INTEGER`, or `BIGINT` where that is its key; a foreign key | `value::Uuid` of the target | `string` |

`jsonb` is `json`, `datetime` is `timestamp`, `phone` is `phoneNumber`. 

## Numbers and texts

One rule holds for JSON that comes in, for defaults and for what services answer. A number that a JSON reader could round (bigint,
decimal and the scalars that are NUMERIC) is text in views, results and TypeScript, and is read as a number or as a text of digits.
Every other number is a JSON number: `\"5\"` is no integer. A text is never made of a number: `5` is no text, and `10115` no postal
code. In YAML this is told by the quotes: `default: 5` is a number, `default: '5'` a text.

## Scalars

| type | what it is | PostgreSQL | Rust | example |
|---|---|---|---|---|
",
    );
    for info in scalars::ALL {
        let range = match info.range {
            (Some(least), Some(most)) => format!(", from {least} to {most}"),
            (Some(least), None) => format!(", at least {least}"),
            (None, Some(most)) => format!(", at most {most}"),
            (None, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {}{range} | `{}` | `value::{}` | `{}` |",
            info.name,
            cell(info.doc),
            sql::scalar_base_type(info.base),
            info.rust,
            cell(info.example)
        );
    }
    text.push_str(
        "
Scalars of text are checked by a pattern, the same in the table's CHECK and in Rust.

## Composites

Kept as `JSONB` whose shape is checked; a struct in Rust, an interface in TypeScript. `$order.address.city` reads a member.
",
    );
    for info in composites::ALL {
        let _ = writeln!(text, "\n### {}\n\n{}: `{}`\n", info.name, cell(info.doc), info.example);
        text.push_str("| member | type | what it is |\n|---|---|---|\n");
        let members = composites::Composite::from_name(info.name).map(composites::Composite::schema);
        for (name, field) in members.into_iter().flat_map(|schema| &schema.fields) {
            let doc = field.description.as_deref().unwrap_or_default();
            let _ = writeln!(text, "| `{name}` | `{field}` | {} |", cell(doc));
        }
    }
    text
}

/// A basic type in Rust.
const fn rust_type(basic: Basic) -> &'static str {
    match basic {
        Basic::Text => "String",
        Basic::Integer => "i32",
        Basic::Bigint => "i64",
        Basic::Float => "f64",
        Basic::Boolean => "bool",
        Basic::Timestamp => "value::Timestamp",
        Basic::Json => "value::Json",
    }
}
