//! A project's migrations through its life, in memory.

use super::*;
use crate::migrations::{Refusal, allow, seal, squash};
use crate::sql::{
    Definition, Object, ObjectKind,
    object::{Column, Table},
    read,
};

mod by_hand;

/// A project folder without a disk.
#[derive(Clone, Default)]
struct Project {
    files: Vec<SourceFile>,
}

impl Project {
    fn sources(&self) -> Sources {
        let entity = SourceFile {
            path: "entities/order.yaml".to_owned(),
            text: "entity: Order\nfields:\n  total: integer\n".to_owned(),
            kind: SourceKind::Entities,
        };
        Sources::new(self.files.iter().cloned().chain([entity]).collect())
    }

    fn put(&mut self, path: &str, text: &str) {
        self.files.retain(|file| file.path != path);
        let kind = if path.ends_with("lock") { SourceKind::Lock } else { SourceKind::Migration };
        self.files.push(SourceFile { path: path.to_owned(), text: text.to_owned(), kind });
    }

    fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Write { path, text } => self.put(path, text),
                Edit::Remove { path } => self.files.retain(|file| file.path != *path),
            }
        }
    }

    fn build(&mut self, columns: &[&str]) -> History {
        let history = history(&self.sources(), "migrations", Some(&schema(columns)), &Mode::Write);
        self.apply(&history.edits);
        history
    }

    fn seal(&mut self, columns: &[&str], name: Option<&str>) {
        let (_, edits) = seal(&self.sources(), "migrations", &schema(columns), name).unwrap();
        self.apply(&edits);
    }

    fn in_ci(&self, columns: &[&str]) -> Vec<String> {
        let mode = Mode::Compare("`CI` is set".to_owned());
        let history = history(&self.sources(), "migrations", Some(&schema(columns)), &mode);
        assert!(history.edits.is_empty());
        codes(&history)
    }

    fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        paths
    }

    fn text(&self, path: &str) -> &str {
        &self.files.iter().find(|file| file.path == path).unwrap().text
    }
}

fn schema(columns: &[&str]) -> Schema {
    let columns = columns.iter().map(|name| Column {
        name: (*name).to_owned(),
        ty: "INTEGER".to_owned(),
        not_null: false,
        default: None,
        generated: None,
        comment: None,
    });
    let name = "tb_order".to_owned();
    let table =
        Table { name: name.clone(), columns: columns.collect(), constraints: Vec::new(), suffix: None, comment: None };
    let origin = Some("entities/order.yaml:1".to_owned());
    let definition = Definition::Table(table);
    let object = Object { kind: ObjectKind::Table, name, origin, needs: Vec::new(), definition };
    Schema { objects: vec![object], ..Schema::default() }
}

fn codes(history: &History) -> Vec<String> {
    history.diagnostics.iter().map(|diagnostic| format!("{} {}", diagnostic.rule.code, diagnostic.message)).collect()
}

/// A project with a sealed first migration.
fn sealed() -> Project {
    let mut project = Project::default();
    project.build(&["a"]);
    project.seal(&["a"], None);
    project
}

#[test]
fn the_first_build_writes_init_and_the_lock_last() {
    let mut project = Project::default();
    let history = project.build(&["a"]);
    assert!(matches!(history.edits.last(), Some(Edit::Write { path, .. }) if path == "migrations/specql.lock"));
    assert_eq!(project.paths(), ["migrations/0001_init.sql", "migrations/specql.lock"]);
    assert!(project.text("migrations/0001_init.sql").contains("CREATE TABLE tb_order"));
    let part = &history.migrations[0];
    assert!(part.open);
    assert!(part.reverse.as_deref().unwrap().contains("DROP TABLE tb_order;"));
}

#[test]
fn the_second_build_writes_nothing() {
    let mut project = Project::default();
    project.build(&["a"]);
    assert!(project.build(&["a"]).edits.is_empty());
    project.seal(&["a"], None);
    assert!(project.build(&["a"]).edits.is_empty());
}

#[test]
fn an_open_migration_is_rewritten_as_the_entities_change() {
    let mut project = Project::default();
    project.build(&["a"]);
    project.build(&["a", "b"]);
    assert_eq!(project.paths(), ["migrations/0001_init.sql", "migrations/specql.lock"]);
    assert!(project.text("migrations/0001_init.sql").contains("b INTEGER"));
}

#[test]
fn a_moved_yaml_line_leaves_the_open_migration_as_it_is() {
    let mut project = Project::default();
    project.build(&["a"]);
    let written = project.text("migrations/0001_init.sql").to_owned();
    let mut moved = schema(&["a"]);
    moved.objects[0].origin = Some("entities/order.yaml:7".to_owned());
    let history = history(&project.sources(), "migrations", Some(&moved), &Mode::Write);
    assert!(written.contains("entities/order.yaml:1"));
    assert_eq!(history.edits.len(), 0);
    assert_eq!(history.migrations[0].sql, written);
}

