//! The project that a command is about.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use specql_compiler::{Mode, Project, render};

/// The project's folder: `dir`, or the nearest one above it that has a `specql.toml` or entities.
pub(crate) fn root(dir: &Path) -> anyhow::Result<PathBuf> {
    let start = std::path::absolute(dir)?;
    if !start.is_dir() {
        bail!("`{}` is no folder", dir.display());
    }
    let is_project = |folder: &&Path| folder.join("specql.toml").is_file() || folder.join("entities").is_dir();
    match start.ancestors().find(is_project) {
        Some(root) => Ok(root.components().collect()),
        None => bail!(
            "no project in `{}` or above it: expected a folder with `entities/` or `specql.toml`",
            start.display()
        ),
    }
}

/// Reads and compiles the project, as the next build would find it. Writes nothing.
pub(crate) fn read(dir: &Path) -> anyhow::Result<Project> {
    Ok(Project::read(&root(dir)?, &Mode::Write)?)
}

/// The same, where what follows needs a project without errors: they are printed.
pub(crate) fn read_sound(dir: &Path) -> anyhow::Result<Project> {
    let project = read(dir)?;
    if project.has_errors() {
        report(&project);
        bail!("the project has errors");
    }
    Ok(project)
}

/// Prints all errors and warnings with their excerpts; returns how many of each there are.
pub(crate) fn report(project: &Project) -> (usize, usize) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (mut errors, mut warnings) = (0, 0);
    for diagnostic in project.diagnostics() {
        eprintln!("{}\n", render(diagnostic, &project.sources, colour));
        *if diagnostic.is_error() { &mut errors } else { &mut warnings } += 1;
    }
    (errors, warnings)
}

/// The package's name, from the `Cargo.toml` of the project; the folder's name where there is none.
pub(crate) fn package_name(root: &Path) -> anyhow::Result<String> {
    let path = root.join("Cargo.toml");
    if !path.is_file() {
        return Ok(root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
    }
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: toml::Table = text.parse().with_context(|| path.display().to_string())?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{}: it names no package", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_works_in_a_folder_of_the_project() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("entities/sales");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(root(&inner).unwrap(), dir.path());
    }

    #[test]
    fn a_folder_without_a_project_is_said_to_be_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(root(dir.path()).unwrap_err().to_string().starts_with("no project in"));
    }

    #[test]
    fn the_package_gives_the_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = 'shop'").unwrap();
        assert_eq!(package_name(dir.path()).unwrap(), "shop");
    }
}
