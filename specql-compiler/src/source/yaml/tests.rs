//! The attacks and traps that the reader must stand, and the positions it must give.

use super::*;
use crate::{
    diagnostics,
    source::{SourceFile, SourceKind, Sources},
};

fn node(text: &str) -> Node {
    let (mut documents, diagnostics) = read(FileId(0), text);
    assert!(diagnostics.is_empty(), "{text:?}: {:?}", codes(&diagnostics));
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<(&'static str, String)> {
    diagnostics.iter().map(|diagnostic| (diagnostic.rule.code, diagnostic.message.clone())).collect()
}

fn errors(text: &str) -> Vec<&'static str> {
    read(FileId(0), text).1.iter().map(|diagnostic| diagnostic.rule.code).collect()
}

/// All diagnostics as they are shown.
fn shown(text: &str) -> String {
    let file = SourceFile { path: "entities/a.yaml".into(), text: text.into(), kind: SourceKind::Entities };
    let sources = Sources::new(vec![file]);
    let lines: Vec<String> =
        read(FileId(0), text).1.iter().map(|diagnostic| diagnostics::render(diagnostic, &sources, false)).collect();
    lines.join("\n\n")
}

fn at(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

#[test]
fn ym01_a_file_beyond_the_budget_is_refused_at_once() {
    let keys: String = (0..1_000_000).map(|i| format!("k{i}: 1\n")).collect();
    let started = std::time::Instant::now();
    assert_eq!(errors(&keys), ["SQ0002"]);
    assert_eq!(errors(&"x".repeat(10_000_000)), ["SQ0002"]);
    assert!(started.elapsed().as_millis() < 100);
    let nodes: String = (0..11_000).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(errors(&nodes), ["SQ0002"]);
    let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
    assert!(errors(laughs).iter().all(|code| *code == "SQ0004"));
}

#[test]
fn a_file_within_the_budget_is_read_in_time_that_grows_with_its_size() {
    let long = format!("[{}]", "x, ".repeat(MAX_NODES - 2) + &" ".repeat(MAX_BYTES - 4 * MAX_NODES));
    let started = std::time::Instant::now();
    assert!(read(FileId(0), &long).1.is_empty());
    // Linear is far below this even unoptimised; a scan of the line for each scalar is far above it.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn ym02_depth_is_bounded_before_any_recursion() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        assert_eq!(errors(&text), ["SQ0002"], "{}", &text[..9]);
    }
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    node(&deep);
}

#[test]
fn ym03_a_key_stands_once_however_it_is_quoted() {
    assert_eq!(errors("a: 1\nb: 2\na: 3\n"), ["SQ0003"]);
    assert_eq!(errors("1: a\n'1': b\n"), ["SQ0003"]);
    assert_eq!(errors("{a: 1, \"a\": 2}"), ["SQ0003"]);
    assert_eq!(
        shown("a: 1\n'a': 3\n"),
        "\
error[SQ0003]: duplicate key `a`
 --> entities/a.yaml:2:1
  |
1 | a: 1
  | - first here
2 | 'a': 3
  | ^^^
  |
  = help: a key stands once in a mapping; remove or rename one of them"
    );
}

#[test]
fn ym04_only_true_and_false_are_booleans() {
    for text in ["no", "NO", "yes", "on", "off", "'true'", "y", "n"] {
        assert_eq!(node(text).value, Value::String(text.trim_matches('\'').into()), "{text}");
    }
    assert_eq!(node("true").value, Value::Bool(true));
    assert_eq!(node("false").value, Value::Bool(false));
    assert_eq!(errors("True"), ["SQ0006"]);
}

#[test]
fn ym05_ym06_a_number_is_exact_or_an_error() {
    for text in ["0", "42", "-1", "1.10", "9007199254740993", "18446744073709551615", "-9223372036854775808", "0.1"] {
        assert_eq!(node(text).value, Value::Number(text.into()), "{text}");
    }
    let refused = [
        "012",
        "0x10",
        "0o17",
        "0b1",
        "1e3",
        "+1",
        ".5",
        "1.",
        ".inf",
        "-.inf",
        ".nan",
        "18446744073709551616",
        "99999999999999999999999",
        "-0",
        "-9223372036854775809",
        "1E400",
        "00",
    ];
    for text in refused {
        assert_eq!(errors(text), ["SQ0006"], "{text}");
    }
    assert!(shown("zip: 012").contains("write 12, or \"012\" where text is meant"), "{}", shown("zip: 012"));
    assert!(shown("a: 0x10").contains("write 16, or \"0x10\""));
    // Not a number in YAML 1.2: text, and refused where a number is wanted.
    assert_eq!(node("1_000").value, Value::String("1_000".into()));
}

