//! A short run of the fuzz targets in every run of the tests: the corpus, and seeded mutations of it. `cargo fuzz` finds new
//! paths; this one keeps those that are known.
//!
//! `SPECQL_FUZZ_RUNS=100000 SPECQL_FUZZ_SEED=7 cargo test -p specql-compiler --test fuzz` looks further without cargo-fuzz.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    env, fs, panic,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

#[path = "../fuzz/bodies.rs"]
mod bodies;

type Body = fn(&[u8]);

/// What one input may take, unoptimised and on a busy machine. Linear work on [`LONGEST`] bytes is a hundredth of it.
const DEADLINE: Duration = Duration::from_secs(10);
/// The longest mutated input.
const LONGEST: usize = 8 << 10;
/// Mutations of each target in an ordinary run.
const RUNS: u64 = 100;

/// xorshift64*: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All YAML that the repository holds, in the order of paths: entity files and registry files.
fn fixtures() -> (Vec<String>, Vec<String>) {
    let mut waiting = vec![repository()];
    let mut paths = Vec::new();
    while let Some(folder) = waiting.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let ours =
                    !name.starts_with('.') && !["target", "node_modules", "corpus", "artifacts"].contains(&&*name);
                waiting.extend(Some(path).filter(|_| ours));
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.filter(|text| text.len() <= LONGEST).partition(|text| !text.contains("services:"))
}

