//! Where a statement is sent: a database, a pool, a connection or the caller's own transaction.

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

pub use crate::queue::Target;

use crate::Database;

/// What `send` accepts: `&db`, `&pool`, `&mut connection`, `&mut transaction`.
pub trait Connection<'c> {
    /// Where the statement goes.
    fn into_target(self) -> Target<'c>;
}

impl<'c> Connection<'c> for &Database {
    fn into_target(self) -> Target<'c> {
        Target::Pool(self.pool().clone())
    }
}

impl<'c> Connection<'c> for &PgPool {
    fn into_target(self) -> Target<'c> {
        Target::Pool(self.clone())
    }
}

impl<'c> Connection<'c> for &'c mut PgConnection {
    fn into_target(self) -> Target<'c> {
        Target::Connection(self)
    }
}

impl<'c> Connection<'c> for &'c mut Transaction<'_, Postgres> {
    fn into_target(self) -> Target<'c> {
        Target::Connection(self)
    }
}
