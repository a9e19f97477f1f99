//! Why a person's command about the migrations was not carried out.

use std::io;

use super::Project;
use crate::migrations::Refusal;

/// Why nothing was sealed, allowed or squashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A file cannot be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The project has errors, which it tells.
    #[error("the project has errors")]
    Broken(Box<Project>),
    /// The project is sound, and this cannot be done to its migrations.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
