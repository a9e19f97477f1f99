//! `specql migrate`: what is sealed, what is open, and sealing it.

use std::{path::Path, process::ExitCode};

use specql_compiler::{
    build::{Project, SealError},
    migrations::Edit,
};

use crate::{cli::Migrate, project, table};

pub(super) fn run(command: &Migrate, dir: &Path) -> anyhow::Result<ExitCode> {
    match command {
        Migrate::Status => status(dir),
        Migrate::Seal { name } => seal(dir, name.as_deref()),
    }
}

fn status(dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    let rows: Vec<_> = (found.history.migrations.iter())
        .map(|migration| {
            let state = if migration.open { "open" } else { "sealed" };
            [format!("{:04}", migration.version), migration.description.clone(), state.to_owned()]
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

fn seal(dir: &Path, name: Option<&str>) -> anyhow::Result<ExitCode> {
    match Project::seal(&project::root(dir)?, name)? {
        Ok(file) => {
            println!("sealed `{file}`: commit it together with `specql.lock`");
            Ok(ExitCode::SUCCESS)
        }
        Err(SealError::Broken(found)) => {
            project::report(&found);
            anyhow::bail!("nothing was sealed: the project has errors")
        }
        Err(SealError::Refused(reason)) => anyhow::bail!("{reason}"),
    }
}
