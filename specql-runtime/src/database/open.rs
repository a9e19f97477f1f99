//! Where the database comes from.

use std::{env, io, time::Duration};

use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use super::Database;
use crate::{Project, queue::error::words};

/// Connections of a pool that [`Database::open`] makes, all for the application: a worker has seven of its own.
const POOL_SIZE: u32 = 24;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
// A message that tells its cause does not offer it as a source, too: it would be printed twice.
pub enum OpenError {
    /// `DATABASE_URL` is set and is of another database.
    #[error("`DATABASE_URL` names no PostgreSQL database: {0}; expected `postgres://user:password@host/database`")]
    Scheme(String),
    /// `DATABASE_URL` is set and no URL of a PostgreSQL database.
    #[error("`DATABASE_URL` is set but is no PostgreSQL URL: {0}; expected `postgres://user:password@host/database`")]
    Url(sqlx::Error),
    /// The database that `DATABASE_URL` names does not answer.
    #[error(
        "the database of `DATABASE_URL` cannot be reached: {}; start it, or unset `DATABASE_URL` to use the embedded one", words(.0)
    )]
    Connect(sqlx::Error),
    /// A pooler refuses a parameter that PostgreSQL would take.
    #[error(
        "`DATABASE_URL` leads to a connection pooler that refuses how a connection begins: {}; set `ignore_startup_parameters = \
         extra_float_digits` in PgBouncer, or connect to PostgreSQL directly", words(.0)
    )]
    Refused(sqlx::Error),
    /// The embedded server could not be started.
    #[cfg(all(feature = "embedded", unix))]
    #[error(transparent)]
    Embedded(#[from] super::embedded::EmbeddedError),
    /// There is no embedded server in this build.
    #[error(
        "`DATABASE_URL` is not set, and this build has no embedded PostgreSQL: set it, or use a Unix system and the feature `embedded`"
    )]
    NoEmbedded,
}

impl OpenError {
    /// Why the database that `DATABASE_URL` names is not to be had.
    fn of(error: sqlx::Error) -> Self {
        // PgBouncer's own words; PostgreSQL ends such a connection with another code.
        let refused = error.as_database_error().is_some_and(|error| {
            error.code().as_deref() == Some("08P01") && error.message().starts_with("unsupported startup parameter")
        });
        if refused { Self::Refused(error) } else { Self::Connect(error) }
    }
}

pub(super) async fn open(project: &'static Project) -> Result<Database, OpenError> {
    if let Some(url) = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        let pool = pool(options(&url)?).await.map_err(OpenError::of)?;
        return Ok(Database { pool, project, server: None, may_undo_open: None });
    }
    open_embedded(project).await
}

/// Any word before `://` is a host to sqlx.
fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => url.parse().map_err(OpenError::Url),
        Some((scheme, _)) => Err(OpenError::Scheme(format!("it begins with `{scheme}://`"))),
        // Not shown: it may be a password.
        None => Err(OpenError::Scheme("it has no `://`".to_owned())),
    }
}

#[cfg(all(feature = "embedded", unix))]
async fn open_embedded(project: &'static Project) -> Result<Database, OpenError> {
    use std::sync::Arc;

    let server = super::embedded::Server::start(super::embedded::Plan::for_app(project.name, project.root)).await?;
    server.database(project.name).await?;
    let pool = pool(server.connect_options(project.name)).await.map_err(super::embedded::EmbeddedError::Connect)?;
    Ok(Database { pool, project, server: Some(Arc::new(server)), may_undo_open: None })
}

#[cfg(not(all(feature = "embedded", unix)))]
async fn open_embedded(_project: &'static Project) -> Result<Database, OpenError> {
    Err(OpenError::NoEmbedded)
}

/// How long a connection is waited for, in all.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// And one try: what was sent while the network was broken is never answered, and the next try is as soon as it works.
const ONE_TRY: Duration = Duration::from_secs(5);

/// Before another try where the server says that it will take connections soon.
const SOON: Duration = Duration::from_millis(100);

async fn pool(options: PgConnectOptions) -> Result<sqlx::PgPool, sqlx::Error> {
    // By itself, for a pool tries again what is refused, and in the end says no more than that its time is over.
    let mut last = sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
    let tries = async {
        loop {
            match timeout(ONE_TRY, PgConnection::connect_with(&options)).await {
                Ok(Ok(connection)) => break connection.close().await,
                // It starts, or all connections are in use.
                Ok(Err(sqlx::Error::Database(error))) if error.is_transient_in_connect_phase() => {
                    last = sqlx::Error::Database(error);
                    sleep(SOON).await;
                }
                Ok(Err(error)) => break Err(error),
                Err(_) => {}
            }
        }
    };
    if let Ok(answer) = timeout(CONNECT_WITHIN, tries).await {
        answer?;
        return Ok(PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .acquire_timeout(CONNECT_WITHIN)
            .connect_lazy_with(options));
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_at_once() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        drop(taken);
        let since = Instant::now();
        let refused = pool(options(&format!("postgres://me@127.0.0.1:{port}/shop")).unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
        assert!(since.elapsed() < ONE_TRY);
    }

    #[test]
    fn a_url_of_another_database_is_no_host() {
        for (url, why) in [("mysql://me:secret@db/shop", "it begins with `mysql://`"), ("secret", "it has no `://`")] {
            let said = options(url).unwrap_err().to_string();
            let expected = "expected `postgres://user:password@host/database`";
            assert_eq!(said, format!("`DATABASE_URL` names no PostgreSQL database: {why}; {expected}"));
        }
        assert!(options("postgresql://me@db/shop").is_ok());
    }
}
