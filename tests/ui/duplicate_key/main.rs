specql_macros::specql!(".");

fn main() {}
