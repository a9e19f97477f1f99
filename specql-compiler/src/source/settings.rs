//! `specql.toml`.
