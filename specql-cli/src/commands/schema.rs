//! `specql schema`: the JSON Schema of a file format.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;
use specql_compiler::internals::reference::{formats::FORMATS, json_schema_text};

use crate::cli::Format;

pub(super) fn run(format: Format, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let found = FORMATS.iter().find(|known| known.name == format.name());
    let text = json_schema_text(found.context("the compiler does not know this format")?);
    match out {
        Some(path) => std::fs::write(path, text).with_context(|| path.display().to_string())?,
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}
