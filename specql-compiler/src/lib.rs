//! The SpecQL compiler: YAML entities and a service registry to SQL migrations and typed Rust.
//!
//! ```text
//! sources → yaml (value + span) → syntax → check → model → emitters (sql, rust) → migrations
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | files, spans, the bounded YAML reader, `specql.toml` |
//! | [`diagnostics`] | errors and warnings: code, position, excerpt, suggestion; one file per rule |
//! | [`syntax`] | entity files and expressions as they are written, with spans, nothing resolved |
//! | [`domain`] | the domain registry: schemas, aliases, which are multi-tenant |
//! | [`keys`] | tables of the keys of every file format |
//! | [`reference`](mod@reference) | types and functions as pages for users |
//! | [`registry`] | registry files to [`specql_registry::Registry`] |
//! | [`check`] | names, types and policies: syntax to model |
//! | [`model`] | the checked project: all that an emitter may read |
//! | [`sql`] | the model as database objects; the only place with SQL text |
//! | [`rust`] | the model as Rust |
//! | [`typescript`] | the model as TypeScript |
//! | [`migrations`] | snapshot, diff, lock and the migration files |
//! | [`build`](mod@build) | what `build.rs` calls: the only module, with the CLI, that touches the file system |
//!
//! Invariants: [`compile`] is a pure function of its sources and never panics; all errors are collected; an emitter
//! reads the checked model only; the same sources in any order give the same bytes.

pub mod build;
pub mod check;
pub mod diagnostics;
pub mod domain;
pub mod keys;
pub mod migrations;
pub mod model;
pub mod reference;
pub mod registry;
pub mod rust;
pub mod source;
pub mod sql;
pub mod syntax;
pub mod typescript;

mod compile;

pub use build::build;
pub use compile::{Compilation, compile};
