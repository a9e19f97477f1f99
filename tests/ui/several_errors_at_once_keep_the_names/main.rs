specql_macros::specql!(".");

// What could be understood is still there: the two mistakes in the YAML are the only errors.
fn main() {
    let _ = enqueue::stripe::create_charge(services::stripe::CreateChargeInput::builder().amount(1).build());
    let _: Option<(entities::Order, actions::order::PlaceOrder)> = None;
}
