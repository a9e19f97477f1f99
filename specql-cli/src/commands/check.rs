//! `specql check`: everything a build would say, with excerpts.

use std::{path::Path, process::ExitCode};

use super::count;
use crate::project;

pub(super) fn run(dir: &Path, deny_warnings: bool) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    let (errors, warnings) = project::report(&found);
    if errors > 0 || (deny_warnings && warnings > 0) {
        eprintln!("failed: {}, {}", count(errors, "error", "errors"), count(warnings, "warning", "warnings"));
        return Ok(ExitCode::FAILURE);
    }
    let model = &found.compilation.model;
    let actions = model.entities.iter().map(|entity| entity.actions.len()).sum();
    println!(
        "ok: {}, {}, {}",
        count(model.entities.len(), "entity", "entities"),
        count(actions, "action", "actions"),
        count(model.registry.services.len(), "service", "services")
    );
    Ok(ExitCode::SUCCESS)
}
