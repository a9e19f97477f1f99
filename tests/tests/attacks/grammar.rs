//! What PostgreSQL's own grammar makes of every SQL file that is emitted: it parses, bodies included, and holds the
//! statements that the model asked for, in their order, and no other.

use std::{fs, path::Path};

use pretty_assertions::assert_eq;
use specql_compiler::{
    Compilation,
    internals::sql::{self, Object, render::render_objects},
};
use specql_tests::{
    app::repository,
    compiled,
    grammar::{Grammar, Statement, expected},
};

/// Kind and name of each statement.
pub(crate) fn named(statements: &[Statement]) -> Vec<(String, String)> {
    statements.iter().map(|it| (it.kind.clone(), it.name.clone())).collect()
}

/// The objects that a project has of its own.
pub(crate) fn own(project: &Compilation) -> Vec<Object> {
    let objects = sql::schema(&project.model).objects;
    objects.into_iter().filter(|object| object.origin.is_some()).collect()
}

/// The project's own SQL is the statements that its model asked for.
fn is_what_was_meant(grammar: &mut Grammar, project: &Compilation, shown: &str) -> Vec<Statement> {
    let own = own(project);
    let statements = grammar.statements(&render_objects(&own)).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let read_bodies = sql::function::check(own.iter()).map(|_| ("DoStmt".to_owned(), String::new()));
    let meant: Vec<_> = own.iter().flat_map(expected).chain(read_bodies).collect();
    assert_eq!(named(&statements), meant, "{shown}");
    let whole = sql::schema(&project.model).render();
    let all = grammar.statements(&whole).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert!(all.len() >= statements.len(), "{shown}");
    statements
}

/// Every folder of the repository that holds a project.
fn projects() -> Vec<std::path::PathBuf> {
    let root = repository();
    let mut folders =
        vec![root.join("template"), root.join("tests/tests/client"), root.join("tests/tests/sql_actions")];
    for parent in ["examples", "tests/tests/projects", "tests/corpus"] {
        let found = fs::read_dir(root.join(parent)).into_iter().flatten();
        folders.extend(found.map(|entry| entry.unwrap().path()));
    }
    folders.retain(|folder| folder.join("entities").is_dir());
    folders.sort();
    assert!(folders.len() >= 5, "{folders:?}");
    folders
}

#[test]
fn every_emitted_schema_is_the_statements_that_were_meant() {
    let mut grammar = Grammar::start();
    for folder in projects() {
        let project = compiled::folder(&folder).unwrap();
        is_what_was_meant(&mut grammar, &project, &folder.display().to_string());
    }
    let everything = compiled::files(&[
        ("entities/everything.yaml", include_str!("../plpgsql_check/everything.yaml")),
        ("registry/services.yaml", include_str!("../plpgsql_check/services.yaml")),
    ]);
    is_what_was_meant(&mut grammar, &everything.unwrap(), "everything.yaml");
    let order = compiled::files(&[("entities/order.yaml", include_str!("../sql_actions/order.yaml"))]);
    is_what_was_meant(&mut grammar, &order.unwrap(), "order.yaml");
}

#[test]
fn every_migration_file_parses() {
    let mut grammar = Grammar::start();
    let mut files = 0;
    for folder in projects() {
        for entry in fs::read_dir(folder.join("migrations")).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let statements = grammar.statements(&fs::read_to_string(&path).unwrap());
                assert!(!statements.unwrap_or_else(|error| panic!("{}: {error}", path.display())).is_empty());
                files += 1;
            }
        }
    }
    assert!(files >= 1, "no migration was found");
    assert!(Path::new(&repository().join("examples/shop/migrations")).is_dir());
}

/// SQ-09: SQL that is built at run time [`EXECUTE format('%I')` only].
#[test]
fn sq_09_dynamic_sql_is_built_by_format_alone() {
    let project = compiled::folder(&repository().join("examples/shop")).unwrap();
    let statements = Grammar::start().statements(&sql::schema(&project.model).render()).unwrap();
    let dynamic: Vec<_> = statements.iter().flat_map(|it| it.dynamic.iter().map(|query| (&it.name, query))).collect();
    assert!(dynamic.len() >= 3, "the queue's own are known: {dynamic:?}");
    for (function, query) in dynamic {
        let format = query.strip_prefix("format('").and_then(|rest| rest.split_once('\''));
        let (template, arguments) = format.unwrap_or_else(|| panic!("{function} executes {query}"));
        assert!(!query.contains("||"), "{function} executes {query}");
        // A number of its own making may stand as it is.
        let bare = template.matches("%s").count();
        assert!(bare == 0 || arguments.contains("_number"), "{function} executes {query}");
    }
    // No project's function builds any.
    let own = Grammar::start().statements(&render_objects(&own(&project))).unwrap();
    assert!(own.iter().all(|statement| statement.dynamic.is_empty()));
}

/// The grammar itself tells what was smuggled in from what was meant.
#[test]
fn what_is_smuggled_in_is_seen() {
    let mut grammar = Grammar::start();
    let function = |body: &str| {
        format!("CREATE FUNCTION a.f(x text) RETURNS void LANGUAGE plpgsql AS $b$\nBEGIN\n{body}\nEND;\n$b$")
    };
    let shape = |grammar: &mut Grammar, body: &str| grammar.statements(&function(body)).unwrap()[0].shape.clone();
    let meant = shape(&mut grammar, "UPDATE a.t SET b = 'one';");
    assert_eq!(meant, shape(&mut grammar, "UPDATE a.t SET b = 'it''s; DROP TABLE x; --';"));
    assert_ne!(meant, shape(&mut grammar, "UPDATE a.t SET b = 'one'; DROP TABLE x; --';"));
    assert_ne!(meant, shape(&mut grammar, "UPDATE a.t SET b = pg_sleep(1);"));
    assert!(grammar.statements("CREATE TABLE a.t (b int) DROP").is_err());
    assert!(grammar.statements(&function("UPDATE a.t SET")).is_err());
    let two = grammar.statements("COMMENT ON TABLE a.t IS 'x'; DROP TABLE a.t").unwrap();
    assert_eq!(named(&two)[1].0, "DropStmt");
}
