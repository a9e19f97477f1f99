//! YM: what a file may hold.

use std::time::{Duration, Instant};

use specql_compiler::{
    FileId,
    internals::{
        rust,
        source::yaml::{self, MAX_BYTES, MAX_DEPTH, MAX_NODES},
    },
};

use crate::support::{codes, codes_of, compiled, said, said_of, sql_of};

/// What one reading of a text may take. A hundredth of this is usual; minutes are what the attack wants.
const AT_ONCE: Duration = Duration::from_secs(2);

fn refused_at_once(text: &str, code: &str, shown: &str) {
    let started = Instant::now();
    let (_, found) = yaml::read(FileId(0), text);
    let taken = started.elapsed();
    assert!(found.iter().any(|one| one.rule.code == code), "{shown}: {:?}", found.first());
    assert!(found.len() < 100, "{shown}: {} diagnostics", found.len());
    assert!(taken < AT_ONCE, "{shown}: {taken:?}");
    // Wherever the file stands, it is refused by the same budget.
    for path in ["entities/a.yaml", "registry/service_registry.yaml", "registry/domain_registry.yaml"] {
        assert!(codes_of(&[(path, text)]).contains(&code.to_owned()), "{path}: {shown}");
    }
}

/// YM-01: billion laughs, a million keys, a 10 MB scalar [refused by budget].
#[test]
fn ym_01_what_is_too_large_is_refused_at_once() {
    let million: String = (0..1_000_000).map(|i| format!("k{i}: 1\n")).collect();
    refused_at_once(&million, "SQ0002", "a million keys");
    refused_at_once(&format!("a: {}\n", "x".repeat(10_000_000)), "SQ0002", "a scalar of 10 MB");
    refused_at_once(&format!("a: \"{}\"\n", "\\n".repeat(5_000_000)), "SQ0002", "a scalar of 10 MB in escapes");
    // Within the bytes, but not within the nodes.
    let many: String = (0..MAX_NODES).map(|i| format!("k{i}: 1\n")).collect();
    assert!(many.len() < MAX_BYTES);
    refused_at_once(&many, "SQ0002", "too many nodes");
    refused_at_once(&format!("[{}]", ",".repeat(MAX_BYTES - 2)), "SQ0001", "nothing but commas");
    refused_at_once(&format!("a: [{}]", "a,".repeat(MAX_BYTES / 2 - 10)), "SQ0002", "half a million elements");
    refused_at_once(&"---\n".repeat(MAX_BYTES / 4), "SQ0002", "a quarter of a million documents");
}

/// YM-01, the billion laughs: nothing is expanded, for nothing can be named.
#[test]
fn ym_01_a_billion_laughs_are_not_laughed() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let before = level - 1;
        let ten = vec![format!("*a{before}"); 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{ten}]\n");
    }
    let started = Instant::now();
    let (_, found) = yaml::read(FileId(0), &laughs);
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert!(!found.is_empty() && found.iter().all(|one| one.rule.code == "SQ0004"), "{found:?}");
}

