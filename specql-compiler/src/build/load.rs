//! Reading a project folder.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    source::{SourceFile, SourceKind, Sources, settings},
    syntax::function::named_files,
};

/// Where the parts of a project are: as `specql.toml` says, or `entities`, `registry` and `migrations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The project's folder.
    pub root: PathBuf,
    /// Folder of the entity files, relative to the root.
    pub entities: String,
    /// Folder of the registry files, relative to the root.
    pub registry: String,
    /// Folder of the migrations and the lock, relative to the root.
    pub migrations: String,
}

impl Layout {
    /// Name of the settings file.
    pub const SETTINGS: &str = "specql.toml";
    /// Name of the lock, in the migrations folder.
    pub const LOCK: &str = "specql.lock";

    /// The layout of the project in `root`.
    ///
    /// Settings that cannot be read leave the usual folders in place: what is wrong with them is for the compiler to
    /// say, with a position.
    ///
    /// # Errors
    /// When `specql.toml` is there and cannot be read.
    pub fn of(root: &Path) -> io::Result<Self> {
        let path = root.join(Self::SETTINGS);
        let text = if path.is_file() { read_text(&path)? } else { String::new() };
        let file = SourceFile { path: Self::SETTINGS.to_owned(), text, kind: SourceKind::Settings };
        let settings = settings::read(&Sources::new(vec![file]), &mut Vec::new());
        Ok(Self {
            root: root.to_owned(),
            entities: settings.entities,
            registry: settings.registry,
            migrations: settings.migrations,
        })
    }

    /// Where the lock is.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.root.join(&self.migrations).join(Self::LOCK)
    }

    /// A path as it is shown to people: relative to the root, with `/`.
    #[must_use]
    pub fn display(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}

/// Reads all files of the project in `dir`: settings, entities with the bodies of their functions, registry, lock and migrations.
///
/// A folder that is not there holds no files. That a body is not there is for the compiler to say, with a position. Files whose names begin with a dot, and files that are neither YAML nor
/// migrations, are none of ours.
///
/// # Errors
/// When a file or folder that is there cannot be read, or is not UTF-8; the message names it.
pub fn load(dir: &Path) -> io::Result<Sources> {
    load_layout(&Layout::of(dir)?)
}

/// [`load`], where the layout is known.
pub(crate) fn load_layout(layout: &Layout) -> io::Result<Sources> {
    let mut files = Vec::new();
    let add = |files: &mut Vec<SourceFile>, path: &Path, kind: SourceKind| -> io::Result<()> {
        let mut text = read_text(path)?;
        if matches!(kind, SourceKind::Lock | SourceKind::Migration | SourceKind::Body) {
            // A checkout may write other line ends (`core.autocrlf`): the history is the same.
            text = text.replace("\r\n", "\n");
        }
        files.push(SourceFile { path: layout.display(path), text, kind });
        Ok(())
    };
    let settings = layout.root.join(Layout::SETTINGS);
    if settings.is_file() {
        add(&mut files, &settings, SourceKind::Settings)?;
    }
    for path in walk(&layout.root.join(&layout.entities))? {
        if is_yaml(&path) {
            add(&mut files, &path, SourceKind::Entities)?;
        }
    }
    for path in walk(&layout.root.join(&layout.registry))? {
        if is_yaml(&path) {
            add(&mut files, &path, SourceKind::Registry)?;
        }
    }
    let migrations = layout.root.join(&layout.migrations);
    for path in walk(&migrations)? {
        // sqlx knows no folders in folders here, and no other names; neither do we.
        if path.parent() != Some(&migrations) {
            continue;
        }
        if path == layout.lock_path() {
            add(&mut files, &path, SourceKind::Lock)?;
        } else if crate::migrations::FileName::parse(&file_name(&path)).is_some() {
            add(&mut files, &path, SourceKind::Migration)?;
        }
    }
    let sources = Sources::new(files.clone());
    let bodies: Vec<PathBuf> = named_files(&sources).iter().map(|path| layout.root.join(path)).collect();
    let is_known = |path: &PathBuf| files.iter().any(|file| file.path == layout.display(path));
    let bodies: Vec<PathBuf> = bodies.into_iter().filter(|path| path.is_file() && !is_known(path)).collect();
    if bodies.is_empty() {
        return Ok(sources);
    }
    for path in bodies {
        add(&mut files, &path, SourceKind::Body)?;
    }
    Ok(Sources::new(files))
}

