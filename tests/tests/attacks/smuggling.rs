//! SQ-10: ten thousand made-up files, whose SQL is read by PostgreSQL's own grammar.
//!
//! Each project is made twice: with hostile texts wherever a text may stand, and with harmless ones. Both must be the
//! statements that the model asked for, and the hostile one must be *the same* statements: equal trees, but for constants.

mod steps;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use pretty_assertions::assert_eq;
use specql_compiler::{compile, internals::sql::render::render_objects};
use specql_tests::grammar::{Grammar, expected};

use crate::{
    grammar::{named, own},
    support::{computed, quoted, said, sources},
};

/// Files in all, and in each project.
const FILES: usize = 10_000;
const FILES_OF_A_PROJECT: usize = 25;
/// Kinds of projects, apart from their texts.
const KINDS: usize = 40;

/// What ends texts, comments, bodies and files, and what starts something behind them.
const PIECES: &[&str] = &[
    "'",
    "''",
    "\\'",
    "\\",
    "\"",
    "$$",
    "$specql$",
    "$specql_1$",
    "$1",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    "\r\n",
    "\t",
    " ",
    "DROP TABLE sales.tb_order",
    "; DROP SCHEMA sales CASCADE; --",
    "'; SELECT pg_sleep(10); --",
    "END;",
    "END $specql$;",
    "COMMIT;",
    "\\! id",
    "\\copy",
    ":x",
    ":'x'",
    "%s",
    "%I",
    "%L",
    "%%",
    "E'",
    "U&'\\0041'",
    "x'41'",
    "::text",
    ")",
    "(",
    "||",
    "{",
    "}",
    "[",
    "]",
    "{{x}}",
    "${x}",
    "$input.note",
    "NULL",
    "é",
    "e\u{301}",
    "\u{1F980}",
    "\u{202E}",
    "\u{200B}",
    "\u{2028}",
    "\u{feff}",
    "\u{7f}",
    "\u{1}",
    "\u{85}",
    "`",
    "~",
    "@",
    "#",
    " #",
    ": ",
    "&a",
    "*a",
    "!x",
    "<<",
    "0",
    "-1",
    "true",
    "no",
];

/// Names that SQL, PL/pgSQL or Rust want for themselves, with what makes each unlike the others.
const NAMES: &[&str] = &[
    "select",
    "order",
    "user",
    "table",
    "end",
    "begin",
    "declare",
    "loop",
    "exit",
    "return",
    "type",
    "fn",
    "match",
    "self_",
    "note",
    "total",
    "current_user",
    "null_",
    "true_",
    "input",
    "jobs_",
    "row",
    "t",
    "k",
    "result",
    "e",
    "old",
    "new",
    "found",
    "sqlstate",
    "a_name_so_long_that_what_is_made_of_it_must_be_cut",
];

struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % end
    }
}

/// The texts of a project, in the order in which they are asked for.
enum Texts {
    Hostile(Random),
    Harmless,
}

impl Texts {
    /// A text, never an empty one; the number keeps two members of an enum apart.
    fn next(&mut self, number: usize) -> String {
        match self {
            Self::Harmless => format!("x{number}"),
            Self::Hostile(random) => {
                let pieces: String = (0..=random.below(5)).map(|_| PIECES[random.below(PIECES.len())]).collect();
                format!("{pieces}{number}{}", PIECES[random.below(PIECES.len())])
            }
        }
    }

    /// In YAML's double quotes.
    fn yaml(&mut self, number: usize) -> String {
        quoted(&self.next(number))
    }

    /// The same where `{$` begins a path.
    fn template(&mut self, number: usize) -> String {
        quoted(&self.next(number).replace("{$", "{{$"))
    }

    /// A literal of an expression.
    fn literal(&mut self, number: usize) -> String {
        format!("'{}'", self.next(number).replace('\'', "''"))
    }
}

