//! What a user's `build.rs` calls.

/// Compiles the project of the package that is being built.
pub fn build() {}
