//! A project that calls no service.

specql_macros::specql!(".");

fn main() {
    assert!(!PROJECT.uses_jobs);
    let _ = actions::note::create_note(actions::note::CreateNote::builder().text("hello").build());
}
