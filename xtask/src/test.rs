//! `cargo xtask test`.

use std::{fs, process::Command, time::Instant};

use crate::{
    command::{cargo, root, run, say},
    tools::{self, Tools},
};

/// Everything that must pass before a change lands.
pub(crate) fn all(both_servers: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    say("formatting");
    run(cargo(&["fmt", "--all", "--check"]))?;
    // A workspace of its own.
    run(cargo(&["fmt", "--check", "--manifest-path", "benches/race/Cargo.toml"]))?;
    let tools = tools::set_up()?;
    say("lints");
    run(cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))?;
    // With its own lock, which a change of our dependencies makes out of date.
    run(cargo(&["check", "--locked", "--quiet", "--manifest-path", "benches/race/Cargo.toml"]))?;
    say("documentation");
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)?;
    // Its modules are private, and their links must be right, too.
    let mut doc = cargo(&["doc", "--package", "specql-compiler", "--document-private-items", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run(doc)?;
    say("tests");
    run(with(&tools, cargo(&["test", "--workspace", "--quiet"])))?;
    if both_servers {
        say("database tests on PostgreSQL 18, the embedded default's own copy");
        // plpgsql_check and pg_dump are Debian's, for its PostgreSQL 15. The full disk is made by a limit on the size of files, and what
        // breaks it 18 calls no full disk but an internal error. Those tests ran above.
        let mut again =
            with(&tools, cargo(&["test", "--quiet", "-p", "specql-runtime", "-p", "specql-tests", "--lib"]));
        for target in targets()?.iter().filter(|target| !WITHOUT_DATABASE.contains(&target.as_str())) {
            again.args(["--test", target]);
        }
        again.args(["--", "--skip", "plpgsql_check", "--skip", "pg_dump", "--skip", "full_disk"]);
        again.env("SPECQL_PG_BIN", "fetch");
        run(again)?;
    }
    println!("\nall passed in {:.0} s", start.elapsed().as_secs_f32());
    Ok(())
}

/// Test targets that ask no database: what they say does not depend on its version.
const WITHOUT_DATABASE: [&str; 4] = ["cargo_builds", "generated_rust", "tidy", "ui"];

/// The names of all test targets of the two packages.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in ["specql-runtime/tests", "tests/tests"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            let is_target =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
            names.extend(path.file_stem().filter(|_| is_target).map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The test of that name, which the environment tells how long and from which seed.
pub(crate) fn chaos(minutes: u64, seed: Option<u64>) -> anyhow::Result<()> {
    let mut command = cargo(&["test", "--quiet", "-p", "specql-tests", "--test", "chaos", "--", "--nocapture"]);
    command.env("SPECQL_CHAOS_SECONDS", (minutes * 60).to_string());
    if let Some(seed) = seed {
        command.env("SPECQL_CHAOS_SEED", seed.to_string());
    }
    run(command)
}

/// Rewrites golden files, the UI tests' expected messages and the examples' migrations.
pub(crate) fn bless() -> anyhow::Result<()> {
    let tools = tools::set_up()?;
    for example in EXAMPLES {
        begin_the_history_anew(example)?;
    }
    let mut command = with(&tools, cargo(&["test", "--workspace", "--quiet"]));
    command.env("SPECQL_BLESS", "1").env("TRYBUILD", "overwrite");
    run(command)
}

/// The examples with migrations.
const EXAMPLES: [&str; 2] = ["shop", "subscriptions"];

/// Nobody's database holds an example's data: while SpecQL is unreleased their migrations are made anew when the emitted SQL has
/// changed, instead of growing by a step for each change.
fn begin_the_history_anew(example: &str) -> anyhow::Result<()> {
    let folder = format!("examples/{example}");
    let migrations = root().join(&folder).join("migrations");
    if migrations.exists() {
        fs::remove_dir_all(&migrations)?;
    }
    let mut build = cargo(&["build", "--quiet", "-p", example]);
    build.env_remove("CI");
    run(build)?;
    run(cargo(&["run", "--quiet", "-p", "specql-cli", "--", "migrate", "seal", "--dir", &folder]))
}

/// The tests find their tools by these variables; a test whose tool is missing fails and says so.
fn with(tools: &Tools, mut command: Command) -> Command {
    command
        .env("SPECQL_TEST_PYTHON", tools.venv.join("bin"))
        .env("SPECQL_TEST_NODE", &tools.node)
        .env("SPECQL_TEST_SQLX", &tools.sqlx)
        .env("SPECQL_TEST_PGBOUNCER", &tools.pgbouncer)
        .env_remove("DATABASE_URL");
    if let Some(library) = &tools.plpgsql_check {
        command.env("SPECQL_TEST_PLPGSQL_CHECK", library);
    }
    if let Some(library) = &tools.faketime {
        command.env("SPECQL_TEST_FAKETIME", library);
    }
    command
}
