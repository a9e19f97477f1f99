//! Compiles `entities/`, `registry/` and `sql/` into SQL migrations and typed Rust.

fn main() {
    specql_compiler::build();
}
