//! Where the database comes from.

use std::{env, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::timeout;

use super::Database;
use crate::Project;

/// Connections of a pool that [`Database::open`] makes, all for the application: a worker has seven of its own.
const POOL_SIZE: u32 = 24;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// `DATABASE_URL` is set and no URL of a PostgreSQL database.
    #[error("`DATABASE_URL` is set but is no PostgreSQL URL: {0}; expected `postgres://user:password@host/database`")]
    Url(#[source] sqlx::Error),
    /// The database that `DATABASE_URL` names does not answer.
    #[error(
        "the database of `DATABASE_URL` cannot be reached: {0}; start it, or unset `DATABASE_URL` to use the embedded one"
    )]
    Connect(#[source] sqlx::Error),
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

pub(super) async fn open(project: &'static Project) -> Result<Database, OpenError> {
    if let Some(url) = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        let options: PgConnectOptions = url.parse().map_err(OpenError::Url)?;
        let pool = pool(options).await.map_err(OpenError::Connect)?;
        return Ok(Database { pool, project, _server: None });
    }
    open_embedded(project).await
}

#[cfg(all(feature = "embedded", unix))]
async fn open_embedded(project: &'static Project) -> Result<Database, OpenError> {
    use std::sync::Arc;

    let server = super::embedded::Server::start(super::embedded::Plan::for_app(project.name)).await?;
    server.database(project.name).await?;
    let pool = pool(server.connect_options(project.name)).await.map_err(super::embedded::EmbeddedError::Connect)?;
    Ok(Database { pool, project, _server: Some(Arc::new(server)) })
}

#[cfg(not(all(feature = "embedded", unix)))]
async fn open_embedded(_project: &'static Project) -> Result<Database, OpenError> {
    Err(OpenError::NoEmbedded)
}

/// How long a connection is waited for, in all.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// And one try: what was sent while the network was broken is never answered, and the next try is as soon as it works.
const ONE_TRY: Duration = Duration::from_secs(5);

async fn pool(options: PgConnectOptions) -> Result<sqlx::PgPool, sqlx::Error> {
    let builder = PgPoolOptions::new().max_connections(POOL_SIZE).acquire_timeout(CONNECT_WITHIN);
    let tries = async {
        loop {
            // A try that ends by itself says why: that is the answer.
            if let Ok(pool) = timeout(ONE_TRY, builder.clone().connect_with(options.clone())).await {
                return pool;
            }
        }
    };
    timeout(CONNECT_WITHIN, tries).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
