//! What a build does again, by Cargo's own words.

use std::fs;

use specql_tests::app::{App, succeed};

use crate::{add_field, migrations, seal};

/// The packages that Cargo did not find fresh.
fn stale(app: &App, command: &str) -> Vec<String> {
    let output = succeed(&mut app.cargo(&[command, "-v"]));
    let mut stale: Vec<String> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let verb = words.next()?;
            let name = words.next()?;
            matches!(verb, "Dirty" | "Compiling" | "Checking").then(|| name.to_owned())
        })
        .collect();
    stale.dedup();
    stale
}

const FRESH: [&str; 0] = [];

#[test]
fn a_second_build_is_fresh_and_a_changed_line_rebuilds_the_app_alone() {
    let app = crate::app("fresh-book");
    stale(&app, "build");
    assert!(app.path().join("migrations/0002_init.sql").exists());
    assert_eq!(stale(&app, "build"), FRESH, "the second build, which the first one's migration must not disturb");

    add_field(&app, "town: text");
    assert_eq!(stale(&app, "build"), ["fresh-book"]);
    assert_eq!(stale(&app, "build"), FRESH);

    fs::write(app.path().join("README.md"), "nothing that a build reads").unwrap();
    assert_eq!(stale(&app, "build"), FRESH);
}

#[test]
fn checks_on_save_rewrite_one_open_migration_and_settle() {
    let app = crate::app("saved-book");
    stale(&app, "check");
    for field in ["town: text", "street: text"] {
        add_field(&app, field);
        assert_eq!(stale(&app, "check"), ["saved-book"]);
        assert_eq!(stale(&app, "check"), FRESH);
    }
    assert_eq!(migrations(&app), ["0001_specql.sql", "0002_init.sql", "specql.lock"]);
    seal(&app);
    for field in ["zip: text", "country: text"] {
        add_field(&app, field);
        stale(&app, "check");
        assert_eq!(stale(&app, "check"), FRESH);
        assert_eq!(migrations(&app).len(), 4, "{:?}", migrations(&app));
    }
    assert_eq!(migrations(&app), ["0001_specql.sql", "0002_init.sql", "0003_guest_add_country_zip.sql", "specql.lock"]);
}
