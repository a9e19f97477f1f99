//! `pg_dump`: what it says of a database's schema. The tests that use it have its name in theirs, so that `--skip pg_dump`
//! leaves out these and no others.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

/// A dump of this database, to be given its options.
///
/// # Panics
/// When there is no `pg_dump`.
#[must_use]
pub fn command(url: &str) -> Command {
    let mut command = Command::new(program());
    command.args(["--dbname", &libpq_url(url)]);
    command
}

/// The `pg_dump` of this machine's newest PostgreSQL, which reads every older server.
fn program() -> PathBuf {
    let installed =
        specql_runtime::database::embedded::binaries::installed().expect("the folders of PostgreSQL can be read");
    let found = installed.iter().map(|binaries| binaries.folder.join("pg_dump")).find(|program| program.exists());
    found.expect("no PostgreSQL with a `pg_dump` is installed: `apt-get install postgresql`")
}

/// The URL without what only sqlx understands.
fn libpq_url(url: &str) -> String {
    let mut url = url::Url::parse(url).expect("it is a database's URL");
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| !name.starts_with("statement-cache")).collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url.into()
}

/// The schema of a database as the parts of its dump, one an object, in an order that does not depend on how it was made.
/// The columns of a table are ordered too, and comments that only say which line of YAML something comes from are left out.
///
/// # Errors
/// When it cannot be dumped.
pub fn schema(url: &str) -> Result<Vec<String>> {
    let output = command(url).arg("--schema-only").output().context("pg_dump does not start")?;
    ensure!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("pg_dump writes UTF-8")?;
    let lines = text.lines().filter(|line| !is_noise(line));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut parts: Vec<String> = text.split("\n--\n-- Name: ").map(in_order).collect();
    parts.sort();
    Ok(parts)
}

/// Places in YAML, and the words that newer versions make up anew for every dump.
fn is_noise(line: &str) -> bool {
    line.trim_start().starts_with("-- entities/") || line.starts_with("\\restrict") || line.starts_with("\\unrestrict")
}

/// The part with the lines of a table's definition sorted.
fn in_order(part: &str) -> String {
    let Some((head, rest)) = part.split_once("\nCREATE TABLE ") else { return part.trim_end().to_owned() };
    let Some((name, rest)) = rest.split_once(" (\n") else { return part.trim_end().to_owned() };
    let Some((columns, rest)) = rest.split_once("\n)") else { return part.trim_end().to_owned() };
    let mut columns: Vec<&str> = columns.lines().map(|line| line.trim_end_matches(',')).collect();
    columns.sort_unstable();
    format!("{head}\nCREATE TABLE {name} (\n{}\n){}", columns.join("\n"), rest.trim_end())
}
