//! What a build does again, by Cargo's own words.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::fs;

use specql_tests::app::{App, succeed};

/// What `cargo build -v` says about each package: `Fresh`, `Dirty`, `Compiling`, with its name.
fn build(app: &App) -> Vec<(String, String)> {
    let output = succeed(&mut app.cargo(&["build", "-v"]));
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let verb = words.next()?;
            let name = words.next()?;
            matches!(verb, "Fresh" | "Dirty" | "Compiling").then(|| (verb.to_owned(), name.to_owned()))
        })
        .collect()
}

/// The packages that were not fresh.
fn stale(app: &App) -> Vec<String> {
    let mut stale: Vec<String> =
        build(app).into_iter().filter(|(verb, _)| verb != "Fresh").map(|(_, name)| name).collect();
    stale.dedup();
    stale
}

#[test]
fn a_second_build_is_fresh_and_a_changed_line_rebuilds_the_app_alone() {
    let app = App::from_template("fresh-book");
    build(&app);
    assert!(app.path().join("migrations/0001_init.sql").exists());
    assert_eq!(stale(&app), [""; 0], "the second build, which the first one's migration must not disturb");

    let entity = app.read("entities/guest.yaml");
    app.write("entities/guest.yaml", &entity.replace("  name: text!", "  name: text!\n  town: text"));
    assert_eq!(stale(&app), ["fresh-book"]);
    assert_eq!(stale(&app), [""; 0]);

    fs::write(app.path().join("README.md"), "nothing that a build reads").unwrap();
    assert_eq!(stale(&app), [""; 0]);
}
