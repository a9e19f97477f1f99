specql_macros::specql!(".");

fn main() {
    let _ = actions::order::PlaceOrder::builder().total(4200).build();
}
