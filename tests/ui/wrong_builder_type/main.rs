specql_macros::specql!(".");

fn main() {
    let _ = services::stripe::CreateChargeInput::builder().amount("ten");
}
