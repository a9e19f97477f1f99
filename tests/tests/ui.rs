//! Mistakes and what rustc says about them: a folder of `ui/` each, with its YAML beside it.
//!
//! `TRYBUILD=overwrite cargo test -p specql-tests --test ui` rewrites the expected texts. Projects that must compile are in
//! `projects.rs`, where they cost no second build of all dependencies.
#![allow(missing_docs)]

#[test]
fn a_mistake_is_an_error_with_an_excerpt_and_the_rest_compiles() {
    trybuild::TestCases::new().compile_fail("ui/*/main.rs");
}
