specql_macros::specql!("nowhere");

fn main() {}
