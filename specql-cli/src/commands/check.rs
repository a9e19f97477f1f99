//! `specql check`: everything a build would say, for people or for programs.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use specql_compiler::{Project, internals::diagnostics};

use super::{count, print};
use crate::{cli::ReportFormat, project};

pub(super) fn run(dir: &Path, deny_warnings: bool, format: ReportFormat) -> anyhow::Result<ExitCode> {
    let found = project::read(dir)?;
    let (mut errors, mut warnings) = (0, 0);
    for diagnostic in found.diagnostics() {
        *if diagnostic.is_error() { &mut errors } else { &mut warnings } += 1;
    }
    match format {
        ReportFormat::Text => {
            project::report(&found);
        }
        ReportFormat::Json => {
            print(&diagnostics::render_json(found.diagnostics(), &found.sources, &found.layout.root)?)?;
        }
        ReportFormat::Github => print(&github(&found))?,
    }
    let failed = errors > 0 || (deny_warnings && warnings > 0);
    if !matches!(format, ReportFormat::Json) {
        summarise(&found, failed, errors, warnings);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn github(found: &Project) -> String {
    let folder = folder_in_repository(&found.layout.root);
    let lines = found.diagnostics().map(|diagnostic| {
        let command = diagnostics::render_for_github(diagnostic, &found.sources, &folder);
        format!("{command}\n")
    });
    lines.collect()
}

/// The project's folder as the repository sees it, for GitHub knows files by that alone: below the folder that a workflow
/// has checked out, else below the one in which the command runs.
fn folder_in_repository(root: &Path) -> PathBuf {
    let checkout = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let bases = checkout.into_iter().chain(std::env::current_dir());
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let root = real(root);
    bases
        .filter_map(|base| root.strip_prefix(real(&base)).ok().map(Path::to_owned))
        .next()
        .unwrap_or_else(|| root.clone())
}

fn summarise(found: &Project, failed: bool, errors: usize, warnings: usize) {
    if failed {
        eprintln!("failed: {}, {}", count(errors, "error", "errors"), count(warnings, "warning", "warnings"));
        return;
    }
    let model = &found.compilation.model;
    let actions = model.entities.iter().map(|entity| entity.actions.len()).sum();
    println!(
        "ok: {}, {}, {}",
        count(model.entities.len(), "entity", "entities"),
        count(actions, "action", "actions"),
        count(model.registry.services.len(), "service", "services")
    );
}
