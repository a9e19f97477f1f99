//! Names that Rust reserves.

specql_macros::specql!(".");

fn main() {
    let input = actions::r#match::CreateMatch::builder().r#type("cup").self_("home").build();
    let _ = actions::r#match::create_match(input);
    let _: Option<entities::Match> = None;
}