/// The tokens of the fuzzers' dictionary.
fn dictionary() -> Vec<Vec<u8>> {
    let lines = include_str!("../fuzz/dictionary.txt").lines().filter(|line| line.starts_with('"'));
    lines.map(|line| unescaped(&line.as_bytes()[1..line.len() - 1])).collect()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            (b'\\', Some(b'x')) => {
                let hex = std::str::from_utf8(&text[at + 2..at + 4]).unwrap();
                out.push(u8::from_str_radix(hex, 16).unwrap());
                at += 4;
            }
            (b'\\', Some(&escaped)) => {
                out.push(escaped);
                at += 2;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// A few changes to an input: tokens put in and taken out, pieces doubled, moved, and taken from other inputs.
fn mutated(random: &mut Random, corpus: &[Vec<u8>], dictionary: &[Vec<u8>]) -> Vec<u8> {
    let mut data = random.pick(corpus).clone();
    for _ in 0..=random.below(4) {
        let (at, to) = (random.below(data.len() + 1), random.below(data.len() + 1));
        let (at, to) = (at.min(to), at.max(to).min(at.min(to) + 64));
        match random.below(8) {
            0 | 1 => drop(data.splice(at..at, random.pick(dictionary).iter().copied())),
            2 => drop(data.splice(at..to, random.pick(dictionary).iter().copied())),
            3 => drop(data.drain(at..to)),
            4 => {
                let piece = data[at..to].repeat(1 + random.below(6));
                data.splice(at..at, piece);
            }
            5 => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                let piece = other[from..other.len().min(from + 200)].to_vec();
                data.splice(at..to, piece);
            }
            6 => {
                let byte = u8::try_from(random.below(128)).unwrap();
                data.splice(at..to.min(at + 1), [byte]);
            }
            _ => {
                let mut lines: Vec<_> = data.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let (one, other) = (random.below(lines.len()), random.below(lines.len()));
                if !lines.is_empty() {
                    lines.swap(one, other);
                }
                data = lines.concat();
            }
        }
    }
    data.truncate(LONGEST);
    // Bytes that are no UTF-8 end at the door.
    String::from_utf8_lossy(&data).replace('\u{fffd}', "").into_bytes()
}

/// Runs one input; a panic or a run-away shows what it was.
fn run(target: &str, body: Body, data: &[u8]) {
    let started = Instant::now();
    let outcome = panic::catch_unwind(|| body(data));
    let shown = || String::from_utf8_lossy(data).chars().take(2_000).collect::<String>();
    if started.elapsed() > DEADLINE / 40 {
        eprintln!("{target}: {:?} for {:?}", started.elapsed(), shown().chars().take(80).collect::<String>());
    }
    assert!(outcome.is_ok(), "{target} panicked on {:?}", shown());
    assert!(started.elapsed() < DEADLINE, "{target} took {:?} for {:?}", started.elapsed(), shown());
}

/// Runs a corpus, its known regressions, and mutations of both.
fn fuzz(target: &str, body: Body, mut corpus: Vec<Vec<u8>>) {
    let known = repository().join("specql-compiler/tests/fuzz/regressions").join(target);
    let mut regressions: Vec<_> =
        fs::read_dir(known).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    regressions.sort();
    corpus.extend(regressions.iter().map(|path| fs::read(path).unwrap()));
    assert!(corpus.len() > 5, "{target} has no corpus");
    corpus.iter().for_each(|data| run(target, body, data));

    let number = |name: &str, default: u64| env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let mut random = Random(number("SPECQL_FUZZ_SEED", 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let dictionary = dictionary();
    for _ in 0..number("SPECQL_FUZZ_RUNS", RUNS) {
        run(target, body, &mutated(&mut random, &corpus, &dictionary));
    }
}

fn bytes(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Vec<u8>> {
    texts.into_iter().map(|text| text.as_ref().as_bytes().to_vec()).collect()
}

#[test]
fn any_bytes_as_a_project_end_and_do_not_panic() {
    let (entities, registries) = fixtures();
    let both = entities.iter().zip(registries.iter().cycle());
    let both: Vec<_> = both.map(|(entity, registry)| format!("{entity}{}{registry}", bodies::REGISTRY)).collect();
    let registries = registries.iter().map(|registry| format!("entity: A{}{registry}", bodies::REGISTRY));
    fuzz("front_end", bodies::front_end, bytes(both.into_iter().chain(registries).chain(entities)));
}

#[test]
fn any_text_as_an_expression_ends_and_does_not_panic() {
    let (entities, _) = fixtures();
    let keys = ["validate: ", "if: ", "where: ", "SET ", "WHERE "];
    let lines = entities.iter().flat_map(|text| text.lines());
    let mut expressions: Vec<_> =
        lines.filter_map(|line| keys.iter().find_map(|key| line.split_once(key)).map(|(_, rest)| rest)).collect();
    expressions.sort_unstable();
    expressions.dedup();
    fuzz("expression", bodies::expression, bytes(expressions));
}

#[test]
fn any_text_as_a_type_ends_and_does_not_panic() {
    let known = [
        "text",
        "integer! = 1",
        "decimal(10,2)",
        "list(list(text))",
        "enum(a, 'b', \"c\") = a",
        "ref(crm.Order)!",
        "json = {\"a\": [1, null]}",
        "money",
        "SimpleAddress",
        "timestamp = now",
        "list(enum(a, b))",
        "email! = 'a@b.eu'",
        "decimal(28,28)",
        "text = 'it''s'",
        "list(ref(Order))",
        "coordinates",
    ];
    fuzz("types", bodies::types, bytes(known));
}

/// Work that grows with the square of the input, or faster, shows in a long run of anything.
#[test]
fn long_runs_of_anything_end_in_time() {
    let expressions = [
        "(",
        "NOT ",
        "1 + ",
        "- ",
        "CASE WHEN total > 1 THEN ",
        "coalesce(",
        "total, ",
        "'a' || ",
        "$order.",
        "customer.",
        "'",
        "''",
        "\"",
        "total = 1 AND ",
        "total IN (1, ",
        "INTERVAL ",
        "$",
        "a",
        "9",
        "note LIKE ",
        "\u{e9}",
        "$order.customer ",
        "total BETWEEN 1 AND ",
        "IS NULL ",
        "::",
        ".",
        "%",
        "concat(note, ",
        "total IS NOT NULL OR ",
    ];
    for piece in expressions {
        run("expression", bodies::expression, piece.repeat(1_500 / piece.len()).as_bytes());
        run("expression", bodies::expression, format!("{}total", piece.repeat(1_500 / piece.len())).as_bytes());
    }
    for piece in
        ["list(", "enum(a, ", "(", ")", "!", "=", "text = ", "ref(a.", "'", "a.", ",", "decimal(1,", "[", "{\"a\":"]
    {
        run("types", bodies::types, piece.repeat(4_000 / piece.len()).as_bytes());
        run("types", bodies::types, format!("json = {}", piece.repeat(4_000 / piece.len())).as_bytes());
    }
    let field = |i| format!("  f{i}: text\n");
    let actions = |i| format!("  - {{name: a{i}, steps: [{{reject: no}}]}}\n");
    let calls = |i| format!("      - call_service: {{service: slak, operation: o{i}, input: {{a{i}: b}}}}\n");
    let entity = |i| format!("---\nentity: E{i}\nfields: {{r: ref(E{}), x: txt}}\n", i + 1);
    let many = |of: &dyn Fn(usize) -> String, count| (0..count).map(of).collect::<String>();
    for project in [
        format!("entity: A\nfields:\n{}", many(&field, 1_000)),
        format!("entity: A\nfields:\n{}actions:\n  - name: create_a\n  - name: update_a\n", many(&field, 300)),
        format!("entity: A\nactions:\n{}", many(&actions, 600)),
        format!("entity: A\nactions:\n  - name: a\n    steps:\n{}", many(&calls, 400)),
        format!("entity: A\n{}", many(&entity, 500)),
        format!("entity: A\nfields: {{x: \"enum({})\"}}\n", many(&|i| format!("v{i}, "), 2_000).trim_end_matches(", ")),
        format!("entity: A\n{}", many(&|i| format!("unknown{i}: x\n"), 2_000)),
        format!("entity: A\nfields: {{{}}}\n", "a: b(c, ".repeat(1_000)),
        format!("entity: A\nfields: {{{}}}\n", "a(b, ".repeat(2_000)),
        "a #'".repeat(4_000),
        "'a: ".repeat(4_000),
    ] {
        run("front_end", bodies::front_end, project.as_bytes());
    }
}
