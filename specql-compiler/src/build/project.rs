//! A project on disk, compiled: what `build.rs`, the macro and the command line have in common.

use std::{io, path::Path, time::SystemTime};

use super::{
    error::MigrationError,
    files::{ProjectLock, apply},
    load::{Layout, load_layout},
    watch,
};
use crate::{
    Compilation, compile,
    diagnostics::{Diagnostic, render_for_rustc, render_line},
    migrations::{self, FileName, History, Refusal},
    outputs::{Edit, Mode},
    rust::{self, ProjectParts},
    source::Sources,
    sql::{self, Schema},
};

/// A project that was read and compiled, with what its migrations should become.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Project {
    /// Where its parts are.
    #[doc(hidden)]
    pub layout: Layout,
    /// Its files.
    pub sources: Sources,
    /// What they mean.
    #[doc(hidden)]
    pub compilation: Compilation,
    /// The database they ask for; `None` where the compilation has errors.
    #[doc(hidden)]
    pub schema: Option<Schema>,
    /// Its migrations, and what to change in their folder.
    #[doc(hidden)]
    pub history: History,
}

/// Holds other builds of the project off, and removes what those left behind that were killed.
fn lock(root: &Path) -> io::Result<ProjectLock> {
    let lock = ProjectLock::acquire(root)?;
    lock.sweep(&root.join(Layout::of(root)?.migrations))?;
    Ok(lock)
}

impl Project {
    /// Reads and compiles the project in `root`. Writes nothing.
    ///
    /// # Errors
    /// When a file cannot be read; the message names it. What is wrong *in* the files is in [`Project::diagnostics`].
    pub fn read(root: &Path, mode: &Mode) -> io::Result<Self> {
        let layout = Layout::of(root)?;
        let sources = load_layout(&layout)?;
        let compilation = compile(&sources);
        let schema = (!compilation.has_errors()).then(|| sql::schema(&compilation.model));
        let folder = layout.display(&layout.root.join(&layout.migrations));
        let history = migrations::history(&sources, &folder, schema.as_ref(), mode);
        Ok(Self { layout, sources, compilation, schema, history })
    }

    /// Reads and compiles the project in `root`, and brings its migrations folder up to date where `mode` allows it.
    ///
    /// # Errors
    /// When a file cannot be read or written; the message names it.
    pub fn update(root: &Path, mode: &Mode) -> io::Result<Self> {
        let _lock = if *mode == Mode::Write { Some(lock(root)?) } else { None };
        Self::update_locked(root, mode)
    }

    fn update_locked(root: &Path, mode: &Mode) -> io::Result<Self> {
        let project = Self::read(root, mode)?;
        if !project.history.edits.is_empty() {
            let edits = with_attributes(&project.layout, &project.history.edits);
            apply(root, &edits, watch::newest(&project.layout, &project.sources)?)?;
        }
        Ok(project)
    }

    /// Brings the migrations up to date and seals the open one, under `name` where one is given.
    ///
    /// # Errors
    /// When the project has errors, there is nothing to seal, or a file cannot be read or written.
    pub fn seal(root: &Path, name: Option<&str>) -> Result<Vec<FileName>, MigrationError> {
        let _lock = lock(root)?;
        let built = Self::update_locked(root, &Mode::Write)?;
        let Some(schema) = built.schema.as_ref().filter(|_| !built.has_errors()) else {
            return Err(MigrationError::Broken(Box::new(built)));
        };
        // Read again: the build may just have written the files.
        let sources = load_layout(&built.layout)?;
        let folder = built.layout.display(&root.join(&built.layout.migrations));
        let (files, edits) = migrations::seal(&sources, &folder, schema, name)?;
        // Newer than all builds: one that failed because this was open must look again.
        apply(root, &edits, SystemTime::now())?;
        Ok(files)
    }

    /// Lets the open step do what the hazards of these ids are about, and brings the migrations up to date.
    ///
    /// # Errors
    /// When the project has errors, a hazard cannot be allowed, or a file cannot be read or written.
    pub fn allow(root: &Path, ids: &[&str]) -> Result<(), MigrationError> {
        let _lock = lock(root)?;
        let found = Self::read(root, &Mode::Write)?;
        if found.compilation.has_errors() {
            return Err(MigrationError::Broken(Box::new(found)));
        }
        let folder = found.layout.display(&root.join(&found.layout.migrations));
        let edits = migrations::allow(&found.sources, &folder, &found.history.hazards, ids)?;
        // Newer than all builds, so that the next one looks again.
        apply(root, &edits, SystemTime::now())?;
        Self::update_locked(root, &Mode::Write)?;
        Ok(())
    }

    /// Puts one migration, which makes the whole schema, in the place of all sealed ones.
    ///
    /// # Errors
    /// When the project has errors, not all is sealed, there is nothing to squash, or a file cannot be read or written.
    pub fn squash(root: &Path, name: Option<&str>) -> Result<FileName, MigrationError> {
        let _lock = lock(root)?;
        let found = Self::read(root, &Mode::Write)?;
        let Some(schema) = found.schema.as_ref().filter(|_| !found.has_errors()) else {
            return Err(MigrationError::Broken(Box::new(found)));
        };
        if !found.history.edits.is_empty() {
            return Err(Refusal::NotSealed.into());
        }
        let folder = found.layout.display(&root.join(&found.layout.migrations));
        let (file, edits) = migrations::squash(&found.sources, &folder, schema, name)?;
        apply(root, &edits, SystemTime::now())?;
        Ok(file)
    }

    /// All there is to say, the compiler's first.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.compilation.diagnostics.iter().chain(&self.history.diagnostics)
    }

    /// Whether the build must stop.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics().any(Diagnostic::is_error)
    }

    /// Whether a file could not be read at all (`SQ00…`), so that nothing is known of what it declares.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.diagnostics().any(|diagnostic| diagnostic.is_error() && diagnostic.rule.code.starts_with("SQ00"))
    }

    /// The errors, each with its excerpt, as `compile_error!` takes them.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        self.diagnostics()
            .filter(|diagnostic| diagnostic.is_error())
            .map(|diagnostic| render_for_rustc(diagnostic, &self.sources))
            .collect()
    }

    /// The warnings, a line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.diagnostics()
            .filter(|diagnostic| !diagnostic.is_error())
            .map(|diagnostic| render_line(diagnostic, &self.sources))
            .collect()
    }

    /// The generated Rust of the package of that name.
    #[must_use]
    pub fn rust(&self, package: &str) -> String {
        let model = &self.compilation.model;
        let parts = ProjectParts {
            name: package.to_owned(),
            migrations: self.history.migrations.clone(),
            functions: sql::function::declared(model),
        };
        rust::emit(model, &parts)
    }
}

/// The edits, and before them the file that keeps Git from changing line ends, where there is none: sqlx hashes the bytes of a
/// migration.
fn with_attributes(layout: &Layout, edits: &[Edit]) -> Vec<Edit> {
    const NAME: &str = ".gitattributes";
    let missing = !layout.root.join(&layout.migrations).join(NAME).exists();
    let attributes = missing.then(|| Edit::Write {
        path: format!("{}/{NAME}", layout.migrations),
        text: "# sqlx hashes the bytes of these files.\n* -text\n".to_owned(),
    });
    attributes.into_iter().chain(edits.iter().cloned()).collect()
}
