//! `specql!`: puts a project's generated code where it is called, and raises what is wrong with the project there.
//!
//! | module | holds |
//! |---|---|
//! | `out_dir` | `specql!()`: what the package's build script generated |
//! | `folder` | `specql!("dir")`: a folder compiled on the spot |
//!
//! It knows nothing of the language: `specql_compiler` does.

mod folder;
mod out_dir;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::quote;
use syn::{LitStr, parse_macro_input};

/// Expands to the modules `entities`, `services`, `enqueue` and `actions`, and the static `PROJECT`.
///
/// - `specql!()` includes what the package's `build.rs` generated; all of that script is
///   `fn main() { specql_compiler::build() }`.
/// - `specql!("dir")` compiles the project in a folder, relative to the calling file, without a build script: for tests
///   and small programs. It writes nothing: where the folder has no migrations, one that makes the whole schema is put
///   into the binary.
///
///   Cargo sees an edit of the files that were there when the macro ran, and nothing else: a *new* YAML file is noticed
///   only when the calling file or one of those files changes. An application uses `build.rs`, which watches the
///   folders.
///
/// An error in the project's files is an error here, with the lines concerned. The names that could be understood
/// are there nevertheless, so that one mistake in YAML is one error and not a hundred.
#[proc_macro]
pub fn specql(input: TokenStream) -> TokenStream {
    if input.is_empty() {
        return out_dir::expand(std::env::var_os("OUT_DIR")).into();
    }
    folder::expand(&parse_macro_input!(input as LitStr)).into()
}

/// An error at the call.
fn error(message: &str) -> TokenStream2 {
    quote!(::core::compile_error!(#message);)
}
