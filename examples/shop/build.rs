//! Compiles `entities/` into SQL migrations and typed Rust.

fn main() {
    specql_compiler::build();
}