/// All files in a folder and its folders, sorted. Links are followed, but no folder is visited twice.
fn walk(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut visited = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        if !folder.is_dir() || !visited.insert(named(fs::canonicalize(&folder), &folder)?) {
            continue;
        }
        for entry in named(fs::read_dir(&folder), &folder)? {
            let path = named(entry, &folder)?.path();
            if file_name(&path).starts_with('.') {
                continue;
            }
            // Follows links: a folder of entities may be shared between projects.
            if named(fs::metadata(&path), &path)?.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_text(path: &Path) -> io::Result<String> {
    named(fs::read_to_string(path), path)
}

/// Puts the path into the message: `No such file or directory` alone helps nobody.
pub(super) fn named<T>(result: io::Result<T>, path: &Path) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn loaded(dir: &Path) -> Vec<(String, SourceKind)> {
        load(dir).unwrap().iter().map(|(_, file)| (file.path.clone(), file.kind)).collect()
    }

    #[test]
    fn the_files_of_a_project_are_found_by_kind_and_shown_relative_to_it() {
        let dir = project(&[
            ("specql.toml", ""),
            ("entities/sales/order.yaml", "entity: Order"),
            ("entities/.order.yaml.swp", "junk"),
            ("entities/notes.md", "notes"),
            ("registry/shop.yml", "services: []"),
            ("migrations/0001_init.sql", "SELECT 1;"),
            ("migrations/README.md", "read me"),
            ("migrations/specql.lock", "{}"),
        ]);
        assert_eq!(
            loaded(dir.path()),
            [
                ("entities/sales/order.yaml".to_owned(), SourceKind::Entities),
                ("migrations/0001_init.sql".to_owned(), SourceKind::Migration),
                ("migrations/specql.lock".to_owned(), SourceKind::Lock),
                ("registry/shop.yml".to_owned(), SourceKind::Registry),
                ("specql.toml".to_owned(), SourceKind::Settings),
            ]
        );
    }

    #[test]
    fn a_body_is_read_where_a_function_names_it() {
        let functions =
            "functions: {a: {file: sql/a.sql}, b: {file: sql/gone.sql}, c: {file: ../c.sql}, d: {file: sql/d.sql}}";
        let dir = project(&[
            ("project/entities/order.yaml", &format!("entity: Order\n{functions}\n")),
            ("project/sql/a.sql", "SELECT 1\r\n"),
            ("project/sql/b.sql", "SELECT 2"),
            ("project/sql/d.sql/e.txt", "a folder"),
            ("c.sql", "SELECT 3"),
        ]);
        let root = dir.path().join("project");
        assert_eq!(
            loaded(&root),
            [("entities/order.yaml".to_owned(), SourceKind::Entities), ("sql/a.sql".to_owned(), SourceKind::Body)]
        );
        assert!(load(&root).unwrap().iter().all(|(_, file)| !file.text.contains('\r')));
    }

    #[test]
    fn settings_move_the_folders() {
        let dir = project(&[("specql.toml", "entities = 'model'"), ("model/a.yaml", ""), ("entities/b.yaml", "")]);
        assert_eq!(loaded(dir.path())[0], ("model/a.yaml".to_owned(), SourceKind::Entities));
        assert_eq!(loaded(dir.path()).len(), 2);
    }

    #[test]
    fn no_setting_leads_out_of_the_project() {
        let dir = project(&[("specql.toml", "entities = '../..'\nregistry = '/etc'"), ("entities/b.yaml", "")]);
        assert_eq!(loaded(dir.path())[0].0, "entities/b.yaml");
        assert_eq!(loaded(dir.path()).len(), 2);
    }

    #[test]
    fn an_empty_folder_is_an_empty_project() {
        assert!(loaded(project(&[]).path()).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let dir = project(&[]);
        fs::create_dir(dir.path().join("entities")).unwrap();
        fs::write(dir.path().join("entities/latin.yaml"), b"entity: \xe4").unwrap();
        assert!(load(dir.path()).unwrap_err().to_string().contains("latin.yaml"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_an_outer_folder_ends() {
        let dir = project(&[("entities/a.yaml", "")]);
        std::os::unix::fs::symlink(dir.path().join("entities"), dir.path().join("entities/again")).unwrap();
        assert_eq!(loaded(dir.path()).len(), 1);
    }
}