#[test]
fn a_field_after_the_seal_is_a_second_migration() {
    let mut project = sealed();
    let first = project.text("migrations/0001_init.sql").to_owned();
    let history = project.build(&["a", "b"]);
    assert_eq!(
        project.paths(),
        ["migrations/0001_init.sql", "migrations/0002_order_add_b.sql", "migrations/specql.lock"]
    );
    assert_eq!(project.text("migrations/0001_init.sql"), first);
    assert!(project.text("migrations/0002_order_add_b.sql").contains("ALTER TABLE tb_order ADD COLUMN b INTEGER;"));
    assert_eq!(history.migrations.iter().map(|part| part.open).collect::<Vec<_>>(), [false, true]);
    assert!(history.migrations[1].reverse.as_deref().unwrap().contains("DROP COLUMN b;"));
}

#[test]
fn an_open_migration_changes_its_name_with_its_content_and_goes_when_nothing_differs() {
    let mut project = sealed();
    project.build(&["a", "b"]);
    project.build(&["a", "c"]);
    assert_eq!(project.paths()[1], "migrations/0002_order_add_c.sql");
    project.build(&["a"]);
    assert_eq!(project.paths(), ["migrations/0001_init.sql", "migrations/specql.lock"]);
    assert!(project.in_ci(&["a"]).is_empty());
}

#[test]
fn a_seal_may_rename_and_keeps_bytes_and_version() {
    let mut project = sealed();
    project.build(&["a", "b"]);
    let text = project.text("migrations/0002_order_add_b.sql").to_owned();
    project.seal(&["a", "b"], Some("loyalty"));
    assert_eq!(project.paths()[1], "migrations/0002_loyalty.sql");
    assert_eq!(project.text("migrations/0002_loyalty.sql"), text);
    assert!(project.build(&["a", "b"]).edits.is_empty());
}

#[test]
fn a_seal_refuses_a_name_that_is_no_file_name() {
    let mut project = Project::default();
    project.build(&["a"]);
    let error = seal(&project.sources(), "migrations", &schema(&["a"]), Some("../x")).unwrap_err();
    assert_eq!(error.to_string(), "`../x` is no name for a migration: use lower-case letters, digits and `_`");
}

#[test]
fn nothing_open_is_nothing_to_seal() {
    let error = seal(&sealed().sources(), "migrations", &schema(&["a"]), None).unwrap_err();
    assert_eq!(error, Refusal::NothingOpen);
}

#[test]
fn an_edited_sealed_file_is_an_error_and_nothing_is_written() {
    let mut project = sealed();
    project.put("migrations/0001_init.sql", "-- @generated by specql me\nSELECT 1;\n");
    let history = project.build(&["a", "b"]);
    assert_eq!(codes(&history), ["SQ0602 sealed migration `migrations/0001_init.sql` was edited"]);
    assert!(history.edits.is_empty());
}

#[test]
fn a_missing_sealed_file_is_an_error_at_its_line_of_the_lock() {
    let mut project = sealed();
    project.files.retain(|file| !file.path.ends_with(".sql"));
    let history = project.build(&["a"]);
    assert_eq!(codes(&history), ["SQ0603 sealed migration `migrations/0001_init.sql` is missing"]);
    let span = history.diagnostics[0].span;
    assert_eq!(project.sources().line_column(span.file, span.start), (4, 6));
}

#[test]
fn migrations_without_their_lock_are_left_as_they_are() {
    let mut project = sealed();
    project.files.retain(|file| file.kind != SourceKind::Lock);
    let history = project.build(&["a", "b"]);
    assert_eq!(codes(&history), ["SQ0604 `migrations/0001_init.sql` is there, and the lock of the migrations is not"]);
    assert!(history.edits.is_empty());
}

#[test]
fn a_file_of_someone_else_is_never_overwritten() {
    let mut project = sealed();
    project.put("migrations/0002_order_add_b.sql", "ALTER TABLE tb_order ADD COLUMN mine TEXT;");
    let history = project.build(&["a", "b"]);
    assert_eq!(codes(&history), ["SQ0604 `migrations/0002_order_add_b.sql` is not in the lock of the migrations"]);
    assert!(history.edits.is_empty());
}

