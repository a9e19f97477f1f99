//! The folders of a server.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{EmbeddedError, account::Account};

/// Longest path of a Unix socket, in bytes (`sun_path` without its NUL, on Linux).
const MAX_SOCKET_PATH: usize = 107;

/// Which server is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's own folder.
    pub(super) folder: PathBuf,
    /// The project that the data belongs to: its folder.
    pub(super) project: Option<PathBuf>,
    /// Where private copies of PostgreSQL are kept.
    pub(super) copies: PathBuf,
    /// The data is thrown away when the server stops: no fsync.
    pub(super) disposable: bool,
}

impl Plan {
    /// The server of an application: under `SPECQL_DATA_DIR`, else `/var/lib/specql` for root (other users must be able
    /// to enter, and `/root` is closed to them), else the user's XDG data folder.
    ///
    /// `root` is the project's folder: another project of that name has a server of its own. Empty: it is not known.
    #[must_use]
    pub fn for_app(name: &str, root: &str) -> Self {
        Self::in_folder(&base_folder(), name).of_project(root)
    }

    /// The same, of the project in that folder; empty: of whichever.
    #[must_use]
    pub fn of_project(self, root: &str) -> Self {
        let known = (!root.is_empty()).then(|| fs::canonicalize(root).unwrap_or_else(|_| PathBuf::from(root)));
        Self { project: known, ..self }
    }

    /// The folders that may be the server's, the first that is not another project's: one by the name, as `SPECQL_DATA_DIR` and its
    /// like are read by people, and one by the project's path where two have the same name.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let Some(root) = &self.project else { return vec![self.folder.clone()] };
        let mut by_path = self.folder.clone().into_os_string();
        by_path.push(format!("-{}", short_hash(root)));
        let by_path = PathBuf::from(by_path);
        if by_path.is_dir() { vec![by_path] } else { vec![self.folder.clone(), by_path] }
    }

    /// The server of an application in a folder of the caller's choice.
    #[must_use]
    pub fn in_folder(base: &Path, name: &str) -> Self {
        Self { folder: base.join(name), project: None, copies: base.to_owned(), disposable: false }
    }

    /// The same, with the machine's private copies of PostgreSQL instead of one in that folder.
    #[must_use]
    pub fn with_shared_copies(self) -> Self {
        Self { copies: base_folder(), ..self }
    }

    /// A server that loses its data when it stops: in memory where `/dev/shm` has a gigabyte free, else in the folder
    /// for temporary files.
    #[must_use]
    pub fn disposable() -> Self {
        let memory = Path::new("/dev/shm");
        let roomy = rustix::fs::statvfs(memory).is_ok_and(|stat| stat.f_bavail * stat.f_frsize > 1 << 30);
        let parent = if roomy { memory.to_owned() } else { env::temp_dir() };
        let folder = parent.join(format!("specql-test-{}", std::process::id()));
        Self { folder, project: None, copies: base_folder(), disposable: true }
    }
}

fn base_folder() -> PathBuf {
    if let Some(folder) = env::var_os("SPECQL_DATA_DIR") {
        return PathBuf::from(folder);
    }
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/specql");
    }
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/tmp".into()));
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    data.unwrap_or_else(|| home().join(".local/share")).join("specql")
}

/// The prepared folders of a server.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// The server's own folder, 0700, the account's.
    pub(super) path: PathBuf,
    /// Where its socket lies, 0700, the account's.
    pub(super) sockets: PathBuf,
}

impl Folder {
    pub(super) fn prepare(path: &Path, account: &Account) -> Result<Self, EmbeddedError> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(EmbeddedError::io(parent))?;
        }
        private(path, account)?;
        let own = path.join("run");
        let sockets = if own.join(".s.PGSQL.5432").as_os_str().len() <= MAX_SOCKET_PATH {
            own
        } else {
            PathBuf::from(format!("/tmp/specql-{}", short_hash(path)))
        };
        private(&sockets, account)?;
        Ok(Self { path: path.to_owned(), sockets })
    }

    /// Whether the data is this project's, as is noted beside it from the first time on. One that was moved takes its data along.
    /// The folder must be locked.
    pub(super) fn belongs_to(&self, project: &Path) -> Result<bool, EmbeddedError> {
        let note = self.path.join("project");
        if let Ok(noted) = fs::read_to_string(&note)
            && Path::new(&noted) != project
            && Path::new(&noted).join("Cargo.toml").is_file()
        {
            return Ok(false);
        }
        fs::write(&note, project.as_os_str().as_encoded_bytes()).map_err(EmbeddedError::io(note))?;
        Ok(true)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(super) fn lifeline(&self) -> PathBuf {
        self.path.join("lifeline")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// The last lines of the server's log.
    pub(super) fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a folder that only the account can enter; refuses one that is somebody else's.
fn private(path: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => account.own(path),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).map_err(EmbeddedError::io(path))?;
            let own = match account {
                Account::Own => rustix::process::geteuid().as_raw(),
                Account::Other { uid, .. } => *uid,
            };
            if metadata.is_dir() && metadata.uid() == own {
                return fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(EmbeddedError::io(path));
            }
            Err(EmbeddedError::io(path)(std::io::Error::other(format!(
                "expected a folder of user {own}, found one of user {}; remove it or set `SPECQL_DATA_DIR`",
                metadata.uid()
            ))))
        }
        Err(error) => Err(EmbeddedError::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a package in it.
    fn project(parent: &Path, name: &str) -> PathBuf {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("Cargo.toml"), "").unwrap();
        path
    }

    #[test]
    fn two_projects_of_one_name_have_a_folder_each_and_one_that_moves_keeps_its_own() {
        let temporary = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| project(temporary.path(), name));
        let plan = |root: &Path| Plan::in_folder(temporary.path(), "app").of_project(root.to_str().unwrap());
        let folder = Folder { path: temporary.path().join("app"), sockets: PathBuf::new() };
        fs::create_dir(&folder.path).unwrap();

        let [first, second] = [first, second].map(|path| fs::canonicalize(path).unwrap());
        assert!(folder.belongs_to(&first).unwrap(), "from before there was a note");
        assert!(folder.belongs_to(&first).unwrap());
        assert!(!folder.belongs_to(&second).unwrap());
        let places = plan(&second).places();
        assert_eq!(places[0], folder.path);
        let own = places[1].file_name().unwrap().to_str().unwrap();
        assert!(own.starts_with("app-") && own.len() == 16, "{own}");

        fs::create_dir(&places[1]).unwrap();
        assert_eq!(plan(&second).places(), [places[1].clone()]);
        assert_eq!(plan(&first).places()[0], folder.path);

        let moved = temporary.path().join("moved");
        fs::rename(&first, &moved).unwrap();
        assert!(folder.belongs_to(&moved).unwrap());
    }
}
