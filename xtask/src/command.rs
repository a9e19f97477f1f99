//! Running programs, with a line that says so.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// The folder in which tools for the tests are kept.
pub(crate) fn tools_folder() -> PathBuf {
    root().join("target/test-tools")
}

/// Says what follows.
pub(crate) fn say(text: &str) {
    println!("\n== {text}");
}

/// `cargo` with these arguments, in the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs it; fails when it does.
pub(crate) fn run(mut command: Command) -> anyhow::Result<()> {
    let shown = show(&command);
    println!("   $ {shown}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("`{shown}` could not be started"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    println!("   ({:.0} s)", start.elapsed().as_secs_f32());
    Ok(())
}

/// Whether it runs and succeeds; what it prints is not shown.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ").replace(&root().display().to_string(), ".")
}
