//! What a build changes in the user's project, and whether it may. `build` makes the edits; who asks for them only computes.

/// Whether a build may write into the user's project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// What the build computes is written: the open migration follows the model.
    Write,
    /// The project must already hold what would be written, and no migration may be open. The text says why, and stands
    /// after "and": `` `CI` is set``.
    Compare(String),
}

/// A change of a file of the user's project. Paths are as in [`SourceFile::path`](crate::source::SourceFile::path).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A file gets this text.
    Write {
        /// Which file.
        path: String,
        /// All of it.
        text: String,
    },
    /// A file goes.
    Remove {
        /// Which file.
        path: String,
    },
}

impl Edit {
    /// Which file it changes.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Remove { path } => path,
        }
    }
}
