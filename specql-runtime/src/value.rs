//! Rust types of the language's scalars.
