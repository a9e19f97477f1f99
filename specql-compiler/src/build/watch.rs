//! What Cargo must watch, so that the build script runs again when, and only when, its verdict could change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    files::set_folder_modified,
    load::{Layout, named},
};
use crate::{source::Sources, syntax::function::named_files};

/// The paths that decide a project: folders stand for all that is in them, as they do for Cargo. Files that functions name may
/// be anywhere.
fn watched(layout: &Layout, sources: &Sources) -> Vec<PathBuf> {
    let parts = [Layout::SETTINGS, &layout.entities, &layout.registry, &layout.migrations].map(str::to_owned);
    parts.into_iter().chain(named_files(sources)).map(|part| layout.root.join(part)).collect()
}

/// The time of the newest input, folders included.
pub(super) fn newest(layout: &Layout, sources: &Sources) -> io::Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut waiting: Vec<PathBuf> = watched(layout, sources).into_iter().filter(|path| path.exists()).collect();
    let mut visited = std::collections::BTreeSet::new();
    while let Some(path) = waiting.pop() {
        // A link that leads nowhere, such as an editor's lock, has no time.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        newest = newest.max(named(metadata.modified(), &path)?);
        if metadata.is_dir() && visited.insert(named(fs::canonicalize(&path), &path)?) {
            for entry in named(fs::read_dir(&path), &path)? {
                waiting.push(named(entry, &path)?.path());
            }
        }
    }
    Ok(newest)
}

/// The paths to give to `cargo::rerun-if-changed`.
///
/// One that is not there yet must not be among them: Cargo would run the script every time. It must not be forgotten
/// either: a `specql.toml` that is written later has to be seen. So the missing ones become links in a folder of
/// `OUT_DIR`, which is watched in their stead: Cargo follows links, ignores those that lead nowhere, and notices when one
/// comes to life.
pub(super) fn paths(
    layout: &Layout,
    sources: &Sources,
    out_dir: &Path,
    newest: SystemTime,
) -> io::Result<Vec<PathBuf>> {
    let (mut paths, missing): (Vec<PathBuf>, Vec<PathBuf>) =
        watched(layout, sources).into_iter().partition(|path| path.exists());
    if !missing.is_empty() && cfg!(unix) {
        let folder = out_dir.join("awaited");
        if folder.exists() {
            named(fs::remove_dir_all(&folder), &folder)?;
        }
        named(fs::create_dir_all(&folder), &folder)?;
        for (index, path) in missing.iter().enumerate() {
            link(path, &folder.join(index.to_string()))?;
        }
        set_folder_modified(&folder, newest)?;
        paths.push(folder);
    }
    Ok(paths)
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> io::Result<()> {
    named(std::os::unix::fs::symlink(target, link), link)
}

#[cfg(not(unix))]
fn link(_target: &Path, _link: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_awaited_by_a_link_and_never_watched_itself() {
        let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("entities")).unwrap();
        let layout = Layout::of(root.path()).unwrap();
        let sources = Sources::default();
        for _ in 0..2 {
            let watch = paths(&layout, &sources, out.path(), newest(&layout, &sources).unwrap()).unwrap();
            assert_eq!(watch, [root.path().join("entities"), out.path().join("awaited")]);
            assert!(watch.iter().all(|path| path.exists()));
        }
        assert_eq!(fs::read_dir(out.path().join("awaited")).unwrap().count(), 3);
    }

    #[test]
    fn the_file_of_a_function_is_watched_and_awaited() {
        let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(root.path().join("entities")).unwrap();
        let order = "entity: Order\nfunctions: {tax: {returns: money, file: sql/tax.sql}}\n";
        fs::write(root.path().join("entities/order.yaml"), order).unwrap();
        let layout = Layout::of(root.path()).unwrap();
        let watch = || {
            let sources = crate::build::load(root.path()).unwrap();
            paths(&layout, &sources, out.path(), newest(&layout, &sources).unwrap()).unwrap()
        };
        assert_eq!(watch(), [root.path().join("entities"), out.path().join("awaited")]);
        let awaited = || fs::read_dir(out.path().join("awaited")).unwrap().count();
        assert_eq!(awaited(), 4);

        let body = root.path().join("sql/tax.sql");
        fs::create_dir(root.path().join("sql")).unwrap();
        fs::write(&body, "SELECT 1").unwrap();
        assert!(watch().contains(&body));
        assert_eq!(awaited(), 3);
        let time = SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&body).unwrap().set_modified(time).unwrap();
        let sources = crate::build::load(root.path()).unwrap();
        assert_eq!(newest(&layout, &sources).unwrap(), fs::metadata(&body).unwrap().modified().unwrap());
    }

    #[test]
    fn the_newest_input_may_be_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("entities/sales");
        fs::create_dir_all(&folder).unwrap();
        let time = SystemTime::now() + std::time::Duration::from_secs(60);
        set_folder_modified(&folder, time).unwrap();
        assert_eq!(
            newest(&Layout::of(root.path()).unwrap(), &Sources::default()).unwrap(),
            fs::metadata(&folder).unwrap().modified().unwrap()
        );
    }
}
