//! Steps that somebody writes by hand.

use super::*;
use crate::migrations::{begin_by_hand, seal_by_hand};

const REPORTS: &str = "migrations/0002_reports.sql";

impl Project {
    fn begin(&mut self, name: &str) -> Result<String, Refusal> {
        let (file, edits) = begin_by_hand(&self.sources(), "migrations", name)?;
        self.apply(&edits);
        Ok(file.to_string())
    }

    fn seal_by_hand(&mut self, name: Option<&str>) -> Result<Option<String>, Refusal> {
        let sealed = seal_by_hand(&self.sources(), "migrations", name)?;
        Ok(sealed.map(|(file, edits)| {
            self.apply(&edits);
            file.to_string()
        }))
    }

    fn write_and_seal(&mut self, name: &str, text: &str) {
        let file = self.begin(name).unwrap();
        self.put(&format!("migrations/{file}"), text);
        self.seal_by_hand(None).unwrap().unwrap();
    }
}

#[test]
fn it_is_begun_written_and_sealed_and_no_build_touches_it() {
    let mut project = sealed();
    assert_eq!(project.begin("reports").unwrap(), "0002_reports.sql");
    for text in [project.text(REPORTS).to_owned(), "CREATE VIEW reports AS SELECT 1;\n".to_owned()] {
        project.put(REPORTS, &text);
        let built = project.build(&["a"]);
        assert_eq!((codes(&built), built.edits.len()), (Vec::new(), 0));
        assert_eq!(project.text(REPORTS), text);
        let part = built.migrations.last().unwrap();
        assert!(part.open && part.by_hand && part.reverse.is_none());
        assert_eq!(part.sql, text);
    }
    assert_eq!(project.in_ci(&["a"]), ["SQ0605 migration `migrations/0002_reports.sql` is open, and `CI` is set"]);
    assert_eq!(project.seal_by_hand(None).unwrap().as_deref(), Some("0002_reports.sql"));
    assert_eq!(project.in_ci(&["a"]), [""; 0]);
    assert_eq!(project.seal_by_hand(None), Ok(None));
    let part = project.build(&["a"]).migrations.pop().unwrap();
    assert!(part.by_hand && !part.open);
    project.put(REPORTS, "SELECT 2;");
    assert_eq!(codes(&project.build(&["a"])), ["SQ0602 sealed migration `migrations/0002_reports.sql` was edited"]);
}

#[test]
fn what_the_entities_ask_for_comes_behind_it_once_it_is_sealed() {
    let mut project = sealed();
    project.begin("reports").unwrap();
    project.put(REPORTS, "SELECT 1;\n");
    let built = project.build(&["a", "b"]);
    let refused =
        "SQ0611 the entities have changed, and `migrations/0002_reports.sql`, which is written by hand, is open";
    assert_eq!((codes(&built), built.edits.len()), (vec![refused.to_owned()], 0));
    assert_eq!(project.in_ci(&["a", "b"]), [refused]);
    project.seal_by_hand(Some("monthly_reports")).unwrap();
    assert_eq!(codes(&project.build(&["a", "b"])), [""; 0]);
    assert_eq!(project.paths()[1..3], ["migrations/0002_monthly_reports.sql", "migrations/0003_order_add_b.sql"]);
    // Its own hash is in the lock, and the schema is the model's alone.
    let lock = Lock::parse(project.text("migrations/specql.lock")).unwrap();
    assert!(lock.migrations[1].by_hand && lock.migrations[1].is("SELECT 1;\n"));
    assert_eq!(lock.snapshot.objects.len(), 1);
}

#[test]
fn it_is_refused_while_another_step_is_open_and_where_its_number_is_taken() {
    let mut project = sealed();
    project.build(&["a", "b"]);
    let refused = project.begin("reports").unwrap_err().to_string();
    assert_eq!(refused, "`0002_order_add_b.sql` is open: seal it first (`cargo specql migrate seal`)");
    project.seal(&["a", "b"], None);
    assert!(matches!(project.begin("Reports!"), Err(Refusal::BadName { .. })));
    project.begin("reports").unwrap();
    let refused = project.begin("more").unwrap_err().to_string();
    assert_eq!(refused, "`0003_reports.sql` is open: seal it first (`cargo specql migrate seal`)");
    project.files.retain(|file| !file.path.ends_with("0003_reports.sql"));
    project.put("migrations/0003_other.sql", "SELECT 1;");
    assert!(matches!(project.begin("more"), Err(Refusal::NumberIsTaken { .. })));
}

