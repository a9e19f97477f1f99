//! Mistakes and what rustc says about them: a folder of `ui/` each, with its YAML beside it.
//!
//! `TRYBUILD=overwrite cargo test -p specql-tests --test ui` rewrites the expected texts.

#[test]
fn mistakes_are_errors_with_an_excerpt_and_the_rest_compiles() {
    let tests = trybuild::TestCases::new();
    tests.pass("ui/pass/*/main.rs");
    tests.compile_fail("ui/fail/*/main.rs");
}