/// YM-02: depth 100k [refused; no stack overflow].
#[test]
fn ym_02_depth_is_refused_without_recursion() {
    let deep = 100_000;
    for opening in ["[", "{a: ", "- ", "? ", "{", "[[", "- ? ", "a:\n- "] {
        refused_at_once(&opening.repeat(deep), "SQ0002", opening);
    }
    // Block mappings, each a space deeper than the one above it.
    let indented: String = (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    refused_at_once(&indented, "SQ0002", "indentation");
    let just = format!(
        "entity: A\nfields: {{j: {{type: json, default: {}{}}}}}\n",
        "[".repeat(MAX_DEPTH - 3),
        "]".repeat(MAX_DEPTH - 3)
    );
    assert_eq!(said_of(&just), [""; 0]);
    // A text is no YAML depth, yet it is parsed: an expression, a type, a default, a template.
    let many = 20_000;
    let (open, close) = ("(".repeat(many), ")".repeat(many));
    for text in [
        format!("entity: A\nfields: {{x: \"{}text{close}\"}}\n", "list(".repeat(many)),
        format!("entity: A\nfields: {{x: \"json = {}{}\"}}\n", "[".repeat(many), "]".repeat(many)),
        format!(
            "entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"{open}x{close} = 1\"}}]}}]\n"
        ),
        format!(
            "entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"{}TRUE\"}}]}}]\n",
            "NOT ".repeat(many)
        ),
        format!(
            "entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"x {} = 1\"}}]}}]\n",
            "+ 1 ".repeat(many)
        ),
        format!(
            "entity: A\nfields: {{x: integer}}\nactions: [{{name: b, steps: [{{validate: \"{}1{}\"}}]}}]\n",
            "CASE WHEN TRUE THEN ".repeat(many),
            " END".repeat(many)
        ),
    ] {
        let shown = &text[..60];
        assert!(!codes(&text).is_empty(), "{shown}");
    }
}

/// YM-03: duplicate keys, also `1:` beside `'1':` [error at the second].
#[test]
fn ym_03_a_second_key_is_an_error_where_it_stands() {
    for (text, place) in [
        ("entity: A\nentity: B\n", "entities/a.yaml:2:1"),
        ("entity: A\n\"entity\": B\n", "entities/a.yaml:2:1"),
        ("entity: A\nfields:\n  x: text\n  x: integer\n", "entities/a.yaml:4:3"),
        ("entity: A\nfields: {x: text, 'x': integer}\n", "entities/a.yaml:2:19"),
        ("entity: A\nfields:\n  j: {type: json, default: {1: a, '1': b}}\n", "entities/a.yaml:3:35"),
        ("entity: A\nfields:\n  j: {type: json, default: {true: a, \"true\": b}}\n", "entities/a.yaml:3:38"),
        ("entity: A\nfields:\n  j: {type: json, default: {a: 1, \"\\x61\": 2}}\n", "entities/a.yaml:3:35"),
    ] {
        let said = said_of(text);
        assert!(said.iter().any(|line| line.starts_with(&format!("{place} SQ0003 "))), "{text}{said:#?}");
    }
    // A mapping inside a text is one too.
    let json = "entity: A\nfields:\n  j: 'json = {\"a\": 1, \"a\": 2}'\n";
    assert!(!said_of(json).is_empty(), "one of the two values would be lost");
}

/// YM-04: Norway: no, NO, yes, on, off, 'true' [strings; only true and false are booleans].
#[test]
fn ym_04_norway_is_a_country() {
    for word in ["no", "NO", "No", "yes", "YES", "on", "ON", "off", "y", "n", "Y", "N", "'true'", "\"false\""] {
        let sql = sql_of(&format!("entity: A\nfields: {{x: {{type: text, default: {word}}}}}\n"));
        let text = word.trim_matches(['\'', '"']);
        assert!(sql.contains(&format!("x TEXT DEFAULT '{text}'")), "{word}: {sql}");
        let boolean = codes(&format!("entity: A\nfields: {{x: {{type: boolean, default: {word}}}}}\n"));
        assert_eq!(boolean, ["SQ0112"], "{word}");
    }
    let country = sql_of("entity: A\nfields: {x: \"enum(no, yes, on, off) = no\"}\n");
    assert!(country.contains("DEFAULT 'no'"), "{country}");
    for word in ["True", "TRUE", "False", "FALSE"] {
        assert_eq!(
            codes(&format!("entity: A\nfields: {{x: {{type: text, default: {word}}}}}\n")),
            ["SQ0006"],
            "{word}"
        );
    }
    for (word, sql) in [("true", "TRUE"), ("false", "FALSE")] {
        let made = sql_of(&format!("entity: A\nfields: {{x: {{type: boolean, default: {word}}}}}\n")).to_uppercase();
        assert!(made.contains(&format!("X BOOLEAN DEFAULT {sql}")), "{word}: {made}");
    }
}

/// YM-05: `012`, `1_000`, `0x10` where a number is wanted [error, with the form to write].
#[test]
fn ym_05_a_number_of_several_readings_is_refused_with_the_form_to_write() {
    for (written, code, form) in [
        ("012", "SQ0006", "12"),
        ("-012", "SQ0006", "-12"),
        ("0x10", "SQ0006", "16"),
        ("0o17", "SQ0006", "15"),
        ("0b11", "SQ0006", "3"),
        ("1_000", "SQ0112", "1000"),
    ] {
        let said = said_of(&format!("entity: A\nfields: {{x: {{type: integer, default: {written}}}}}\n"));
        let first = said.first().map(String::as_str).unwrap_or_default();
        assert!(first.starts_with(&format!("entities/a.yaml:2:38 {code} ")), "{written}: {said:#?}");
        assert!(first.contains(form), "{written}: {said:#?}");
        let short = said_of(&format!("entity: A\nfields: {{x: integer = {written}}}\n"));
        assert!(short.iter().any(|line| line.contains("SQ0112")), "{written}: {short:#?}");
    }
    let retries = said_of(
        "entity: A\nactions: [{name: a, steps: [{call_service: {service: slack, operation: post_message, input: {channel: \"x\", text: \"y\"}, max_retries: 0x10}}]}]\n",
    );
    assert!(retries.iter().any(|line| line.contains("SQ0006") && line.contains("16")), "{retries:#?}");
}

/// YM-06: 2^64, 23 digits, 2^53+1, 1.10, .inf, .nan [exact or an error; never another value].
#[test]
fn ym_06_a_number_is_exact_or_an_error() {
    let default = |ty: &str, value: &str| format!("entity: A\nfields: {{x: {{type: {ty}, default: {value}}}}}\n");
    for (ty, value, sql) in [
        ("bigint", "9007199254740993", "x BIGINT DEFAULT 9007199254740993"),
        ("bigint", "-9007199254740993", "-9007199254740993"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("bigint", "-9223372036854775808", "9223372036854775808"),
        ("decimal", "1.10", "1.10"),
        ("\"decimal(28,2)\"", "1.10", "1.10"),
        ("decimal", "0.1234567890123456789012345678", "0.1234567890123456789012345678"),
        ("money", "1.10", "1.10"),
        ("json", "{a: 9007199254740993}", "{\"a\":9007199254740993}"),
    ] {
        let made = sql_of(&default(ty, value));
        assert!(made.contains(sql), "{ty} {value}: {made}");
    }
    for (ty, value) in [
        ("bigint", "18446744073709551616"),
        ("bigint", "18446744073709551615"),
        ("bigint", "9223372036854775808"),
        ("bigint", "12345678901234567890123"),
        ("integer", "2147483648"),
        ("integer", "1.10"),
        ("float", ".inf"),
        ("float", "-.inf"),
        ("float", ".nan"),
        ("decimal", ".nan"),
        ("money", "-1"),
        ("money", "0.00001"),
        ("json", "{a: 12345678901234567890123}"),
        ("json", "{a: 18446744073709551616}"),
        ("json", ".inf"),
        ("json", "{a: 0.12345678901234567890123}"),
        ("json", "[100000000000000000000.5]"),
    ] {
        assert!(!codes(&default(ty, value)).is_empty(), "{ty} {value}: {}", sql_of(&default(ty, value)));
    }
    for value in ["18446744073709551616", "12345678901234567890123", "1e400", "NaN"] {
        let short = format!("entity: A\nfields: {{x: bigint = {value}}}\n");
        assert!(!codes(&short).is_empty(), "{value}");
    }
    // A float holds what it can: either the very digits go out, or the nearest double's.
    let float = sql_of(&default("float", "0.1"));
    assert!(float.contains("DEFAULT 0.1"), "{float}");
}

/// YM-07, YM-08, YM-11: merge keys, anchors, aliases, tags, and an anchor that holds itself [refused].
#[test]
fn ym_07_ym_08_ym_11_what_yaml_can_do_besides_data_is_refused() {
    for (text, found) in [
        ("entity: A\n<<: {schema: s}\n", 1),
        ("entity: A\nfields: &f {x: text}\n", 1),
        ("entity: A\nfields: {x: &a text, y: *a}\n", 2),
        ("entity: A\nfields: {<<: *a}\n", 1),
        ("entity: !!python/object/apply:os.system [id]\n", 1),
        ("entity: !foo A\n", 1),
        ("entity: A\ndescription: !!binary aGk=\n", 1),
        ("entity: A\ndescription: !!str 1\n", 1),
        ("entity: A\nfields: !!omap {x: text}\n", 1),
        ("entity: A\nfields: &f {x: *f}\n", 2),
        ("&root entity: *root\n", 2),
        ("%TAG ! tag:evil.example,2000:\n---\nentity: !x A\n", 1),
    ] {
        let said = said_of(text);
        assert!(said.iter().filter(|line| line.contains(" SQ0004 ")).count() >= found, "{text}{said:#?}");
    }
    // Quoted they are a text like any other.
    let sql = sql_of("entity: A\nfields: {x: {type: text, default: '&a *b !c <<'}}\n");
    assert!(sql.contains("'&a *b !c <<'"), "{sql}");
}

/// YM-09: tab indentation [refused with its position].
#[test]
fn ym_09_a_tab_is_refused_with_its_position() {
    for (text, place) in [
        ("entity: A\nfields:\n\tx: text\n", "3:1"),
        ("entity: A\nfields:\n  x:\ttext\n", "3:5"),
        ("entity: A\t\n", "1:10"),
        ("entity: A\nfields: {x: text}\t# why\n", "2:18"),
        ("entity: A\ndescription: |\n  a\tb\n", "3:4"),
    ] {
        let said = said_of(text);
        assert!(said[0].starts_with(&format!("entities/a.yaml:{place} SQ0005 ")), "{text:?}: {said:#?}");
    }
}

/// YM-10: several documents [read in an entity file; refused in a registry file].
#[test]
fn ym_10_documents_are_entities_and_a_registry_is_one() {
    let three = "entity: A\n---\nentity: B\n...\n---\n# nothing\n---\nentity: C\n";
    let names: Vec<_> = compiled(&[("entities/a.yaml", three)]).model.entities.iter().map(|e| e.name.clone()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    let two = said(&[("registry/service_registry.yaml", "services: []\n---\nservices: []\n")]);
    assert!(two[0].starts_with("registry/service_registry.yaml:2:1 SQ0012") || two[0].contains(" SQ0012 "), "{two:#?}");
}

/// YM-13: BOM, UTF-16, NUL, CRLF, NEL/LS/PS, trailing spaces.
#[test]
fn ym_13_utf_8_with_or_without_bom_is_read_and_the_rest_refused_with_a_sentence() {
    let plain = "entity: A\nfields:\n  x: text\n";
    let (same, crlf) = (sql_of(plain), plain.replace('\n', "\r\n"));
    for text in [format!("\u{feff}{plain}"), crlf.clone(), format!("\u{feff}{crlf}"), plain.replace('\n', "   \n")] {
        assert_eq!(sql_of(&text), same, "{text:?}");
    }
    let utf_16: String = plain.chars().flat_map(|c| [c, '\0']).collect();
    for (text, words) in [
        (utf_16, "UTF-16"),
        ("entity: A\0\n".to_owned(), "NUL"),
        ("entity: A\u{85}schema: b\n".to_owned(), "U+0085"),
        ("entity: A\u{2028}schema: b\n".to_owned(), "U+2028"),
        ("entity: A\u{2029}schema: b\n".to_owned(), "U+2029"),
        ("entity: A\rschema: b\n".to_owned(), "carriage return"),
        ("entity: A\n---\n\u{feff}entity: B\n".to_owned(), "byte order mark"),
        ("entity: \u{1b}[31mA\n".to_owned(), "control character"),
        ("entity: \u{fffd}A\n".to_owned(), "U+FFFD"),
    ] {
        let said = said_of(&text);
        assert_eq!(said.len(), 1, "{text:?}: {said:#?}");
        assert!(said[0].contains(" SQ0005 ") && said[0].contains(words), "{text:?}: {said:#?}");
    }
    // An escape makes a NUL as well, which no server can store.
    assert!(!said_of("entity: A\nfields: {x: {type: text, default: \"a\\0b\"}}\n").is_empty());
    assert!(!said_of("entity: A\nfields: {x: {type: json, default: {a: \"a\\0b\"}}}\n").is_empty());
    assert!(!said_of("entity: A\nfields: {x: {type: json, default: {\"a\\0b\": 1}}}\n").is_empty());
    assert!(!said_of("entity: A\ndescription: \"a\\0b\"\n").is_empty());
}

/// YM-14: quoted numbers where a number is wanted, numbers where text is wanted [one rule, both ways].
#[test]
fn ym_14_a_number_is_never_quoted_and_a_text_may_look_like_one_only_in_quotes() {
    for ty in ["integer", "bigint", "float", "decimal", "money"] {
        for value in ["'5'", "\"5\""] {
            let said = said_of(&format!("entity: A\nfields: {{x: {{type: {ty}, default: {value}}}}}\n"));
            assert!(said.len() == 1 && said[0].contains(" SQ0112 "), "{ty} {value}: {said:#?}");
            assert!(said[0].contains("without quotes"), "{ty} {value}: {said:#?}");
        }
        assert_eq!(said_of(&format!("entity: A\nfields: {{x: {{type: {ty}, default: 5}}}}\n")), [""; 0], "{ty}");
    }
    for ty in ["text", "email", "\"enum('5', b)\""] {
        let said = said_of(&format!("entity: A\nfields: {{x: {{type: {ty}, default: 5}}}}\n"));
        assert!(said.len() == 1 && said[0].contains(" SQ0112 "), "{ty}: {said:#?}");
    }
    assert_eq!(said_of("entity: A\nfields: {x: {type: text, default: '5'}}\n"), [""; 0]);
    let name = said_of("entity: A\nfields: {x: 5}\n");
    assert!(name.len() == 1 && name[0].contains("SQ0111"), "{name:#?}");
    for (description, fine) in [("5", false), ("'5'", true), ("true", false), ("1.10", false)] {
        let said = said_of(&format!("entity: A\ndescription: {description}\n"));
        assert_eq!(said.is_empty(), fine, "{description}: {said:#?}");
    }
}

/// YM-15: `include:`, `file:` or `../../etc/passwd` anywhere [just text or an unknown key; nothing is opened].
#[test]
fn ym_15_a_path_is_just_text() {
    for key in ["include", "file", "$ref", "extends", "import", "!include"] {
        let said = said_of(&format!("entity: A\n'{key}': ../../etc/passwd\n"));
        assert!(said.len() == 1 && said[0].starts_with("entities/a.yaml:2:1 SQ0132 "), "{key}: {said:#?}");
        let field = said_of(&format!("entity: A\nfields: {{x: {{type: text, '{key}': /etc/passwd}}}}\n"));
        assert!(field.len() == 1 && field[0].contains(" SQ0132 "), "{key}: {field:#?}");
    }
    for path in
        ["../../etc/passwd", "file:///etc/passwd", "/etc/passwd", "@/etc/passwd", "${HOME}", "$(id)", "~/.pgpass"]
    {
        let sql = sql_of(&format!("entity: A\nfields: {{x: {{type: text, default: '{path}'}}}}\n"));
        assert!(sql.contains(&format!("DEFAULT '{path}'")), "{path}: {sql}");
    }
    assert!(!said_of("entity: ../../etc/passwd\n").is_empty());
    assert!(!said_of("entity: A\nfields: {x: ../../etc/passwd}\n").is_empty());
    assert!(!said_of("entity: A\nfields: {x: \"ref(../../etc/passwd)\"}\n").is_empty());
    assert!(!said(&[("registry/service_registry.yaml", "include: ../../etc/passwd\n")]).is_empty());
}

/// YM-16: names that differ by case or Unicode form only, over several files; a service named like a keyword.
#[test]
fn ym_16_names_that_look_alike_collide_over_files() {
    for (one, other) in [("Order", "ORDER"), ("HttpOrder", "HTTPOrder"), ("OrderV2", "OrderV2")] {
        let (one, other) = (format!("entity: {one}\n"), format!("entity: {other}\n"));
        let said = said(&[("entities/a.yaml", &one), ("entities/b/c.yaml", &other)]);
        assert!(said.len() == 1 && said[0].starts_with("entities/b/c.yaml:1:9 SQ0138 "), "{said:#?}");
    }
    // NFC and NFD, full width, a homograph, the long s and the Kelvin sign that fold to ASCII, a soft hyphen.
    for name in
        ["Caf\u{e9}", "Cafe\u{301}", "\u{ff2f}rder", "\u{41e}rder", "Cu\u{17f}tomer", "\u{212a}ey", "Or\u{ad}der"]
    {
        assert_eq!(codes(&format!("entity: {name}\n")), ["SQ0136"], "{name}");
        assert_eq!(
            codes(&format!("entity: A\nfields: {{\"{}\": text}}\n", name.to_lowercase())).first().map(String::as_str),
            Some("SQ0136").filter(|_| !name.to_lowercase().is_ascii()),
            "{name}"
        );
        assert_eq!(codes(&format!("entity: A\nschema: \"x{name}\"\n")), ["SQ0136"], "{name}");
    }
    for (one, other) in [("total", "Total"), ("total", "TOTAL"), ("user_id", "userId")] {
        assert!(!codes(&format!("entity: A\nfields: {{{one}: text, {other}: text}}\n")).is_empty(), "{one} {other}");
    }
    let same = said(&[
        ("registry/a.yaml", "services: [{name: crm}]\n"),
        ("registry/b.yaml", "services: [{name: CRM}]\n"),
        ("registry/c.yaml", "services: [{name: crm}]\n"),
    ]);
    assert!(same.iter().any(|line| line.starts_with("registry/b.yaml") && line.contains("SQ0514")), "{same:#?}");
    assert!(same.iter().any(|line| line.starts_with("registry/c.yaml") && line.contains("SQ0504")), "{same:#?}");
}

/// YM-16, the keyword: it works, in SQL and in Rust.
#[test]
fn ym_16_a_service_may_be_named_like_a_keyword() {
    for word in ["type", "match", "async", "select", "order", "fn", "loop", "user", "try"] {
        let registry = format!(
            "services:\n  - name: {word}\n    runner_config: {{base_url: \"https://a.example.eu\"}}\n    operations: [{{name: {word}, path: /x, method: POST, input_schema: {{{word}: text}}}}]\n"
        );
        let entity = format!(
            "entity: A\nfields: {{{word}: text}}\nactions:\n  - name: run\n    steps:\n      - call_service: {{service: {word}, operation: {word}, input: {{{word}: {word}}}}}\n"
        );
        let project = compiled(&[("entities/a.yaml", &entity), ("registry/service_registry.yaml", &registry)]);
        let code = rust::emit(&project.model, &rust::ProjectParts::default());
        assert!(code.contains("pub mod enqueue"), "{word}");
    }
}

/// YM-17: three traps of YAML, each with a diagnostic of its own that shows the quoted form.
#[test]
fn ym_17_traps_have_diagnostics_of_their_own() {
    for (text, place, code, quoted) in [
        ("entity: A\nfields: {status: enum(a, b)}\n", "2:18", "SQ0007", "status: \"enum(a, b)\""),
        ("entity: A\nfields: {x: decimal(10,2), y: \"list(text)\", z: decimal(6, 2)}\n", "", "SQ0007", "decimal("),
        (
            "entity: A\nfields: {x: text}\nactions: [{name: a, steps: [{validate: \"x = 'a'\"}, {update: A SET x = f(1, 2)}]}]\n",
            "3:61",
            "SQ0007",
            "\"A SET x = f(1, 2)\"",
        ),
        (
            "entity: A\nfields: {x: text}\nactions:\n  - name: a\n    steps:\n      - validate: x LIKE 'A #1'\n",
            "6:19",
            "SQ0008",
            "\"x LIKE 'A #1'\"",
        ),
        (
            "entity: A\nfields: {x: text}\nactions:\n  - name: a\n    steps:\n      - validate: x = 'a: b'\n",
            "6:19",
            "SQ0009",
            "\"x = 'a: b'\"",
        ),
    ] {
        let said = said_of(text);
        let found = said.iter().find(|line| line.contains(&format!(" {code} ")));
        let found = found.unwrap_or_else(|| panic!("{text}{said:#?}"));
        assert!(found.contains(quoted) && found.contains(place), "{text}{said:#?}");
    }
}

/// YM-18: the two YAML readers disagree [error, never a guess].
#[test]
fn ym_18_what_two_readers_read_differently_is_refused() {
    for key in ["0x10", "0o7", "True", "FALSE", ".inf", ".nan", "99999999999999999999999", "1.5: a, 1.50"] {
        let text = format!("entity: A\nfields: {{x: {{type: json, default: {{{key}: a}}}}}}\n");
        let said = said_of(&text);
        assert!(said.len() == 1 && said[0].contains(" SQ0010 "), "{text}{said:#?}");
        let registry = said_of_registry(&format!("services: [{{{key}: a}}]\n"));
        assert!(registry.iter().any(|line| line.contains(" SQ0010 ")), "{key}: {registry:#?}");
    }
    // In quotes there is but one reading.
    for key in ["'0x10'", "\"True\"", "'.inf'"] {
        assert_eq!(
            codes(&format!("entity: A\nfields: {{x: {{type: json, default: {{{key}: a}}}}}}\n")),
            [""; 0],
            "{key}"
        );
    }
}

fn said_of_registry(text: &str) -> Vec<String> {
    said(&[("registry/service_registry.yaml", text)])
}

/// YM-12: unknown keys such as `privileged: true`, at every level [error, did you mean].
#[test]
fn ym_12_an_unknown_key_is_refused_at_every_level() {
    let act =
        |step: &str| format!("entity: A\nfields: {{x: text}}\nactions:\n  - name: act\n    steps:\n      - {step}\n");
    let call = |extra: &str| {
        act(&format!(
            "call_service: {{service: slack, operation: post_message, input: {{channel: \"x\", text: \"y\"}}{extra}}}"
        ))
    };
    for text in [
        "entity: A\nprivileged: true\n".to_owned(),
        "entity: {name: A, privileged: true}\n".to_owned(),
        "entity: A\nfields: {x: {type: text, privileged: true}}\n".to_owned(),
        "entity: A\nactions: [{name: act, privileged: true, steps: [{reject: no}]}]\n".to_owned(),
        act("{validate: \"x = 'a'\", privileged: true}"),
        act("{insert: A, privileged: true}"),
        act("{update: \"A SET x = 'a'\", privileged: true}"),
        act("{if: \"x = 'a'\", then: [{reject: no}], privileged: true}"),
        act("{if: \"x = 'a'\", then: [{reject: no, privileged: true}]}"),
        act("{reject: no, privileged: true}"),
        act("{privileged: true}"),
        call(", privileged: true"),
        call(", on_success: [{reject: no, privileged: true}]"),
    ] {
        let said = said_of(&text);
        assert!(said.iter().any(|line| line.contains("SQ0132") || line.contains("SQ0201")), "{text}{said:#?}");
        assert!(said.iter().any(|line| line.contains("`privileged`")), "{text}{said:#?}");
    }
    let unknown_input = said_of(&call(", input_: {}"));
    assert!(unknown_input[0].contains("did you mean `input`?"), "{unknown_input:#?}");
    let service = |text: &str| format!("services:\n  - name: crm\n    {text}\n");
    for text in [
        "privileged: true\n".to_owned(),
        service("privileged: true"),
        service("runner_config: {privileged: true}"),
        service("security_policy: {privileged: true}"),
        service("retry: {privileged: true}"),
        service("environments: {dev: {privileged: true}}"),
        service("environments: {dev: {security_policy: {privileged: true}}}"),
        service("operations: [{name: go, privileged: true}]"),
    ] {
        let said = said_of_registry(&text);
        assert!(said.iter().any(|line| line.contains("SQ0501") && line.contains("`privileged`")), "{text}{said:#?}");
    }
    let settings = said(&[("specql.toml", "privileged = true\nentites = \"x\"\n")]);
    assert!(settings.iter().all(|line| line.contains(" SQ0021 ")) && settings.len() == 2, "{settings:#?}");
    assert!(settings[1].contains("did you mean `entities`?"), "{settings:#?}");
    let domains = said(&[("registry/domain_registry.yaml", "domains: {}\nprivileged: true\n")]);
    assert!(domains.iter().any(|line| line.contains("SQ0132") && line.contains("`privileged`")), "{domains:#?}");
}
