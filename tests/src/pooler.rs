//! A PgBouncer of one test's own, between it and a database.

use std::{fs, path::PathBuf, process::Command};

use specql_runtime::database::embedded::account::Account;
use sqlx::postgres::PgConnectOptions;

use crate::{
    process::{Process, free_port, wait_for_port},
    tool,
};

/// Which PgBouncer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.18, which knows nothing of prepared statements.
    Older,
    /// 1.24, which keeps track of them (`max_prepared_statements`, since 1.21).
    Newer,
}

/// A running PgBouncer; dropping it kills it.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    url: url::Url,
    _processes: Vec<Process>,
    _folder: tempfile::TempDir,
}

impl Pooler {
    /// Starts one before the database of this URL, with a `pool_mode` and other settings.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    #[must_use]
    pub fn start(version: Version, url: &str, mode: &str, settings: &[(&str, &str)]) -> Self {
        Self::with_processes(1, version, url, mode, settings)
    }

    /// The same, as so many processes on one port. Each has sessions of its own, and the kernel decides who gets a connection.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    #[must_use]
    pub fn with_processes(count: usize, version: Version, url: &str, mode: &str, settings: &[(&str, &str)]) -> Self {
        let url: url::Url = url.parse().expect("a URL");
        let server: PgConnectOptions = url.as_str().parse().expect("a PostgreSQL URL");
        let folder = tempfile::Builder::new().prefix("specql-pgbouncer-").tempdir().expect("a temporary folder");
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"{}\" \"{}\"\n", server.get_username(), url.password().unwrap_or_default()))
            .expect("our own folder");
        let socket = server.get_socket().map(|socket| socket.display().to_string());
        let host = socket.unwrap_or_else(|| server.get_host().to_owned());
        let port = free_port();
        let mut text = format!(
            "[databases]\n* = host={host} port={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             so_reuseport = 1\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n",
            server.get_port(),
            users.display(),
        );
        // It refuses to be root.
        if let Account::Other { name, .. } = Account::current().expect("it runs as somebody") {
            text += &format!("user = {name}\n");
        }
        for (name, value) in settings {
            text += &format!("{name} = {value}\n");
        }
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, text).expect("our own folder");
        let processes =
            (0..count).map(|_| Process::start(Command::new(program(version)).arg("--quiet").arg(&file))).collect();
        wait_for_port(port);
        Self { port, url, _processes: processes, _folder: folder }
    }

    /// The database's URL through this pooler.
    ///
    /// # Panics
    /// Never: the URL has a host.
    #[must_use]
    pub fn url(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).expect("it has a host");
        url.set_port(Some(self.port)).expect("it has a host");
        url.to_string()
    }
}

fn program(version: Version) -> PathBuf {
    let release = match version {
        Version::Older => "bookworm",
        Version::Newer => "trixie",
    };
    tool::folder("SPECQL_TEST_PGBOUNCER", "pgbouncer").join(release).join("pgbouncer")
}
