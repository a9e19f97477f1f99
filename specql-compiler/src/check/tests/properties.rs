//! What holds for any project: no panic, and the same model whatever the order of the files.

use proptest::prelude::*;

use crate::{
    compile,
    source::{SourceFile, SourceKind, Sources},
};

fn file(path: &str, text: &str, kind: SourceKind) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned(), kind }
}

/// Pieces of the language, well-formed and not, from which odd expressions are made.
const PIECES: &[&str] = &[
    "total",
    "$order",
    "$input.x",
    ".",
    "(",
    ")",
    "'",
    "'a'",
    "1",
    "1.5",
    "+",
    "-",
    "||",
    "=",
    "<",
    "AND",
    "NOT",
    "IN",
    "BETWEEN",
    "IS NULL",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "now()",
    "coalesce",
    ",",
    "INTERVAL",
    "$output.id",
    "é",
    "%",
    "$customer",
    "*",
    "::",
    ";",
    "null",
    "true",
];

proptest! {
    // Each case reads the built-in services, too.
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_text_makes_the_compiler_panic(text in ".{0,200}") {
        let _ = compile(&Sources::new(vec![file("entities/a.yaml", &text, SourceKind::Entities)]));
    }

    #[test]
    fn no_expression_makes_the_compiler_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24)) {
        let expression = serde_json::Value::String(pieces.join(" "));
        let text = format!(
            "entity: Order\nfields: {{total: integer, customer: ref(Order)}}\nactions:\n  - name: act\n    steps:\n\
             \x20     - validate: {expression}\n      - update: Order\n        set: {{total: {expression}}}\n"
        );
        let _ = compile(&Sources::new(vec![file("entities/a.yaml", &text, SourceKind::Entities)]));
    }
}

#[test]
fn an_expression_of_any_depth_is_refused_and_not_overflowed() {
    for deep in ["(".repeat(100_000), "NOT ".repeat(100_000), "1 + ".repeat(100_000), "-".repeat(100_000)] {
        let text =
            format!("entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"{deep}1\"}}]}}]\n");
        assert!(compile(&Sources::new(vec![file("entities/a.yaml", &text, SourceKind::Entities)])).has_errors());
    }
}

/// Each of these once doubled the work: 60 of them would take longer than there is time.
#[test]
fn a_comparison_within_a_comparison_is_checked_once() {
    for (open, close) in
        [("(", " IN (1, 2))"), ("(", " BETWEEN 1 AND 2)"), ("CASE ", " WHEN 1 THEN 1 WHEN 2 THEN 2 END")]
    {
        let nested = format!("{}x{}", open.repeat(30), close.repeat(30));
        let text = format!(
            "entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"{nested} = 1\"}}]}}]\n"
        );
        let _ = compile(&Sources::new(vec![file("entities/a.yaml", &text, SourceKind::Entities)]));
    }
}

#[test]
fn the_order_of_the_files_changes_nothing() {
    let files = [
        file(
            "entities/a.yaml",
            "entity: Order\nfields: {c: ref(Customer)}\nactions: [{name: act}]\n",
            SourceKind::Entities,
        ),
        file("entities/b.yaml", "entity: Customer\nfields: {x: txt}\nactions: [{name: act}]\n", SourceKind::Entities),
        file("registry/domain_registry.yaml", "domains: {publik: {multi_tenant: true}}\n", SourceKind::Registry),
    ];
    let forwards = compile(&Sources::new(files.to_vec()));
    let backwards = compile(&Sources::new(files.iter().rev().cloned().collect()));
    assert_eq!(format!("{forwards:?}"), format!("{backwards:?}"));
    assert!(forwards.diagnostics.iter().any(|said| said.rule.code == "SQ0152"));
}
