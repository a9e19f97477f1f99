//! The user that the server runs as. PostgreSQL refuses root, so root drops to `postgres`, else to `nobody`.

use std::{fs, os::unix::process::CommandExt, process::Command};

use super::EmbeddedError;

/// Whom the server's programs run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The user of this process.
    Own,
    /// Another user, because this process is root.
    Other {
        /// Its name, for people.
        name: String,
        /// Its user id.
        uid: u32,
        /// Its group id.
        gid: u32,
    },
}

impl Account {
    /// The account for this process.
    ///
    /// # Errors
    /// When this is root and there is nobody to drop to.
    pub fn current() -> Result<Self, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(EmbeddedError::io("/etc/passwd"))?;
        ["postgres", "nobody"].iter().find_map(|name| find(&passwd, name)).ok_or(EmbeddedError::NoAccount)
    }

    /// A command that runs as this user, in a process group of its own (a Ctrl-C at the terminal is for the
    /// application; the server follows it when the application has ended).
    pub(super) fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        command.process_group(0).current_dir("/");
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid).env("HOME", "/");
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(super) fn own(&self, path: &std::path::Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => {
                std::os::unix::fs::chown(path, Some(*uid), Some(*gid)).map_err(EmbeddedError::io(path))
            }
        }
    }
}

/// The entry of that name in the text of `/etc/passwd`.
fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        (fields[0] == name && uid != 0).then(|| Account::Other { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_account_and_never_root() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104::/var/lib/postgresql:/bin/bash\nevil:x:0:0::/:\n";
        assert_eq!(find(passwd, "postgres"), Some(Account::Other { name: "postgres".to_owned(), uid: 101, gid: 104 }));
        assert_eq!(find(passwd, "evil"), None);
        assert_eq!(find(passwd, "nobody"), None);
    }
}
