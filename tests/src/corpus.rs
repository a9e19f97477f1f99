//! The corpus: applications as a team would write them, in `tests/corpus`.
//!
//! Each folder is a project (`entities/`, `registry/`), with two files beside it that the compiler does not read:
//! `functions.sql` has the SQL functions that its entities only declare, `cases.yaml` what its actions answer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use specql_compiler::{Compilation, internals::sql};
use specql_runtime::testing::TestDatabase;

use crate::{app::repository, compiled};

/// An application of the corpus.
#[derive(Clone, Debug)]
pub struct App {
    /// The folder's name.
    pub name: String,
    /// The project's folder.
    pub folder: PathBuf,
}

/// All applications, by name.
///
/// # Errors
/// When the folder cannot be read.
pub fn apps() -> Result<Vec<App>> {
    let root = repository().join("tests/corpus");
    let entries = fs::read_dir(&root).with_context(|| root.display().to_string())?;
    let mut apps = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().join("entities").is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            apps.push(App { name, folder: entry.path() });
        }
    }
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(apps)
}

impl App {
    /// The application, compiled.
    ///
    /// # Errors
    /// When it has mistakes.
    pub fn compile(&self) -> Result<Compilation> {
        compiled::folder(&self.folder)
    }

    /// A database with its schema, the functions that it wrote itself, and its operations.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn database(&self, project: &Compilation) -> Result<TestDatabase> {
        let mut sql = sql::schema(&project.model).render();
        let own = self.folder.join("functions.sql");
        if own.exists() {
            sql.push_str(&fs::read_to_string(&own)?);
        }
        let database = TestDatabase::from_sql(&sql).await.with_context(|| self.name.clone())?;
        compiled::register(database.pool(), project).await?;
        Ok(database)
    }

    /// The texts of its entity files, by path.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn entity_files(&self) -> Result<Vec<(PathBuf, String)>> {
        let mut files = Vec::new();
        yaml_files(&self.folder.join("entities"), &mut files)?;
        files.sort();
        Ok(files)
    }
}

fn yaml_files(folder: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            yaml_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path)?;
            files.push((path, text));
        }
    }
    Ok(())
}
