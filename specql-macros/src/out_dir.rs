//! `specql!()`: what the package's build script generated.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use proc_macro2::TokenStream;
use quote::quote;
use specql_compiler::internals::build::{DIAGNOSTICS_FILE, RUST_FILE};

const NO_BUILD_SCRIPT: &str = "`specql!()` includes what a build script generates, and this package has none for it: \
    add a build.rs with `fn main() { specql_compiler::build() }`, and `specql-compiler` to [build-dependencies]";

pub(crate) fn expand(out_dir: Option<OsString>) -> TokenStream {
    let Some(out_dir) = out_dir.map(PathBuf::from) else { return super::error(NO_BUILD_SCRIPT) };
    if !out_dir.join(RUST_FILE).is_file() {
        return super::error(NO_BUILD_SCRIPT);
    }
    let errors = match errors(&out_dir.join(DIAGNOSTICS_FILE)) {
        Ok(errors) => errors,
        // Never an empty list: a project with errors must not build.
        Err(reason) => vec![format!("the build script left no readable `{DIAGNOSTICS_FILE}`: {reason}")],
    };
    let errors = errors.iter().map(|text| super::error(text));
    let path = format!("/{RUST_FILE}");
    quote! {
        ::core::include!(::core::concat!(::core::env!("OUT_DIR"), #path));
        #(#errors)*
    }
}

/// Why it is not known whether the project has errors.
#[derive(Debug, thiserror::Error)]
enum DiagnosticsError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The rendered errors, a text each.
fn errors(path: &Path) -> Result<Vec<String>, DiagnosticsError> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        expand(Some(dir.path().into())).to_string()
    }

    #[test]
    fn without_a_build_script_the_error_says_which_to_add() {
        assert!(expand(None).to_string().contains("add a build.rs with"));
        assert!(expanded(&[]).contains("add a build.rs with"));
    }

    #[test]
    fn errors_are_raised_beside_the_code() {
        let text = expanded(&[(RUST_FILE, ""), (DIAGNOSTICS_FILE, r#"["duplicate key [SQ0003]", "other"]"#)]);
        assert!(text.contains("include !"), "{text}");
        assert!(text.contains("compile_error ! (\"duplicate key [SQ0003]\")"), "{text}");
        assert!(text.contains("compile_error ! (\"other\")"), "{text}");
    }

    #[test]
    fn a_project_whose_errors_cannot_be_read_does_not_build() {
        assert!(expanded(&[(RUST_FILE, "")]).contains("compile_error"));
        assert!(expanded(&[(RUST_FILE, ""), (DIAGNOSTICS_FILE, "[")]).contains("compile_error"));
    }

    #[test]
    fn a_project_without_errors_is_only_included() {
        assert!(!expanded(&[(RUST_FILE, ""), (DIAGNOSTICS_FILE, "[]")]).contains("compile_error"));
    }
}
