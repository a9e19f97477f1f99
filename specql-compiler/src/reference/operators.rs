//! `docs/reference/operators.md`.

use std::fmt::Write as _;

use super::{GENERATED, cell};
use crate::syntax::expr::{CONSTANTS, FORMS, Form, INFIX, NAMES, REFUSED, ROWS, by_strength};

/// The entity that the examples are about.
pub const ENTITY: &str = "\
entity: Ticket
schema: shop
fields:
  name: text!
  price: decimal(10, 2)!
  status: enum(open, paid)!
  note: text
  paid: boolean
  tags: list(text)
  doc: json
  buyer: ref(Person)
---
entity: Person
schema: shop
fields: {email: email!}
";

/// What may stand in an expression, as Markdown.
#[must_use]
pub fn operators() -> String {
    let mut text = format!(
        "{GENERATED}
# Operators and constants in expressions

What may stand in an expression, besides the [functions](functions.md). It is a part of SQL, and means what it means there:
PostgreSQL computes it, and a value that is NULL makes the result NULL, unless the other side decides (`NULL OR TRUE`). Keywords may
be written in capitals or not. What is not listed is refused. The examples are about this entity:

```yaml
{ENTITY}```

## Operators between two values

| operator | what it is |
|---|---|
"
    );
    for infix in INFIX {
        let _ = writeln!(text, "| `{}` | {} |", cell(infix.written), cell(infix.doc));
    }
    table(&mut text, "Other operators", FORMS);
    text.push_str(
        "\nThe operators that bind strongest come first here. Those in one line bind equally, from left to right; comparisons cannot be\nchained.\n\n",
    );
    for (place, operators) in by_strength().iter().enumerate() {
        let _ = writeln!(text, "{}. {operators}", place + 1);
    }
    table(&mut text, "Constants", CONSTANTS);
    table(&mut text, "Names", NAMES);
    table(&mut text, "Rows of an entity", ROWS);
    text.push_str(
        "\nIn their conditions, bare names are fields of these rows ([rows of other entities](../other-rows.md)).\n",
    );
    text.push_str("\n## What does not exist\n\n| in SQL | instead |\n|---|---|\n");
    for (written, instead) in REFUSED {
        let _ = writeln!(text, "| `{}` | {} |", cell(written), cell(instead));
    }
    text
}

fn table(text: &mut String, heading: &str, forms: &[Form]) {
    let _ = writeln!(text, "\n## {heading}\n\n| written | what it is |\n|---|---|");
    for form in forms {
        let examples: Vec<String> = form.examples.iter().map(|example| format!("`{}`", cell(example))).collect();
        let _ = writeln!(text, "| {} | {} |", examples.join(", "), cell(form.doc));
    }
}
