//! How long a project takes to compile, part by part, and how that grows with its size.
//!
//! `cargo bench -p specql-compiler --bench compile [-- ENTITIES ...]`. Each entity has twelve fields and five actions with
//! mixed steps, a call and a call in its callback. The first line of the table is half the size of the second: times that more
//! than double show that something looks at all of the project for each part of it.

use std::{
    env, fs, hint,
    path::Path,
    time::{Duration, Instant},
};

use specql_compiler::{Mode, Project, SourceFile, SourceKind, Sources, compile, internals::sql};

/// Rounds; the fastest is the result: what else runs on the machine only adds.
const ROUNDS: usize = 5;

const ENTITY: &str = include_str!("order.yaml");

fn main() {
    let given: Vec<usize> = env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![100, 200, 400] } else { given };
    println!("{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}", "entities", "compile", "schema", "check", "rust", "update");
    for entities in sizes {
        let files: Vec<(String, String)> = (0..entities).map(|number| entity(number, entities)).collect();
        let sources =
            Sources::new(files.iter().map(|(path, text)| SourceFile::new(path, text, SourceKind::Entities)).collect());
        let compilation = compile(&sources);
        assert!(!compilation.has_errors(), "{:?}", compilation.diagnostics.first());

        let folder = tempfile::tempdir().expect("a folder for the project");
        fs::create_dir(folder.path().join("entities")).expect("a folder for entities");
        for (path, text) in &files {
            fs::write(folder.path().join(path), text).expect("an entity file");
        }
        let read = || Project::read(folder.path(), &Mode::Write).expect("the project can be read");
        let project = read();
        let times = [
            fastest(|| compile(&sources)),
            fastest(|| sql::schema(&compilation.model)),
            // What `specql check` does: files, compilation, schema, and the migration that a build would write.
            fastest(read),
            fastest(|| project.rust("bench")),
            // What a build does to the folder when an entity has changed.
            fastest(|| update(folder.path(), &files)),
        ];
        print!("{entities:>8}");
        times.iter().for_each(|time| print!(" {:>7.0} ms", time.as_secs_f64() * 1_000.0));
        println!();
    }
}

/// Path and text of an entity.
fn entity(number: usize, of: usize) -> (String, String) {
    let (own, next) = (number.to_string(), ((number + 1) % of).to_string());
    let text = ENTITY.replace("Order1", "Order\u{1}").replace("rder0", &format!("rder{own}"));
    (format!("entities/order{own}.yaml"), text.replace("Order\u{1}", &format!("Order{next}")))
}

fn update(root: &Path, files: &[(String, String)]) -> Project {
    let (path, text) = &files[0];
    let changed = text.replace("  note: text\n", &format!("  note: text\n  extra_{}: text\n", rest(root)));
    fs::write(root.join(path), changed).expect("an entity file");
    Project::update(root, &Mode::Write).expect("the project can be written")
}

/// A number that the open migration does not have yet, so that each round writes one.
fn rest(root: &Path) -> usize {
    let file = root.join("round");
    let number = fs::read_to_string(&file).ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0) + 1;
    fs::write(file, number.to_string()).expect("a file for the number of the round");
    number
}

fn fastest<T>(mut run: impl FnMut() -> T) -> Duration {
    let time = |_| {
        let start = Instant::now();
        hint::black_box(run());
        start.elapsed()
    };
    (0..ROUNDS).map(time).min().unwrap_or_default()
}
