//! What a user's `build.rs` calls, and the project on disk behind it.
//!
//! | module | holds |
//! |---|---|
//! | `load` | reading a folder into [`Sources`](crate::source::Sources) |
//! | `project` | [`Project`]: read, compiled, its migrations brought up to date |
//! | `error` | why they were not sealed, allowed or squashed |
//! | `mode` | when a build may write into the source tree |
//! | `files` | writing whole files with the right times, one build at a time |
//! | `watch` | what Cargo must watch |

mod error;
mod files;
mod load;
mod mode;
mod project;
mod watch;

use std::{
    env, io,
    path::{Path, PathBuf},
};

pub use error::MigrationError;
pub use load::{Layout, load};
pub use mode::mode;
pub use project::Project;

use crate::outputs::Mode;

/// File in `OUT_DIR` with the generated Rust.
pub const RUST_FILE: &str = "specql.rs";

/// File in `OUT_DIR` with the rendered errors: a JSON array of texts, which `specql!` raises.
pub const DIAGNOSTICS_FILE: &str = "specql.diagnostics";

/// Compiles the project of the package that is being built. All of a project's `build.rs`:
///
/// ```no_run
/// specql_compiler::build();
/// ```
///
/// Errors in the project's files do not fail the build script: they go to `specql!`, which raises them with their
/// excerpts, beside the code of all that could be understood. Ends the process where a file cannot be read or written.
pub fn build() {
    if let Err(error) = from_environment() {
        println!("cargo::error=specql: {error}");
        std::process::exit(1);
    }
}

fn from_environment() -> io::Result<()> {
    let variable = |name: &str| {
        env::var(name).map_err(|_| io::Error::other(format!("`{name}` is not set: call `build` from a build.rs")))
    };
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let request = Request {
        mode: mode(&root, |name| env::var(name).ok()),
        out_dir: PathBuf::from(variable("OUT_DIR")?),
        package: variable("CARGO_PKG_NAME")?,
        root,
    };
    for line in run(&request)? {
        println!("{line}");
    }
    Ok(())
}

/// A build of a package.
#[derive(Clone, Debug)]
pub struct Request {
    /// Folder of the package.
    pub root: PathBuf,
    /// Where generated code goes.
    pub out_dir: PathBuf,
    /// Name of the package.
    pub package: String,
    /// Whether it may write into the source tree.
    pub mode: Mode,
}

/// Carries a build out and returns the lines that Cargo must read.
///
/// # Errors
/// When a file cannot be read or written; the message names it.
pub fn run(request: &Request) -> io::Result<Vec<String>> {
    let project = Project::update(&request.root, &request.mode)?;
    write_outputs(&project, &request.package, &request.out_dir)?;

    let newest = watch::newest(&project.layout, &project.sources)?;
    let watched = watch::paths(&project.layout, &project.sources, &request.out_dir, newest)?;
    let mut lines: Vec<String> =
        watched.iter().map(|path| format!("cargo::rerun-if-changed={}", path.display())).collect();
    if project.has_errors() {
        // A build that fails looks again next time, whatever the files' times say: it is not fresh anyway.
        lines.push(format!("cargo::rerun-if-changed={}", request.out_dir.join("never").display()));
    }
    lines.extend(mode::VARIABLES.iter().map(|name| format!("cargo::rerun-if-env-changed={name}")));
    lines.extend(project.warnings().iter().map(|warning| format!("cargo::warning={warning}")));
    Ok(lines)
}

fn write_outputs(project: &Project, package: &str, out_dir: &Path) -> io::Result<()> {
    let rust = out_dir.join(RUST_FILE);
    // A file that is no YAML at the moment, in the middle of an edit, says nothing about its entities. Editors keep the
    // names of the last build then; the errors stop this one in any case.
    if !(project.is_unreadable() && rust.exists()) {
        files::write_if_changed(&rust, &project.rust(package))?;
    }
    let errors = serde_json::to_string_pretty(&project.errors())?;
    files::write_if_changed(&out_dir.join(DIAGNOSTICS_FILE), &errors)
}