/// One entity file.
fn file(number: usize, kind: &mut Random, texts: &mut Texts) -> String {
    let name =
        |kind: &mut Random, suffix: &str| format!("{}_{suffix}", NAMES[kind.below(NAMES.len())].trim_end_matches('_'));
    let (text, state) = (name(kind, "a"), name(kind, "b"));
    let schema = ["sales", "crm", "public", "select", "order"][kind.below(5)];
    let action = name(kind, &format!("act{number}"));
    let bound = name(kind, "v");
    let mut out = format!("entity: E{number}\nschema: {schema}\ndescription: {}\nfields:\n", texts.yaml(0));
    out += &format!("  {text}: {{type: text, default: {}, description: {}}}\n", texts.yaml(1), texts.yaml(2));
    let (one, two) = (texts.literal(3), texts.literal(4));
    out += &format!("  {state}: {}\n", quoted(&format!("enum({one}, {two}) = {one}")));
    if kind.below(2) == 0 {
        out += &format!("  document_c: {{type: json, default: {{{}: [{}]}}}}\n", texts.yaml(5), texts.yaml(6));
    }
    if kind.below(2) == 0 {
        out += &format!("  short_d: {}\n", quoted(&format!("text = {}", texts.literal(7))));
    }
    // Each file has the later half of the language or the earlier one: all of it in all would take minutes.
    let later = kind.below(2) == 0;
    if later {
        out += &steps::fields(texts);
        out += &steps::head(number, schema, texts);
        out += "actions:\n";
        out += &steps::actions(number, schema, &text, kind, texts);
        return out;
    }
    out += &format!(
        "actions:\n  - name: {action}\n    description: {}\n    input: {{{text}: text!}}\n    steps:\n",
        texts.yaml(8)
    );
    let condition = quoted(&format!(
        "$input.{text} <> {} OR $input.{text} IN ({}, {})",
        texts.literal(9),
        texts.literal(10),
        texts.literal(11)
    ));
    out += &format!("      - validate: {condition}\n        error: refused\n        message: {}\n", texts.template(12));
    let value = computed(&format!("concat($input.{text}, {}, {})", texts.literal(13), texts.literal(14)));
    out += &format!("      - insert: E{number}\n        values: {{{text}: {value}}}\n        as: {bound}\n");
    let update = quoted(&format!(
        "E{number} SET {text} = {} || {text} WHERE {text} LIKE {}",
        texts.literal(15),
        texts.literal(16)
    ));
    out += &format!("      - update: {update}\n");
    match kind.below(3) {
        0 => {
            let condition = quoted(&format!("${bound}.{text} = {}", texts.literal(17)));
            out += &format!("      - if: {condition}\n        then:\n          - reject: no\n");
        }
        1 => {
            let condition = quoted(&format!(
                "CASE WHEN ${bound}.{text} = {} THEN {} ELSE 'z' END = 'z'",
                texts.literal(18),
                texts.literal(19)
            ));
            out += &format!("      - validate: {condition}\n        error: refused_again\n");
        }
        _ => {}
    }
    let (channel, sent, key) = (computed(&texts.literal(20)), texts.template(21), computed(&texts.literal(22)));
    let after = quoted(&format!("E{number} SET {text} = coalesce($output.ts, {})", texts.literal(23)));
    out += &format!(
        "      - call_service:\n          service: slack\n          operation: post_message\n          input: {{channel: {channel}, text: {sent}}}\n          idempotency_key: {key}\n          on_success:\n            - update: {after}\n"
    );
    for standard in ["create", "update", "delete"] {
        if kind.below(3) == 0 {
            out += &format!("  - name: {standard}_e{number}\n    description: {}\n", texts.yaml(24));
        }
    }
    out
}

/// The files of a project. Its kind decides about all but the texts.
fn project(kind: usize, mut texts: Texts) -> Vec<(String, String)> {
    let mut random = Random::new(kind);
    let path = |number: usize, texts: &mut Texts| match texts {
        // A path stands in comments.
        Texts::Hostile(_) => format!("entities/{number:02} it's $specql$ */ -- \n; DROP.yaml"),
        Texts::Harmless => format!("entities/{number:02}.yaml"),
    };
    let mut files: Vec<_> = (0..FILES_OF_A_PROJECT)
        .map(|number| (path(number, &mut texts), file(number, &mut random, &mut texts)))
        .collect();
    files.push(("registry/domain_registry.yaml".to_owned(), steps::domains(&mut texts)));
    files
}

/// The project's statements: what their trees are, apart from constants.
fn shapes(grammar: &mut Grammar, files: &[(String, String)]) -> Vec<(String, String, String)> {
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let compilation = compile(&sources(&files));
    assert!(!compilation.has_errors(), "{:#?}", said(&files));
    let own = own(&compilation);
    let sql = render_objects(&own);
    let statements = grammar.statements(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let meant: Vec<_> = own.iter().flat_map(expected).collect();
    assert_eq!(named(&statements), meant);
    statements.into_iter().map(|it| (it.kind, it.name, it.shape)).collect()
}

/// SQ-10: every generated file parsed by pglast; the statements are those expected, for 10,000 fuzzed files.
#[test]
fn sq_10_nothing_is_smuggled_into_the_sql_of_ten_thousand_files() {
    let next = AtomicUsize::new(0);
    let seen = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut grammar = Grammar::start();
                loop {
                    let kind = next.fetch_add(1, Ordering::Relaxed);
                    if kind >= KINDS {
                        return;
                    }
                    let harmless = shapes(&mut grammar, &project(kind, Texts::Harmless));
                    for round in 0..FILES / FILES_OF_A_PROJECT / KINDS {
                        let texts = Texts::Hostile(Random::new(1_000 + kind * 1_000 + round));
                        assert_eq!(shapes(&mut grammar, &project(kind, texts)), harmless);
                        seen.fetch_add(FILES_OF_A_PROJECT, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(seen.load(Ordering::Relaxed), FILES);
}