#[test]
fn who_deletes_its_file_takes_it_back() {
    let mut project = sealed();
    let before = project.text("migrations/specql.lock").to_owned();
    project.begin("reports").unwrap();
    project.files.retain(|file| file.path != REPORTS);
    assert_eq!(project.begin("reports").unwrap(), "0002_reports.sql");
    project.files.retain(|file| file.path != REPORTS);
    assert_eq!(codes(&project.build(&["a"])), [""; 0]);
    assert_eq!(project.text("migrations/specql.lock"), before);
    project.begin("reports").unwrap();
    project.files.retain(|file| file.path != REPORTS);
    project.build(&["a", "b"]);
    assert_eq!(project.paths()[1], "migrations/0002_order_add_b.sql");
}

#[test]
fn a_file_that_is_there_already_is_taken_as_it_is() {
    let mut project = sealed();
    project.put(REPORTS, "SELECT 1;\n");
    let diagnostics = project.build(&["a"]).diagnostics;
    assert_eq!(diagnostics[0].rule.code, "SQ0604");
    assert!(diagnostics[0].help.as_deref().unwrap().contains("`cargo specql migrate new reports`"), "{diagnostics:?}");
    project.begin("reports").unwrap();
    assert_eq!(project.text(REPORTS), "SELECT 1;\n");
    project.seal_by_hand(None).unwrap().unwrap();
    assert_eq!(project.in_ci(&["a"]), [""; 0]);
}

#[test]
fn a_file_of_a_build_is_not_taken_for_one_that_somebody_wrote() {
    let mut project = sealed();
    let locked = project.text("migrations/specql.lock").to_owned();
    project.build(&["a", "b"]);
    project.put("migrations/specql.lock", &locked);
    assert!(matches!(project.begin("order_add_b"), Err(Refusal::NumberIsTaken { .. })));
}

#[test]
fn a_merge_keeps_what_somebody_wrote_by_hand() {
    let mut ours = sealed();
    let mut theirs = ours.clone();
    ours.build(&["a", "b"]);
    theirs.write_and_seal("reports", "SELECT 1;\n");
    let line = |project: &Project, name: &str| {
        let lock = project.text("migrations/specql.lock");
        lock.lines().find(|line| line.contains(name)).unwrap().to_owned()
    };
    let merged = ["<<<<<<< HEAD", &line(&ours, "order_add_b"), "=======", &line(&theirs, "reports"), ">>>>>>> reports"];
    ours.put("migrations/specql.lock", &merged.join("\n"));
    let help = ours.build(&["a", "b"]).diagnostics[0].help.clone().unwrap();
    let command = "git mv -f migrations/0002_reports.sql migrations/reports.txt`";
    assert!(help.contains(command) && help.contains("`cargo specql migrate new reports`"), "{help}");
    assert!(!help.contains("git rm -f migrations/0002_reports.sql"), "{help}");
}

#[test]
fn what_would_do_nothing_or_something_else_is_not_sealed() {
    let mut project = sealed();
    project.begin("reports").unwrap();
    project.put(REPORTS, "\u{feff}SELECT 1;\n");
    assert!(matches!(project.seal_by_hand(None), Err(Refusal::ByteOrderMark { .. })));
    project.put(REPORTS, "-- nothing yet\n");
    assert!(matches!(project.seal_by_hand(None), Err(Refusal::NothingWritten { .. })));
    let index = "CREATE INDEX CONCURRENTLY ix ON tb_order (a);\n";
    project.put(REPORTS, &format!("-- Reports.\n-- no-transaction\n{index}"));
    assert!(matches!(project.seal_by_hand(None), Err(Refusal::NoTransactionTooLate { .. })));
    project.put(REPORTS, &format!("-- no-transaction\n{index}"));
    project.seal_by_hand(None).unwrap().unwrap();
}

