//! The pipeline, from sources to the checked model.

use crate::{diagnostics::Diagnostic, model::Model, source::Sources};

/// What became of a project's sources.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The checked project. With errors: what could be understood, so that editors keep the generated names; nothing
    /// but Rust may be emitted from it then.
    pub model: Model,
    /// Everything there is to say, in source order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// Whether the build must stop.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a project. Pure: no files, no environment, no clock; never panics, whatever the sources hold.
#[must_use]
pub fn compile(_sources: &Sources) -> Compilation {
    Compilation { model: Model::default(), diagnostics: Vec::new() }
}
