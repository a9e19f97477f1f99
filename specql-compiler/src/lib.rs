//! The SpecQL compiler: YAML entities and a service registry to SQL migrations and typed Rust.
//!
//! A `build.rs` calls [`build()`]. [`Project`] is a project on disk, for tools: read, brought up to date, its migrations sealed.
//! [`compile()`] is the compiler alone: files in memory in, [`Diagnostic`]s out. Nothing else is for users.
//!
//! ```text
//! sources → yaml (value + span) → syntax → check → model → emitters (sql, rust) → migrations
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `source` | files, spans, the bounded YAML reader, `specql.toml` |
//! | `diagnostics` | errors and warnings: code, position, excerpt, suggestion; one file per rule |
//! | `keys` | what a table of keys is; each stands beside what reads its mapping |
//! | `syntax` | entity files and expressions as they are written, with spans, nothing resolved |
//! | `domain` | the domain registry: schemas, aliases, which are multi-tenant |
//! | `registry` | registry files to [`specql_registry::Registry`] |
//! | `check` | names, types and policies: syntax to model |
//! | `model` | the checked project: all that an emitter may read |
//! | `sql` | the model as database objects; the only place with SQL text |
//! | `migrations` | snapshot, diff, lock and the migration files |
//! | `rust` | the model, and the migrations, as Rust |
//! | `typescript` | the model as TypeScript |
//! | `reference` | keys, types and functions as pages for users, and JSON Schemas for editors |
//! | `outputs` | what a build changes in the user's project, and whether it may |
//! | `build` | what `build.rs` calls: the only module, with the CLI, that touches the file system |
//! | `internals` | modules for our own crates: no part of the API |
//!
//! Invariants: [`compile()`] is a pure function of its sources and never panics; all errors are collected; an emitter
//! reads the checked model only, and that of Rust the migrations; the same sources in any order give the same bytes. What is
//! read (`source`, `syntax`, `domain`, `registry`) knows nothing of what is made of it, and `migrations` no emitted language.

mod build;
mod check;
mod compile;
mod diagnostics;
mod domain;
mod keys;
mod migrations;
mod model;
mod outputs;
mod reference;
mod registry;
mod rust;
mod source;
mod sql;
mod syntax;
mod typescript;

#[doc(hidden)]
pub mod internals;

pub use build::{MigrationError, Project, build};
pub use compile::{Compilation, compile};
pub use diagnostics::{Diagnostic, Rule, Severity, render};
pub use migrations::{FileName, Refusal};
pub use outputs::Mode;
pub use source::{FileId, SourceFile, SourceKind, Sources, Span};