#[test]
fn it_may_come_before_everything_else() {
    let mut project = Project::default();
    assert_eq!(project.begin("extensions").unwrap(), "0001_extensions.sql");
    assert_eq!(codes(&project.build(&["a"])).len(), 1);
    project.put("migrations/0001_extensions.sql", "CREATE EXTENSION pg_trgm;\n");
    project.seal_by_hand(None).unwrap();
    assert_eq!(codes(&project.build(&["a"])), [""; 0]);
    assert_eq!(project.paths()[1], "migrations/0002_init.sql");
}

#[test]
fn a_command_that_died_is_repeated_or_explained() {
    let mut project = sealed();
    let (_, edits) = begin_by_hand(&project.sources(), "migrations", "reports").unwrap();
    let mut interrupted = project.clone();
    interrupted.apply(&edits[..1]);
    interrupted.begin("reports").unwrap();
    project.apply(&edits);
    assert_eq!(interrupted.paths(), project.paths());
    project.put(REPORTS, "SELECT 1;\n");
    let (_, edits) = seal_by_hand(&project.sources(), "migrations", Some("more")).unwrap().unwrap();
    for done in 1..edits.len() {
        let mut interrupted = project.clone();
        interrupted.apply(&edits[..done]);
        assert_eq!(interrupted.build(&["a"]).diagnostics[0].rule.code, "SQ0604", "after {done}");
        assert!(interrupted.files.iter().any(|file| file.text == "SELECT 1;\n"), "nothing that was written is lost");
    }
}

#[test]
fn a_squash_keeps_it_with_the_number_that_is_left() {
    let mut project = Project::default();
    project.write_and_seal("extensions", "SELECT 0;\n");
    for columns in [&["a"][..], &["a", "b"], &["a", "b", "c"]] {
        project.build(columns);
        project.seal(columns, None);
        project.write_and_seal(&format!("by_hand_{}", columns.len()), "SELECT 1;\n");
    }
    let columns = ["a", "b", "c"];
    let before = project.build(&columns).migrations;
    let (file, edits) = squash(&project.sources(), "migrations", &schema(&columns), None).unwrap();
    assert_eq!(file.to_string(), "0004_baseline.sql");
    let after = [
        "migrations/0003_extensions.sql",
        "migrations/0004_baseline.sql",
        "migrations/0005_by_hand_1.sql",
        "migrations/0006_by_hand_2.sql",
        "migrations/0007_by_hand_3.sql",
        "migrations/specql.lock",
    ];
    let lock = edits.iter().position(|edit| edit.path().ends_with("lock")).unwrap();
    for done in lock + 1..=edits.len() {
        let mut interrupted = project.clone();
        interrupted.apply(&edits[..done]);
        assert_eq!(codes(&interrupted.build(&columns)), [""; 0]);
        assert_eq!(interrupted.paths(), after, "after {done} edits");
    }
    project.apply(&edits);
    let migrations = project.build(&columns).migrations;
    let replaced: Vec<Vec<i64>> =
        (migrations.iter()).map(|one| one.replaces.iter().map(|(version, _)| *version).collect()).collect();
    assert_eq!(replaced, [vec![1], vec![2, 4, 6], vec![3], vec![5], vec![]]);
    let texts = |migrations: &[MigrationPart]| -> Vec<String> {
        migrations.iter().filter(|one| one.by_hand).map(|one| format!("{} {}", one.description, one.sql)).collect()
    };
    assert_eq!(texts(&migrations), texts(&before));
    assert!(project.in_ci(&columns).is_empty());
    let again = squash(&project.sources(), "migrations", &schema(&columns), None).unwrap_err();
    assert_eq!(again, Refusal::NothingToSquash);
    project.build(&["a", "b", "c", "d"]);
    assert!(project.paths().contains(&"migrations/0008_order_add_d.sql"));
}
