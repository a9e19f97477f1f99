//! Compiles `entities/` and `registry/` into `migrations/` and typed Rust.

fn main() {
    specql_compiler::build();
}
