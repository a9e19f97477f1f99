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
    /// Where private copies of PostgreSQL are kept.
    pub(super) copies: PathBuf,
    /// The data is thrown away when the server stops: no fsync.
    pub(super) disposable: bool,
}

impl Plan {
    /// The server of an application: under `SPECQL_DATA_DIR`, else `/var/lib/specql` for root (other users must be able
    /// to enter, and `/root` is closed to them), else the user's XDG data folder.
    #[must_use]
    pub fn for_app(name: &str) -> Self {
        Self::in_folder(&base_folder(), name)
    }

    /// The server of an application in a folder of the caller's choice.
    #[must_use]
    pub fn in_folder(base: &Path, name: &str) -> Self {
        Self { folder: base.join(name), copies: base.to_owned(), disposable: false }
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
        Self { folder, copies: base_folder(), disposable: true }
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
            let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
            let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            PathBuf::from(format!("/tmp/specql-{short}"))
        };
        private(&sockets, account)?;
        Ok(Self { path: path.to_owned(), sockets })
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
