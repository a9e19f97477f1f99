//! What the database says of its history.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha384};
use sqlx::PgConnection;

use super::{
    compatible::{Breaking, last_breaking},
    table::Table,
};
use crate::Migration;

/// A row of sqlx's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    pub(super) success: bool,
}

/// What was applied.
#[derive(Clone, Debug, Default)]
pub(super) struct Applied {
    /// sqlx's table, for messages.
    pub(super) table: String,
    /// sqlx's rows, by version.
    pub(super) rows: BTreeMap<i64, Row>,
    /// Versions and checksums of what a baseline stands for.
    pub(super) replaced: BTreeSet<(i64, Vec<u8>)>,
    /// The last migration that broke with older binaries.
    pub(super) breaking: Option<Breaking>,
}

impl Applied {
    pub(super) async fn read(connection: &mut PgConnection, table: &Table) -> Result<Self, sqlx::Error> {
        let rows = table.rows(&mut *connection).await?;
        let mut replaced = Vec::new();
        if super::squash::is_recorded(&mut *connection).await? {
            replaced = sqlx::query_as("SELECT version, checksum FROM app.tb_replaced_migration")
                .fetch_all(&mut *connection)
                .await?;
        }
        let breaking = last_breaking(connection).await?;
        Ok(Self { table: table.name().to_owned(), rows, replaced: replaced.into_iter().collect(), breaking })
    }

    /// Whether the migration was applied as it is, by itself or in what a baseline stands for. `None`: not at all.
    pub(super) fn is_unchanged(&self, migration: &Migration) -> Option<bool> {
        let checksum = checksum_of(migration);
        let row = self.rows.get(&migration.version).filter(|row| row.success);
        if row.is_some_and(|row| row.checksum == checksum) || self.replaced.contains(&(migration.version, checksum)) {
            return Some(true);
        }
        row.map(|_| false)
    }
}

/// As sqlx has it.
pub(super) fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha384::digest(migration.sql).to_vec()
}
