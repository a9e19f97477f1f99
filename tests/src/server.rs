//! A PostgreSQL of one test's own: what happens to it disturbs no other test.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use specql_runtime::database::embedded::{Plan, Server, account::Account};
use sqlx::{ConnectOptions as _, PgConnection};

/// A running server. It keeps what is committed: `fsync` is on.
#[derive(Debug)]
pub struct OwnServer {
    folder: tempfile::TempDir,
    server: Option<Server>,
}

impl OwnServer {
    /// Makes and starts one with an empty database.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        // In memory where there is room: what is tested is not the disk.
        let memory = Path::new("/dev/shm");
        let parent = if memory.exists() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("specql-server-").tempdir_in(parent).expect("a temporary folder");
        // The server's account is another one where this is root, and must be able to enter.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        let mut server = Self { folder, server: None };
        server.start_again().await;
        server
    }

    /// Starts it after [`OwnServer::stop`] or [`OwnServer::kill`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        let plan = Plan::in_folder(self.folder.path(), "server").with_shared_copies();
        let server = Server::start(plan).await.unwrap_or_else(|error| panic!("{error}"));
        server.database("app").await.unwrap_or_else(|error| panic!("{error}"));
        self.server = Some(server);
    }

    /// Shuts it down as `systemctl stop` does: connections are broken off, and everything is written.
    ///
    /// # Panics
    /// When it does not stop within a minute.
    pub async fn stop(&mut self) {
        drop(self.server.take());
        let pid = self.pid_file();
        crate::process::eventually("the server stops", async || !pid.exists()).await;
    }

    /// `kill -9` of the postmaster: what a crash of the machine leaves.
    ///
    /// # Panics
    /// When there is no server, or it does not die.
    pub async fn kill(&mut self) {
        let postmaster = self.postmaster();
        // Stopped first, so that it starts no more processes while they are counted.
        rustix::process::kill_process(postmaster, Signal::STOP).expect("our own server");
        let children = children_of(postmaster);
        rustix::process::kill_process(postmaster, Signal::KILL).expect("our own server");
        drop(self.server.take());
        // They end when they notice; until the last has, PostgreSQL refuses to start.
        crate::process::eventually("its sessions end", async || !children.iter().any(|child| child.exists())).await;
        // The supervisor's last act is to stop what its folder names: not the server that is started next.
        let lifeline = self.folder.path().join("server/lifeline");
        crate::process::eventually("the supervisor ends", async || !lifeline.exists()).await;
    }

    /// From now on no file of it becomes larger: an extension of one fails with `disk_full`, as on a full file system.
    /// Without a size all may grow again.
    ///
    /// # Panics
    /// When the limit cannot be set on every one of the server's processes.
    pub async fn limit_files(&self, bytes: Option<u64>) {
        let mut superuser = self.superuser().await;
        let backends: Vec<i32> =
            sqlx::query_scalar("SELECT pid FROM pg_stat_activity").fetch_all(&mut superuser).await.expect("an answer");
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        for pid in backends.into_iter().chain([self.postmaster().as_raw_nonzero().get()]) {
            let mut prlimit = Command::new("prlimit");
            // The soft limit alone: the hard one could not be raised again.
            prlimit.args(["--pid", &pid.to_string(), &format!("--fsize={limit}:")]);
            // Root in a container may not do this to others, but everybody may to himself.
            if let Account::Other { uid, gid, .. } = Account::current().expect("the server runs as somebody") {
                prlimit.uid(uid).gid(gid);
            }
            let output = prlimit.output().expect("this test needs Linux and `prlimit`, of the package util-linux");
            let gone = !Path::new(&format!("/proc/{pid}")).exists();
            assert!(output.status.success() || gone, "the server's files cannot be limited: {output:?}");
        }
    }

    /// URL of its owner to its database.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn url(&self) -> String {
        self.running().url("specql", "app")
    }

    /// A connection of the superuser to its database.
    ///
    /// # Panics
    /// When there is none to be had.
    pub async fn superuser(&self) -> PgConnection {
        self.running().superuser_options().database("app").connect().await.expect("a superuser")
    }

    fn running(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("server/data/postmaster.pid")
    }

    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.pid_file()).expect("the server runs");
        let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        pid.expect("the file begins with the process's id")
    }
}

/// The folders in `/proc` of a process's children.
fn children_of(parent: Pid) -> Vec<PathBuf> {
    let parent = parent.as_raw_nonzero().to_string();
    let processes = fs::read_dir("/proc").expect("this test needs Linux and its `/proc`").flatten();
    let is_child = |folder: &PathBuf| {
        // Behind the name, which ends with the last bracket: the state, and the parent.
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(&parent)
    };
    processes.map(|entry| entry.path()).filter(is_child).collect()
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        if self.server.take().is_none() {
            return;
        }
        // Its folder is removed behind it: not before it has stopped.
        let pid = self.pid_file();
        for _ in 0..600 {
            if !pid.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
