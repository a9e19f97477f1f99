//! The embedded server, for real: started, shared, killed and started again.
#![cfg(all(feature = "embedded", unix))]
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, process::Command, time::Duration};

use specql_runtime::database::embedded::{Plan, Server};
use sqlx::{ConnectOptions, Connection};

/// A server's folder that the server's user can enter.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("specql-embedded-").tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

fn plan(folder: &Path) -> Plan {
    Plan::in_folder(folder, "app")
}

async fn execute(server: &Server, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = server.connect_options("app").connect().await?;
    sqlx::raw_sql(sql).execute(&mut connection).await?;
    connection.close().await
}

/// Waits until the server of that folder has stopped. Its last checkpoint waits for the disk, which may be busy.
async fn stopped(folder: &Path) {
    for _ in 0..1200 {
        if !folder.join("app/data/postmaster.pid").exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(folder.join("app/server.log")).unwrap_or_default();
    panic!("the server did not stop within a minute; its log:\n{log}");
}

#[tokio::test]
async fn data_survives_a_stop_and_the_server_stops_with_its_last_user() {
    let folder = folder();
    let server = Server::start(plan(folder.path())).await.unwrap();
    server.database("app").await.unwrap();
    execute(&server, "CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1)").await.unwrap();
    let second_user = Server::start(plan(folder.path())).await.unwrap();
    drop(server);
    execute(&second_user, "INSERT INTO kept VALUES (2)").await.unwrap();
    drop(second_user);
    stopped(folder.path()).await;

    let server = Server::start(plan(folder.path())).await.unwrap();
    let mut connection = server.connect_options("app").connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(rows, 2);
    drop(server);
    stopped(folder.path()).await;
}

#[tokio::test]
async fn the_application_is_no_superuser() {
    let folder = folder();
    let server = Server::start(plan(folder.path())).await.unwrap();
    server.database("app").await.unwrap();
    let mut connection = server.connect_options("app").connect().await.unwrap();
    let superuser: bool = sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(!superuser);
    drop(server);
    stopped(folder.path()).await;
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_committed_rows() {
    let folder = folder();
    let server = Server::start(plan(folder.path())).await.unwrap();
    server.database("app").await.unwrap();
    execute(&server, "CREATE TABLE kept (n integer); INSERT INTO kept VALUES (1)").await.unwrap();
    let pid = std::fs::read_to_string(folder.path().join("app/data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    drop(server);

    let server = Server::start(plan(folder.path())).await.unwrap();
    let mut connection = server.connect_options("app").connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(rows, 1);
    drop(server);
    stopped(folder.path()).await;
}

/// Kills the server of that folder and gives the process id of its supervisor.
fn kill(folder: &Path) -> String {
    let pid = std::fs::read_to_string(folder.join("app/data/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    let parent = Command::new("ps").args(["-o", "ppid=", "-p", &pid]).output().unwrap();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    String::from_utf8(parent.stdout).unwrap().trim().to_owned()
}

/// Waits until a child of this process has ended, which nobody else asks for.
async fn ended(pid: &str) {
    for _ in 0..500 {
        let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
        let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
        if state.is_empty() || state.starts_with('Z') {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the supervisor has not ended");
}

#[tokio::test]
async fn a_supervisor_that_is_late_leaves_the_next_server_alone() {
    let folder = folder();
    let first = Server::start(plan(folder.path())).await.unwrap();
    let supervisor = kill(folder.path());
    let second = Server::start(plan(folder.path())).await.unwrap();
    // Only now the first one's supervisor sees that nobody needs its server.
    drop(first);
    ended(&supervisor).await;
    let another_user = Server::start(plan(folder.path())).await.unwrap();
    drop(second);
    another_user.superuser_options().connect().await.unwrap().close().await.unwrap();
    drop(another_user);
    stopped(folder.path()).await;
}

#[tokio::test]
async fn a_pipe_of_an_earlier_supervisor_is_no_lifeline() {
    let folder = folder();
    let server = Server::start(plan(folder.path())).await.unwrap();
    let supervisor = kill(folder.path());
    drop(server);
    ended(&supervisor).await;
    // As if it were still about to close its end.
    let pipe = folder.path().join("app/lifeline");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    let _reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&pipe).unwrap();

    let server = Server::start(plan(folder.path())).await.unwrap();
    drop(server);
    stopped(folder.path()).await;
}

#[tokio::test]
async fn data_of_another_major_version_is_refused_with_a_sentence() {
    let folder = folder();
    let server = Server::start(plan(folder.path())).await.unwrap();
    drop(server);
    stopped(folder.path()).await;
    std::fs::write(folder.path().join("app/data/PG_VERSION"), "9\n").unwrap();
    let error = Server::start(plan(folder.path())).await.unwrap_err().to_string();
    assert!(error.contains("was made by PostgreSQL 9"), "{error}");
}
