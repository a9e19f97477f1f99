//! `specql migrate`: what is sealed, what is open, and what may be done about it.

mod replay;
mod roles;
mod verify;

use std::{path::Path, process::ExitCode};

use specql_compiler::{MigrationError, Project, internals::outputs::Edit};

use crate::{cli::Migrate, project, table};

pub(super) fn run(command: &Migrate, dir: &Path) -> anyhow::Result<ExitCode> {
    match command {
        Migrate::Status => status(dir),
        Migrate::Plan { reverse } => plan(dir, *reverse),
        Migrate::New { name } => new(dir, name),
        Migrate::Seal { name } => seal(dir, name.as_deref()),
        Migrate::Allow { hazards } => allow(dir, hazards),
        Migrate::Squash { name } => squash(dir, name),
        Migrate::Roles { print, apply } => roles::run(dir, *print, *apply),
        Migrate::Verify => verify::run(dir),
    }
}

fn status(dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    let rows: Vec<_> = (found.history.migrations.iter())
        .map(|migration| {
            let state = if migration.open { "open" } else { "sealed" };
            let writer = if migration.by_hand { ", by hand" } else { "" };
            [format!("{:04}", migration.version), migration.description.clone(), format!("{state}{writer}")]
        })
        .collect();
    table::print(["VERSION", "NAME", "STATE"], &rows);
    for edit in &found.history.edits {
        match edit {
            Edit::Write { path, .. } => println!("the next build writes `{path}`"),
            Edit::Remove { path } => println!("the next build removes `{path}`"),
        }
    }
    let (errors, _) = project::report(&found);
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The SQL goes to the output, to be read or piped; what stands against it to the errors.
fn plan(dir: &Path, reverse: bool) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    if found.compilation.has_errors() {
        project::report(&found);
        anyhow::bail!("nothing can be planned: the project has errors");
    }
    if found.history.step.is_empty() && found.history.diagnostics.is_empty() {
        println!("-- the migrations are up to date with the entities");
    }
    for migration in &found.history.step {
        println!("-- {:04} {}\n{}", migration.version, migration.description, migration.sql);
    }
    for text in found.history.step.iter().filter_map(|migration| migration.reverse.as_deref()) {
        if reverse && !text.is_empty() {
            println!("-- its reverse, in development\n{text}");
        }
    }
    for id in &found.history.allowed {
        eprintln!("allowed: {id}");
    }
    let (errors, _) = project::report(&found);
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn new(dir: &Path, name: &str) -> anyhow::Result<ExitCode> {
    let root = project::root(dir)?;
    let file = outcome(Project::begin_by_hand(&root, name), "begun")?;
    let folder = project::read(dir)?.layout.migrations;
    println!("`{folder}/{file}` is open: write its SQL, then seal it (`cargo specql migrate seal`)");
    Ok(ExitCode::SUCCESS)
}

fn seal(dir: &Path, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let files = outcome(Project::seal(&project::root(dir)?, name), "sealed")?;
    let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    println!("sealed {}: commit it together with `specql.lock`", files.join(", "));
    Ok(ExitCode::SUCCESS)
}

fn allow(dir: &Path, hazards: &[String]) -> anyhow::Result<ExitCode> {
    let ids: Vec<&str> = hazards.iter().map(String::as_str).collect();
    outcome(Project::allow(&project::root(dir)?, &ids), "allowed")?;
    println!("allowed for the open migration; `cargo specql migrate plan` shows it");
    Ok(ExitCode::SUCCESS)
}

fn squash(dir: &Path, name: &str) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    if found.history.migrations.iter().any(|migration| migration.by_hand) {
        let squashed = outcome(found.squashed(Some(name)), "squashed")?;
        verify::same_when_squashed(&found, &squashed)?;
    }
    let file = outcome(Project::squash(&found.layout.root, Some(name)), "squashed")?;
    println!("squashed into `{file}`: commit it together with `specql.lock` and the removed files");
    println!(
        "`db.migrate()` takes over databases that have all of the old migrations; bring the others up to date first"
    );
    Ok(ExitCode::SUCCESS)
}

/// What a command made, or why it did not.
fn outcome<T>(result: Result<T, MigrationError>, done: &str) -> anyhow::Result<T> {
    match result {
        Ok(made) => Ok(made),
        Err(MigrationError::Broken(found)) => {
            project::report(&found);
            anyhow::bail!("nothing was {done}: the project has errors")
        }
        Err(error) => Err(error.into()),
    }
}