#[test]
fn a_build_that_died_before_the_lock_is_repaired_by_the_next() {
    let mut project = sealed();
    let edits = history(&project.sources(), "migrations", Some(&schema(&["a", "b"])), &Mode::Write).edits;
    let (first, rest) = edits.split_at(1);
    assert_eq!(rest.len(), 1);
    project.apply(first);
    project.build(&["a", "c"]);
    assert_eq!(
        project.paths(),
        ["migrations/0001_init.sql", "migrations/0002_order_add_c.sql", "migrations/specql.lock"]
    );
    assert!(project.build(&["a", "c"]).edits.is_empty());
}

#[test]
fn in_ci_an_open_migration_an_outdated_one_and_a_missing_one_are_errors() {
    let project = Project::default();
    assert_eq!(
        project.in_ci(&["a"]),
        ["SQ0606 migration `migrations/0001_init.sql` is not up to date, and `CI` is set"]
    );
    let mut project = Project::default();
    project.build(&["a"]);
    assert_eq!(project.in_ci(&["a"]), ["SQ0605 migration `migrations/0001_init.sql` is open, and `CI` is set"]);
    project.seal(&["a"], None);
    assert!(project.in_ci(&["a"]).is_empty());
    assert_eq!(
        project.in_ci(&["a", "b"]),
        ["SQ0606 migration `migrations/0002_order_add_b.sql` is not up to date, and `CI` is set"]
    );
}

#[test]
fn a_hazard_stops_the_build_at_the_entity_and_leaves_the_folder_alone() {
    let mut project = sealed();
    let history = project.build(&[]);
    assert_eq!(codes(&history), ["SQ0607 column `a` of `tb_order` would be dropped: the model no longer has it"]);
    assert!(history.edits.is_empty());
    let span = history.diagnostics[0].span;
    assert_eq!(project.sources().get(span.file).unwrap().path, "entities/order.yaml");
}

#[test]
fn a_model_with_errors_leaves_the_folder_alone_and_still_checks_what_is_sealed() {
    let mut project = sealed();
    assert!(history(&project.sources(), "migrations", None, &Mode::Write).edits.is_empty());
    project.put("migrations/0001_init.sql", "");
    let history = history(&project.sources(), "migrations", None, &Mode::Write);
    assert_eq!(history.diagnostics.len(), 1);
}

#[test]
fn two_branches_in_one_lock_are_an_error_at_the_place() {
    let mut project = sealed();
    let lock = project.text("migrations/specql.lock").replace("  \"snapshot\"", "<<<<<<< HEAD\n  \"snapshot\"");
    project.put("migrations/specql.lock", &lock);
    let history = project.build(&["a"]);
    assert!(codes(&history)[0].starts_with("SQ0601"));
    let span = history.diagnostics[0].span;
    assert_eq!(project.sources().line_column(span.file, span.start), (7, 1));
}

#[test]
fn an_allowed_hazard_is_written_and_marked_and_gone_with_the_seal() {
    let mut project = sealed();
    let found = project.build(&[]);
    let error = allow(&project.sources(), "migrations", &found.hazards, &["drop_column:tb_order.b"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no hazard `drop_column:tb_order.b`: did you mean `drop_column:tb_order.a`?"
    );
    let edits = allow(&project.sources(), "migrations", &found.hazards, &["drop_column:tb_order.a"]).unwrap();
    project.apply(&edits);
    assert_eq!(codes(&project.build(&[])), [""; 0]);
    let text = project.text("migrations/0002_alter_order.sql").to_owned();
    assert!(text.contains("\n-- allowed: drop_column:tb_order.a\n") && text.contains("DROP COLUMN a;"), "{text}");
    project.seal(&[], None);
    assert!(!project.text("migrations/specql.lock").contains("allowed"));
}

/// A step of several files: an index on a table that was there.
fn with_index(columns: &[&str]) -> Schema {
    let mut schema = schema(columns);
    let create = vec!["CREATE INDEX ix ON tb_order (a)".to_owned()];
    schema.objects.push(read::object(ObjectKind::Index, "ix", create));
    schema
}

#[test]
fn the_files_of_a_step_are_written_sealed_and_taken_back_together() {
    let mut project = sealed();
    let step = |schema: &Schema, project: &mut Project| {
        let found = history(&project.sources(), "migrations", Some(schema), &Mode::Write);
        project.apply(&found.edits);
        found
    };
    let found = step(&with_index(&["a", "b"]), &mut project);
    let files = ["migrations/0002_order_add_b.sql", "migrations/0003_order_add_b_concurrently.sql"];
    assert_eq!(project.paths()[1..3], files);
    assert!(project.text(files[1]).starts_with("-- no-transaction\n"));
    let reverses: Vec<Option<bool>> =
        found.migrations.iter().map(|part| part.reverse.as_deref().map(str::is_empty)).collect();
    assert_eq!(reverses, [None, Some(false), Some(true)], "the first file's reverse undoes all of the step");
    assert!(step(&with_index(&["a", "b"]), &mut project).edits.is_empty());

    project.build(&["a"]);
    assert_eq!(project.paths(), ["migrations/0001_init.sql", "migrations/specql.lock"]);

    step(&with_index(&["a", "b"]), &mut project);
    let (sealed, edits) = seal(&project.sources(), "migrations", &with_index(&["a", "b"]), Some("loyalty")).unwrap();
    let names: Vec<String> = sealed.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["0002_loyalty.sql", "0003_loyalty_concurrently.sql"]);
    // However far a seal came, the next build puts right what it finds.
    for done in 0..=edits.len() {
        let mut interrupted = project.clone();
        interrupted.apply(&edits[..done]);
        step(&with_index(&["a", "b"]), &mut interrupted);
        let expected =
            if done == edits.len() { names.clone() } else { files.map(|path| path[11..].to_owned()).to_vec() };
        let found: Vec<&str> = interrupted.paths()[1..3].iter().map(|path| &path[11..]).collect();
        assert_eq!(found, expected, "after {done} of {} edits", edits.len());
        assert!(step(&with_index(&["a", "b"]), &mut interrupted).edits.is_empty());
    }
}