#[test]
fn ym07_ym08_ym11_anchors_aliases_merge_keys_and_tags_are_refused() {
    let texts =
        ["a: &x 1", "a: !foo b", "a: !!binary aGk=", "a: !!python/object:os.system x", "<<: {a: 1}", "- !!str 1"];
    for text in texts {
        assert_eq!(errors(text), ["SQ0004"], "{text}");
    }
    assert!(!errors("a: &x [*x]").is_empty());
    assert!(!errors("a: *unknown").is_empty());
}

#[test]
fn ym09_a_tab_is_refused_at_its_position() {
    assert_eq!(
        shown("fields:\n\ttotal: integer\n"),
        "\
error[SQ0005]: a tab is not allowed in a YAML file
 --> entities/a.yaml:2:1
  |
2 |     total: integer
  | ^^^^
  |
  = help: use spaces; inside a text write `\\t` in double quotes"
    );
    assert_eq!(errors("a:\tb"), ["SQ0005"]);
}

#[test]
fn ym10_several_documents_are_all_read() {
    let (documents, diagnostics) = read(FileId(0), "a: 1\n---\nb: 2\n...\n---\nc: 3\n");
    assert!(diagnostics.is_empty());
    assert_eq!(documents.len(), 3);
    assert!(read(FileId(0), "# nothing\n").0.is_empty());
    assert!(read(FileId(0), "").1.is_empty());
}

#[test]
fn ym13_utf8_with_bom_and_crlf_is_read_and_the_rest_refused() {
    let text = "\u{feff}ä: ü b \r\nb: 'ß'\r\n";
    let node = node(text);
    let Value::Mapping(entries) = &node.value else { panic!("{node:?}") };
    assert_eq!((at(text, entries[0].key_span), at(text, entries[0].value.span)), ("ä", "ü b"));
    assert_eq!(at(text, entries[1].value.span), "'ß'");
    assert_eq!(at(text, entries[1].value.inner_span(0, 2)), "ß");
    for text in
        ["a\0: 1", "a: b\u{85}c", "a: b\u{2028}c", "a: b\u{2029}c", "a: 1\rb: 2", "a: \u{1b}[0m", "a: \u{feff}b"]
    {
        assert_eq!(errors(text), ["SQ0005"], "{text:?}");
    }
}

#[test]
fn ym15_a_path_is_just_text() {
    assert_eq!(node("include: ../../etc/passwd").get("include").and_then(Node::as_text), Some("../../etc/passwd"));
}

#[test]
fn ym17_an_enum_inside_braces_is_shown_in_quotes_and_read_as_meant() {
    let text = "fields: {status: enum(a, b, c), n: integer}";
    let (documents, _) = read(FileId(0), text);
    assert_eq!(documents[0].get("fields").and_then(|f| f.get("status")).and_then(Node::as_text), Some("enum(a, b, c)"));
    assert_eq!(
        shown(text),
        "\
error[SQ0007]: inside `{…}` the value of `status` ends at the comma
 --> entities/a.yaml:1:18
  |
1 | fields: {status: enum(a, b, c), n: integer}
  |                  ^^^^^^^^^^^^^
  |
  = help: quote it: status: \"enum(a, b, c)\""
    );
}

#[test]
fn an_expression_inside_braces_is_shown_as_an_expression_and_whole() {
    let help = |text: &str| shown(text).lines().last().unwrap_or_default().trim().to_owned();
    for (text, expected) in [
        (
            "input: {subject: concat('Receipt for ', $order.name), text: \"x\"}",
            "= help: write it as subject: {$expr: \"concat('Receipt for ', $order.name)\"}",
        ),
        (
            "input: {amount: minor_units(coalesce($input.amount, $invoice.amount), 'EUR'), id: $a.b}",
            "= help: write it as amount: {$expr: \"minor_units(coalesce($input.amount, $invoice.amount), 'EUR')\"}",
        ),
        (
            "input: {amount: f(g(a, b), h(c, d)), id: $a.b}",
            "= help: write it as amount: {$expr: \"f(g(a, b), h(c, d))\"}",
        ),
        (
            "fields:\n  label: {type: text!, backfill: coalesce(name, 'x')}\n",
            "= help: write it as backfill: {$expr: \"coalesce(name, 'x')\"}",
        ),
        ("- {validate: coalesce(a, b) = c, error: d}", "= help: write it as validate: {$expr: \"coalesce(a, b) = c\"}"),
        ("{status: enum(a, b)!, n: integer}", "= help: quote it: status: \"enum(a, b)!\""),
        ("input: {total: f(a, b) + 1, n: 2}", "= help: write it as total: {$expr: \"f(a, b) + 1\"}"),
        ("- {if: f(a, b), then: []}", "= help: write it as if: {$expr: \"f(a, b)\"}"),
        ("- {call: bill(id = $a, total = 1), as: x}", "= help: quote it: call: \"bill(id = $a, total = 1)\""),
        ("set: {call: coalesce(number, words)}", "= help: write it as call: {$expr: \"coalesce(number, words)\"}"),
        (
            "{message: Too small (at least 1, I think)}",
            "= help: quote it: message: \"Too small (at least 1, I think)\"",
        ),
    ] {
        assert_eq!(help(text), expected, "{text}\n{}", shown(text));
    }
}

