//! The whole language is in the corpus, everything at least twice: counted in the texts, by the compiler's own tables.

use anyhow::Result;
use specql_compiler::internals::{keys::Standing, model::function::FUNCTIONS, reference::formats};
use specql_registry::{Basic, composites, scalars};
use specql_tests::corpus::apps;

/// What is written neither as a key, nor as a type's or a function's name.
const OTHERS: [&str; 62] = [
    // Types, and their places.
    "decimal",
    "decimal(",
    "timestamp",
    "jsonb",
    "datetime",
    "phone",
    "enum(",
    "ref(",
    "list(text)",
    "list(enum(",
    "on_delete: cascade",
    "on_delete: restrict",
    "on_delete: set_null",
    "nullable: true",
    "required: true",
    "unique: true",
    // Forms of steps.
    " SET ",
    "set: {",
    "where: ",
    "in find ",
    "in $",
    "optional: true",
    "hard: true",
    "store: ",
    "async: false",
    "unique: once",
    "unique: never",
    "idempotency_key: ",
    "delay: ",
    "run_at: ",
    // What callbacks and paths name.
    "$input.",
    "$output.",
    "$error.message",
    "$error.kind",
    "$job.",
    ".job_id",
    // Operators.
    " NOT IN (",
    " IN (",
    " NOT LIKE ",
    " LIKE ",
    " ILIKE ",
    " ~ ",
    " !~ ",
    " ORDER BY ",
    " LIMIT ",
    "count(",
    "exists(",
    "sum(",
    "avg(",
    "min(",
    "max(",
    " BETWEEN ",
    " IS NULL",
    " IS NOT NULL",
    " || ",
    "INTERVAL '",
    "CASE ",
    // Texts with values, and expressions that YAML would cut.
    "{$",
    " ?? ",
    "{$expr: ",
    // Lists with a value for each.
    "$for: ",
    "$each: ",
];

/// Every text of the corpus, without its comments.
fn corpus() -> Result<String> {
    let mut text = String::new();
    for app in apps()? {
        for (_, file) in app.entity_files()? {
            for line in file.lines().filter(|line| !line.trim_start().starts_with('#')) {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// How often a name stands alone, and not within another.
fn times(text: &str, name: &str) -> usize {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let begins = |at: usize| !name.starts_with(part) || !text[..at].ends_with(part);
    let ends = |at: usize| !name.ends_with(part) || !text[at + name.len()..].starts_with(part);
    text.match_indices(name).filter(|(at, _)| begins(*at) && ends(*at)).count()
}

#[test]
fn the_whole_language_is_used_twice() -> Result<()> {
    let text = corpus()?;
    let mut wanted: Vec<String> = Vec::new();
    wanted.extend(scalars::ALL.iter().map(|scalar| scalar.name.to_owned()));
    wanted.extend(Basic::ALL.iter().map(|basic| basic.name().to_owned()));
    wanted.extend(composites::ALL.iter().map(|composite| composite.name.to_owned()));
    wanted.extend(FUNCTIONS.iter().map(|function| format!("{}(", function.name)));
    wanted.extend(OTHERS.map(str::to_owned));
    let entity = &formats::FORMATS[0];
    assert_eq!(entity.name, "entity");
    let keys = formats::tables(entity).into_iter().flat_map(|table| table.keys());
    let accepted = keys.filter(|key| matches!(key.standing, Standing::Optional | Standing::Required));
    wanted.extend(accepted.map(|key| format!("{}:", key.name)));
    let lacking: Vec<String> = wanted
        .iter()
        .map(|name| (name, times(&text, name)))
        .filter(|(_, times)| *times < 2)
        .map(|(name, times)| format!("{name} ({times})"))
        .collect();
    assert!(lacking.is_empty(), "used less than twice: {}", lacking.join(", "));
    assert!(text.matches("\nentity:").count() >= 30);
    Ok(())
}
