//! Writing files so that Cargo, editors and a second build see only what really changed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::load::named;
use crate::outputs::Edit;

/// How the names of unfinished files begin.
const TEMPORARY: &str = ".specql-";

/// Holds other builds of the project off until it is dropped: an editor's check and a build write the same files.
pub(super) struct ProjectLock {
    root: Option<File>,
}

impl ProjectLock {
    /// Waits until no other build works on the project.
    ///
    /// The folder itself is locked, so that no lock file lies about. Where a folder cannot be locked (other systems than
    /// Unix, some network file systems) builds are not serialised: each file is still replaced as a whole.
    pub(super) fn acquire(root: &Path) -> io::Result<Self> {
        if !cfg!(unix) {
            return Ok(Self { root: None });
        }
        let folder = named(File::open(root), root)?;
        match folder.lock() {
            Ok(()) => Ok(Self { root: Some(folder) }),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Self { root: None }),
            Err(error) => named(Err(error), root),
        }
    }

    /// Removes what builds left in a folder of the project that were killed in the middle of a write. Where nobody is held off
    /// it may be another's who is at work, and stays.
    pub(super) fn sweep(&self, folder: &Path) -> io::Result<()> {
        if self.root.is_some() { sweep(folder) } else { Ok(()) }
    }
}

/// Writes a file unless it holds that text already.
pub(super) fn write_if_changed(path: &Path, text: &str) -> io::Result<()> {
    match fs::read(path) {
        Ok(old) if old == text.as_bytes() => Ok(()),
        _ => replace(path, text, None),
    }
}

/// Makes edits in their order, each as a whole or not at all.
///
/// What they touch is made as old as `modified`, the newest input: Cargo compares the times of watched paths with that of
/// the last run of the build script, and would otherwise run it again for what it has just written itself.
pub(super) fn apply(root: &Path, edits: &[Edit], modified: SystemTime) -> io::Result<()> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for edit in edits {
        let path = root.join(edit.path());
        match edit {
            Edit::Write { text, .. } => replace(&path, text, Some(modified))?,
            Edit::Remove { .. } => named(fs::remove_file(&path), &path)?,
        }
        if let Some(folder) = path.parent().map(Path::to_owned)
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders.iter().try_for_each(|folder| set_folder_modified(folder, modified))
}

/// Puts a file in the place of another in one step, so that no reader and no crash ever sees half of it.
fn replace(path: &Path, text: &str, modified: Option<SystemTime>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    named(fs::create_dir_all(folder), folder)?;
    // Hidden, so that neither sqlx nor we take one that was left behind for a migration.
    let temporary = folder.join(format!("{TEMPORARY}{}.tmp", std::process::id()));
    let result = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        if let Some(modified) = modified {
            file.set_modified(modified)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if result.is_err() {
        // The error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    }
    named(result, path)
}

fn sweep(folder: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = named(entry, folder)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(TEMPORARY) && name.ends_with(".tmp") {
            named(fs::remove_file(&path), &path)?;
        }
    }
    Ok(())
}

/// Sets a folder's time, where the system lets one open a folder.
pub(super) fn set_folder_modified(folder: &Path, modified: SystemTime) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    named(File::open(folder).and_then(|opened| opened.set_modified(modified)), folder)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_equal_file_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/specql.rs");
        write_if_changed(&path, "one").unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        write_if_changed(&path, "one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        write_if_changed(&path, "two").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn edits_leave_the_time_of_the_newest_input_and_nothing_else_behind() {
        let dir = tempfile::tempdir().unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let write = |path: &str| Edit::Write { path: path.to_owned(), text: "x".to_owned() };
        apply(dir.path(), &[write("m/a.sql"), write("m/b.sql"), Edit::Remove { path: "m/a.sql".to_owned() }], time)
            .unwrap();
        let folder = dir.path().join("m");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        for path in [folder.join("b.sql"), folder] {
            assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), time);
        }
    }

    #[test]
    fn what_a_killed_build_left_behind_is_swept_away() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".specql-17.tmp", ".specql-notes", "0001_init.sql"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        sweep(dir.path()).unwrap();
        assert!(!dir.path().join(".specql-17.tmp").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        sweep(&dir.path().join("missing")).unwrap();
    }

    #[test]
    fn a_failed_write_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_if_changed(&path, "x").unwrap_err().to_string().contains("taken"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
