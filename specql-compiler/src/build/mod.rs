//! What a user's `build.rs` calls.

mod load;

pub use load::{Layout, load};

/// Compiles the project of the package that is being built.
pub fn build() {}
