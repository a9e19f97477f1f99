specql_macros::specql!(".");

fn main() {
    let input = services::stripe::CreateChargeInput::builder().amount(4200).build();
    let _ = enqueue::stripe::create_chrage(input);
}
