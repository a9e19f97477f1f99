//! `specql emit`: the whole fresh schema, or the Rust module, on standard output.

use std::{path::Path, process::ExitCode};

use super::print;
use crate::{cli::Emitted, project};

pub(super) fn run(what: Emitted, dir: &Path) -> anyhow::Result<ExitCode> {
    let found = project::read_sound(dir)?;
    let text = match what {
        Emitted::Sql => found.schema.as_ref().map(specql_compiler::internals::sql::Schema::render).unwrap_or_default(),
        Emitted::Rust => found.rust(&project::package_name(&found.layout.root)?),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
