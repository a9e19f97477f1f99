//! A release build, for which `cargo check --release` stands: the build script and the macro run as they do there.

use specql_tests::app::succeed;

use crate::{add_field, refusal, seal, tree};

#[test]
fn a_release_build_that_failed_on_an_open_migration_succeeds_after_the_seal_and_nothing_else() {
    let app = crate::app("released-book");
    succeed(&mut app.cargo(&["check"]));
    let before = tree(app.path());
    let said = refusal(&mut app.cargo(&["check", "--release"]));
    assert!(said.contains("[SQ0605]") && said.contains("this is a release build"), "{said}");
    assert_eq!(tree(app.path()), before, "something was written");
    // The same again, though nothing has changed.
    assert!(refusal(&mut app.cargo(&["check", "--release"])).contains("[SQ0605]"));
    seal(&app);
    succeed(&mut app.cargo(&["check", "--release"]));

    // A field that is taken back before it was sealed: what a release build said of its migration is not said for ever.
    let entity = app.read("entities/guest.yaml");
    add_field(&app, "town: text");
    succeed(&mut app.cargo(&["check"]));
    app.write("entities/guest.yaml", &entity);
    assert!(refusal(&mut app.cargo(&["check", "--release"])).contains("[SQ0606]"));
    succeed(&mut app.cargo(&["check"]));
    succeed(&mut app.cargo(&["check", "--release"]));
}
