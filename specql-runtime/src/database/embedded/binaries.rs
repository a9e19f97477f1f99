//! Where the server's programs are found on this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::EmbeddedError;

/// A folder with `postgres`, `initdb` and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The `bin` folder, with symlinks resolved: the server finds its libraries beside itself.
    pub folder: PathBuf,
    /// Major version.
    pub major: u32,
}

/// `SPECQL_PG_BIN=fetch` asks for the private copy, whatever is installed.
const FETCH: &str = "fetch";

/// All servers on this machine, the preferred one first; none where `SPECQL_PG_BIN` asks for the private copy.
///
/// # Errors
/// When `SPECQL_PG_BIN` is set but does not name one: a wish is not passed over.
pub fn installed() -> Result<Vec<Binaries>, EmbeddedError> {
    if let Some(folder) = env::var_os("SPECQL_PG_BIN") {
        let folder = PathBuf::from(folder);
        if folder == Path::new(FETCH) {
            return Ok(Vec::new());
        }
        return match at(&folder) {
            Some(found) => Ok(vec![found]),
            None => Err(EmbeddedError::BadBinFolder(folder)),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter(|folder| folder.is_absolute());
    Ok(search(on_path.chain(known_folders())))
}

/// The usual places, the highest version of each first.
fn known_folders() -> impl Iterator<Item = PathBuf> {
    let mut folders = versions_of("/usr/lib/postgresql", "bin");
    folders.extend(prefixed("/usr", "pgsql"));
    folders.extend(prefixed("/opt/homebrew/opt", "postgresql"));
    folders.extend(prefixed("/usr/local/opt", "postgresql"));
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    folders.into_iter()
}

/// `<parent>/<number>/<below>`, highest number first.
fn versions_of(parent: &str, below: &str) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = entries(parent).filter_map(|name| name.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| Path::new(parent).join(version.to_string()).join(below)).collect()
}

/// `<parent>/<prefix>*/bin`, highest name first.
fn prefixed(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let mut names: Vec<String> = entries(parent).filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names.into_iter().map(|name| Path::new(parent).join(name).join("bin")).collect()
}

fn entries(folder: &str) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

fn search(folders: impl Iterator<Item = PathBuf>) -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for binaries in folders.filter_map(|folder| at(&folder)) {
        if !found.iter().any(|known| known.folder == binaries.folder) {
            found.push(binaries);
        }
    }
    found
}

/// The server in this folder, if there is a whole one.
pub(super) fn at(folder: &Path) -> Option<Binaries> {
    let folder = fs::canonicalize(folder.join("postgres")).ok()?.parent()?.to_owned();
    if !folder.join("initdb").exists() {
        return None;
    }
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let major = major(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { folder, major })
}

/// `15` of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version_of_releases_and_betas() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn a_folder_without_initdb_is_not_a_server() {
        assert_eq!(at(Path::new("/bin")), None);
    }
}
