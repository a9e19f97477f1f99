//! `specql emit`: the whole fresh schema, or the Rust module, on standard output.

use std::{
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

use crate::{cli::Emitted, project};

pub(super) fn run(what: Emitted, dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read_sound(dir)?;
    let text = match what {
        Emitted::Sql => found.schema.as_ref().map(specql_compiler::internals::sql::Schema::render).unwrap_or_default(),
        Emitted::Rust => found.rust(&project::package_name(&found.layout.root)?),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // `specql emit sql | head` is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
