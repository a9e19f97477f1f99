//! Sealed files are watched: the very next build sees what was done to them.

use std::fs;

use specql_tests::app::succeed;

use crate::{refusal, seal};

#[test]
fn an_edited_or_missing_sealed_file_is_noticed_by_the_very_next_build() {
    let app = crate::app("edited-book");
    succeed(&mut app.cargo(&["check"]));
    seal(&app);
    succeed(&mut app.cargo(&["check"]));
    let sealed = app.read("migrations/0002_init.sql");

    app.write("migrations/0002_init.sql", &format!("{sealed}-- a word more\n"));
    let said = refusal(&mut app.cargo(&["check"]));
    assert!(said.contains("[SQ0602]") && said.contains("git checkout"), "{said}");

    fs::remove_file(app.path().join("migrations/0002_init.sql")).unwrap();
    let said = refusal(&mut app.cargo(&["check"]));
    assert!(said.contains("[SQ0603]"), "{said}");

    app.write("migrations/0002_init.sql", &sealed);
    succeed(&mut app.cargo(&["check"]));
}
