//! Rows of the read views.

use serde::de::DeserializeOwned;
use sqlx::{Row as _, postgres::PgRow};

/// The row that a view's column `data` holds: what generated rows' `FromRow` does.
///
/// # Errors
/// When there is no such column, or it holds no such row.
pub fn from_view<T: DeserializeOwned>(row: &PgRow) -> sqlx::Result<T> {
    let sqlx::types::Json(row) = row.try_get("data")?;
    Ok(row)
}
