//! A migration as a binary carries it.

/// A migration that goes into the binary.
#[derive(Clone, Debug)]
pub struct MigrationPart {
    /// `1` of `0001_init.sql`.
    pub version: i64,
    /// `init`.
    pub description: String,
    /// The text of the file.
    pub sql: String,
    /// Not sealed yet.
    pub open: bool,
    /// Somebody wrote it.
    pub by_hand: bool,
    /// Undoes an open step: all of it in its first file, nothing in the others. `None` of one that is written by hand.
    pub reverse: Option<String>,
    /// What a baseline stands for: version and SHA-384 in hex. Empty for any other migration.
    pub replaces: Vec<(i64, String)>,
}