#[test]
fn a_squash_leaves_one_migration_that_stands_for_all() {
    let mut project = sealed();
    let refused = squash(&project.sources(), "migrations", &schema(&["a"]), None).unwrap_err();
    assert_eq!(refused, Refusal::NothingToSquash);
    project.build(&["a", "b"]);
    let refused = squash(&project.sources(), "migrations", &schema(&["a", "b"]), None).unwrap_err();
    assert_eq!(refused.to_string(), "`0002_order_add_b.sql` is open: seal it first");
    project.seal(&["a", "b"], None);
    let (file, edits) = squash(&project.sources(), "migrations", &schema(&["a", "b"]), None).unwrap();
    assert_eq!(file.to_string(), "0002_baseline.sql");
    // The lock is the second edit: from then on the next build finishes what was begun.
    for done in 2..=edits.len() {
        let mut interrupted = project.clone();
        interrupted.apply(&edits[..done]);
        interrupted.build(&["a", "b"]);
        assert_eq!(interrupted.paths(), ["migrations/0002_baseline.sql", "migrations/specql.lock"]);
    }
    project.apply(&edits);
    assert!(project.in_ci(&["a", "b"]).is_empty());
    let baseline = &project.build(&["a", "b"]).migrations[0];
    assert_eq!(baseline.replaces.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [1, 2]);
    project.build(&["a", "b", "c"]);
    assert_eq!(project.paths()[1], "migrations/0003_order_add_c.sql");
}

/// The sealed second migration of another branch.
fn of_main() -> (&'static str, String) {
    let mut main = sealed();
    main.build(&["a", "c"]);
    main.seal(&["a", "c"], None);
    ("migrations/0002_order_add_c.sql", main.text("migrations/0002_order_add_c.sql").to_owned())
}

#[test]
fn a_file_with_the_number_of_the_open_migration_is_refused_and_kept() {
    let mut project = sealed();
    project.build(&["a", "b"]);
    let (path, text) = of_main();
    project.put(path, &text);
    let history = project.build(&["a", "b", "c"]);
    assert_eq!(
        codes(&history),
        [
            "SQ0604 `migrations/0002_order_add_c.sql` has the number of `0002_order_add_b.sql`, which is the one in the lock"
        ]
    );
    assert!(history.edits.is_empty());
}

#[test]
fn two_files_of_one_number_that_the_lock_knows_nothing_of_are_kept() {
    let mut project = sealed();
    let (path, text) = of_main();
    project.put(path, &text);
    project.put("migrations/0002_order_add_b.sql", &text.replace("ADD COLUMN c", "ADD COLUMN b"));
    let history = project.build(&["a", "b", "c"]);
    assert_eq!(history.diagnostics.len(), 2, "{:?}", codes(&history));
    assert!(history.edits.is_empty());
}

#[test]
fn a_build_that_died_while_the_open_migration_changed_its_name_is_repaired_by_the_next() {
    let mut project = sealed();
    project.build(&["a", "b"]);
    let edits = history(&project.sources(), "migrations", Some(&schema(&["a", "c"])), &Mode::Write).edits;
    assert_eq!(edits.len(), 3);
    for done in 0..=edits.len() {
        let mut interrupted = project.clone();
        interrupted.apply(&edits[..done]);
        assert_eq!(codes(&interrupted.build(&["a", "c"])), [""; 0], "after {done} edits");
        assert_eq!(interrupted.paths()[1..], ["migrations/0002_order_add_c.sql", "migrations/specql.lock"]);
    }
}
