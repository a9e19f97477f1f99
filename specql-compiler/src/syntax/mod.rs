//! Files as they are written, with the place of everything and nothing resolved.

pub mod types;
