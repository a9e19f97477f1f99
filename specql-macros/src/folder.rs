//! `specql!("dir")`: a folder compiled on the spot.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use proc_macro2::{LexError, TokenStream};
use quote::quote;
use specql_compiler::{Mode, Project};
use syn::LitStr;

pub(crate) fn expand(dir: &LitStr) -> TokenStream {
    let Some(file) = dir.span().unwrap().local_file() else {
        return super::error("`specql!(\"dir\")` must stand in a source file: its folder is found from there");
    };
    match beside(&file, &dir.value()).and_then(|root| compile(&root)) {
        Ok(code) => code,
        Err(reason) => super::error(&format!("`specql!({:?})`: {reason}", dir.value())),
    }
}

/// Why a folder could not be compiled at all.
#[derive(Debug, thiserror::Error)]
enum FolderError {
    #[error("there is no such folder beside the calling file")]
    Missing,
    #[error("the folder beside the calling file cannot be read: {0}")]
    Unreadable(io::Error),
    /// A file of it; the message names it.
    #[error(transparent)]
    Project(#[from] io::Error),
    #[error("the generated code cannot be read: {0}")]
    Code(#[from] LexError),
}

/// The folder, relative to the calling file.
fn beside(file: &Path, dir: &str) -> Result<PathBuf, FolderError> {
    let path = file.parent().unwrap_or(Path::new("")).join(dir);
    // Absolute, for `include_bytes!` resolves its paths in another way than we do.
    path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => FolderError::Missing,
        _ => FolderError::Unreadable(error),
    })
}

fn compile(root: &Path) -> Result<TokenStream, FolderError> {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    // Reading writes nothing; `Write` only says that an open migration is all right.
    let project = Project::read(root, &Mode::Write)?;
    let code: TokenStream = project.rust(&package).parse()?;
    let errors = project.errors();
    let errors = errors.iter().map(|text| super::error(text));
    // So that Cargo sees an edit of any of them.
    let files = project.sources.iter().map(|(_, file)| root.join(&file.path)).filter(|path| path.is_file());
    let files = files.map(|path| path.display().to_string());
    Ok(quote! {
        #(const _: &[u8] = ::core::include_bytes!(#files);)*
        #code
        #(#errors)*
    })
}