#[test]
fn ym17_an_expression_cut_by_a_comment_is_shown_in_quotes() {
    let text = shown("- validate: code LIKE 'A #1'\n");
    assert!(text.starts_with("error[SQ0008]"), "{text}");
    assert!(text.contains("quote it: \"code LIKE 'A #1'\""), "{text}");
    assert_eq!(errors("a: lower(x #y)"), ["SQ0008"]);
    for harmless in ["a: integer!  # in cents", "a: don't stop # don't", "a: f(x) # (why)"] {
        assert!(errors(harmless).is_empty(), "{harmless}");
    }
}

#[test]
fn ym17_a_colon_in_an_expression_is_shown_in_quotes() {
    let text = shown("- validate: label = 'a: b'\n");
    assert!(text.starts_with("error[SQ0009]"), "{text}");
    assert!(text.contains("--> entities/a.yaml:1:13"), "{text}");
    assert!(text.contains("quote it: \"label = 'a: b'\""), "{text}");
    assert_eq!(errors("source: text = {env: NAME}\n"), ["SQ0009"]);
    assert_eq!(errors("x: {b: y = 'b: c'}\n"), ["SQ0009"]);
    assert_eq!(errors("a: [1, 2\n"), ["SQ0001"]);
}

#[test]
fn positions_are_those_of_the_source() {
    let text = "entity: Order\nfields:\n  a: text\n  b:\n    - 'x y'\n    - \"z\\n\"\nempty:\nblock: |\n  one\n  two\n\nlast: [1, {k: v}]\n";
    let node = node(text);
    let entry = |key: &str| node.get(key).unwrap_or_else(|| panic!("{key}"));
    assert_eq!(at(text, entry("fields").span), "a: text\n  b:\n    - 'x y'\n    - \"z\\n\"");
    assert_eq!(at(text, entry("empty").span), "empty");
    assert_eq!(at(text, entry("last").span), "[1, {k: v}]");
    assert_eq!(at(text, entry("block").span), "one\n  two");
    let Value::Sequence(items) = &entry("fields").get("b").unwrap().value else { panic!() };
    assert_eq!(items[0].content_start.map(|start| &text[start as usize..][..3]), Some("x y"));
    assert_eq!(items[1].content_start, None, "an escape moves positions");
}

#[test]
fn keys_are_text() {
    assert_eq!(errors("? [a]\n: 1\n"), ["SQ0011"]);
    assert_eq!(errors("~: 1\n"), ["SQ0011"]);
    assert_eq!(errors(": 1\n"), ["SQ0011"]);
    assert!(node("012: a\ntrue: b\n").get("012").is_some());
}

#[test]
fn ym18_a_value_that_the_other_reader_sees_differently_is_refused_at_its_place() {
    let text = "a: 1\nb: [x, yes]\n";
    let (mut documents, _) = read(FileId(0), text);
    assert!(compare::agree(&documents, text, Span::default()).is_ok());
    let Value::Mapping(entries) = &mut documents[0].value else { panic!() };
    let Value::Sequence(items) = &mut entries[1].value.value else { panic!() };
    items[1].value = Value::Bool(true);
    let disagreement = compare::agree(&documents, text, Span::default()).unwrap_err();
    assert_eq!((disagreement.rule.code, at(text, disagreement.span)), ("SQ0010", "yes"));
    assert!(compare::agree(&documents, "a: [", Span::default()).is_err());
    assert!(compare::agree(&documents, "a: 1\n---\nb: 2\n", Span::default()).is_err());
}

#[test]
fn the_examples_of_the_error_manual_are_true() {
    // The others need a file that is too large, or cannot be made to happen.
    for rule in diagnostics::rules::ALL.iter().filter(|rule| rule.code < "SQ0012") {
        if ["SQ0002", "SQ0010"].contains(&rule.code) {
            continue;
        }
        let mut blocks = rule.explanation.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap());
        assert_eq!(errors(blocks.next().unwrap()).first(), Some(&rule.code), "{}: wrong", rule.code);
        assert_eq!(errors(blocks.next().unwrap()), [""; 0], "{}: right", rule.code);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[-a-z0-9:,{}\\[\\]&*!|>'\"%@`#?~<. \r\n\tüß]{0,80}") {
        let (documents, diagnostics) = read(FileId(0), &text);
        let sources = Sources::new(vec![SourceFile { path: "a.yaml".into(), text: text.clone(), kind: SourceKind::Entities }]);
        for diagnostic in &diagnostics {
            assert!(diagnostics::render(diagnostic, &sources, false).contains(diagnostic.rule.code));
        }
        for document in &documents {
            assert!(text.get(document.span.start as usize..document.span.end as usize).is_some());
        }
    }
}
