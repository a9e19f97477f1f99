//! `db.migrate()` as a process of its own, so that a test can kill it. Its database is `DATABASE_URL`, its migrations are the files
//! of `MIGRATIONS`.

use std::{path::Path, process::ExitCode};

use specql_runtime::Database;
use specql_tests::history::History;

#[tokio::main]
async fn main() -> ExitCode {
    match migrate().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("migrator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate() -> anyhow::Result<()> {
    let folder = std::env::var("MIGRATIONS")?;
    let database = Database::open(History::of_folder(Path::new(&folder)).project()).await?;
    database.migrate().await?;
    Ok(())
}
