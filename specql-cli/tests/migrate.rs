//! `specql migrate`, from the first build to the squash: what it says, what it writes, and what it leaves alone.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha384};
use specql_compiler::{Mode, Project};
use specql_runtime::testing;

/// A project folder.
struct App {
    root: tempfile::TempDir,
}

impl App {
    fn new(order: &str) -> Self {
        let app = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(app.path("entities")).unwrap();
        app.order(order);
        app
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn order(&self, fields: &str) {
        let text = format!(
            "entity: Order\nschema: sales\nfields:\n{fields}actions:\n  - name: create_order\n  - name: free_order\n    steps:\n      - update: Order SET total = 0\n"
        );
        fs::write(self.path("entities/order.yaml"), text).unwrap();
    }

    /// What `cargo build` does.
    fn build(&self) {
        let project = Project::update(self.root.path(), &Mode::Write).unwrap();
        assert!(!project.has_errors(), "{:?}", project.errors());
    }

    fn specql(&self, arguments: &[&str], server: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_specql"))
            .arg("migrate")
            .args(arguments)
            .current_dir(self.root.path())
            .env("TEST_DATABASE_URL", server)
            .output()
            .unwrap()
    }

    /// The output of a command that succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.specql(arguments, "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The errors of one that fails.
    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.specql(arguments, "");
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn migrations(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("migrations")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".gitattributes");
        names.sort();
        names
    }
}

/// The lock with the hash that its snapshot has now.
fn forged(lock: &str) -> String {
    let objects =
        lock.lines().skip_while(|line| !line.starts_with("  \"snapshot\": ")).filter(|line| line.starts_with("    "));
    let objects: Vec<&str> = objects.map(|line| line.trim().trim_end_matches(',')).collect();
    let hash: String = Sha384::digest(objects.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = lock.lines().find(|line| line.starts_with("  \"snapshot_sha384\": ")).unwrap();
    lock.replace(line, &format!("  \"snapshot_sha384\": \"{hash}\","))
}

#[test]
fn a_plan_is_shown_allowed_and_sealed() {
    let app = App::new("  total: integer!\n  note: text\n");
    app.build();
    assert_eq!(
        app.says(&["seal"]),
        "sealed `0001_specql.sql`, `0002_init.sql`: commit it together with `specql.lock`\n"
    );
    assert!(app.says(&["plan"]).starts_with("-- the migrations are up to date"));

    app.order("  total: integer!\n");
    let before = app.migrations();
    let id = "drop_column:sales.tb_order.note";
    let refused = app.refuses(&["plan"]);
    assert!(refused.contains("[SQ0607]") && refused.contains(&format!("cargo specql migrate allow {id}")), "{refused}");
    assert!(app.refuses(&["seal"]).contains("the project has errors"));
    let typo = app.refuses(&["allow", "drop_column:sales.tb_order.notes"]);
    assert!(typo.contains(&format!("did you mean `{id}`?")), "{typo}");
    assert_eq!(app.migrations(), before, "nothing was written so far");

    assert!(app.says(&["allow", id]).starts_with("allowed for the open migration"));
    let plan = app.says(&["plan", "--reverse"]);
    assert!(plan.contains(&format!("-- allowed: {id}\n")) && plan.contains("DROP COLUMN note;"), "{plan}");
    assert!(plan.contains("-- its reverse, in development\n") && plan.contains("ADD COLUMN note TEXT"), "{plan}");
    assert_eq!(
        app.says(&["status"]),
        "VERSION  NAME         STATE\n0001     specql       sealed\n0002     init         sealed\n0003     alter order  open\n"
    );
    app.says(&["seal", "no_notes"]);
    assert_eq!(app.migrations(), ["0001_specql.sql", "0002_init.sql", "0003_no_notes.sql", "specql.lock"]);
}

/// Everything in `migrations/`, hidden files included.
fn folder(app: &App) -> Vec<(String, String)> {
    app.migrations()
        .into_iter()
        .map(|name| {
            let text = fs::read_to_string(app.path("migrations").join(&name)).unwrap();
            (name, text)
        })
        .collect()
}

/// What one folder has and the other has not, a line for each file.
fn differences(found: &[(String, String)], expected: &[(String, String)]) -> Vec<String> {
    let missing = expected.iter().filter(|(name, _)| found.iter().all(|(other, _)| other != name));
    let missing = missing.map(|(name, _)| format!("`{name}` is missing"));
    let others = found.iter().filter_map(|(name, text)| {
        let Some((_, expected)) = expected.iter().find(|(other, _)| other == name) else {
            return Some(format!("`{name}` should not be there"));
        };
        let mut lines = text.lines().zip(expected.lines()).enumerate();
        let line = lines.find(|(_, (found, expected))| found != expected);
        match line {
            Some((line, (found, expected))) => {
                Some(format!("`{name}`:{}: `{found:.100}`, not `{expected:.100}`", line + 1))
            }
            None => (text != expected).then(|| format!("`{name}` has {} bytes, not {}", text.len(), expected.len())),
        }
    });
    missing.chain(others).collect()
}

/// With a sealed first migration, and an open step of several files.
fn with_open_step() -> App {
    let app = App::new("  total: integer!\n");
    app.build();
    app.says(&["seal"]);
    app.order("  total: integer!\n  note: {type: text, unique: true}\n  state: enum(new, paid)\n");
    app.build();
    app
}

#[test]
fn a_seal_that_is_killed_is_done_or_undone_by_the_next_command() {
    let undisturbed = with_open_step();
    let began = Instant::now();
    undisturbed.says(&["seal", "loyalty"]);
    let step = began.elapsed() / 12;
    let expected = folder(&undisturbed);
    // From before it does anything to after it has done all.
    let (mut sealed, mut open, mut delay) = (0, 0, Duration::ZERO);
    while sealed < 3 {
        let app = with_open_step();
        let mut seal = Command::new(env!("CARGO_BIN_EXE_specql"))
            .args(["migrate", "seal", "loyalty"])
            .current_dir(app.root.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        seal.kill().unwrap();
        seal.wait().unwrap();

        app.build();
        if app.says(&["status"]).contains("open") {
            open += 1;
            app.says(&["seal", "loyalty"]);
        } else {
            sealed += 1;
        }
        let differs = differences(&folder(&app), &expected);
        assert!(differs.is_empty(), "killed after {delay:?}: {}", differs.join("; "));
        delay += step;
        assert!(delay < Duration::from_secs(60), "it is never done");
    }
    assert!(open > 0, "none was killed in time");
}

#[test]
fn what_a_killed_command_left_behind_is_removed_by_one_that_has_nothing_else_to_do() {
    let app = with_open_step();
    let expected = app.migrations();
    fs::write(app.path("migrations/.specql-17.tmp"), "half of a fi").unwrap();
    app.build();
    assert_eq!(app.migrations(), expected);
}

#[test]
fn a_checkout_with_other_line_ends_has_the_same_history() {
    let app = with_open_step();
    for name in app.migrations() {
        let path = app.path("migrations").join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    }
    app.build();
    assert!(app.says(&["status"]).contains("open"));
    app.says(&["seal", "loyalty"]);
    app.build();
    assert!(!app.says(&["status"]).contains("open"));
}

#[test]
fn a_squash_replaces_what_is_sealed_and_nothing_else() {
    let app = App::new("  total: integer!\n");
    app.build();
    app.says(&["seal"]);
    assert!(app.refuses(&["squash"]).contains("there is nothing to squash"));
    app.order("  total: integer!\n  note: text\n");
    assert!(app.refuses(&["squash"]).contains("build, then seal"));
    app.build();
    assert!(app.refuses(&["squash"]).contains("is open: seal it first"));
    app.says(&["seal"]);
    assert!(app.says(&["squash"]).starts_with("squashed into `0003_baseline.sql`"));
    assert_eq!(app.migrations(), ["0003_baseline.sql", "specql.lock"]);
    app.build();
    assert_eq!(app.migrations(), ["0003_baseline.sql", "specql.lock"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_makes_the_database_is_verified_and_another_is_not() {
    let server = testing::server().await.unwrap().owner_url().to_owned();
    let app = App::new("  total: integer!\n");
    app.build();
    app.says(&["seal"]);
    app.order("  total: integer!\n  note: {type: text, unique: true}\n  state: enum(new, paid)\n");
    app.build();
    app.says(&["seal"]);
    let verified = app.specql(&["verify"], &server);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(said.starts_with("5 migration(s): nothing was edited"), "{said}");

    // A line that has moved is no difference, though functions name it.
    let entity = fs::read_to_string(app.path("entities/order.yaml")).unwrap();
    fs::write(app.path("entities/order.yaml"), format!("# Orders.\n{entity}")).unwrap();
    assert!(app.specql(&["verify"], &server).status.success());

    // A lock whose snapshot claims more than the files do. It would have to be forged: a hash stands beside it.
    let lock = app.path("migrations/specql.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let claimed = text.replace("\"comment\":\"Order\"", "\"comment\":\"Sale\"");
    assert_ne!(text, claimed);
    fs::write(&lock, &claimed).unwrap();
    assert!(app.refuses(&["verify"]).contains("the schema in it is not the one that was sealed"));
    fs::write(&lock, forged(&claimed)).unwrap();
    let entity = fs::read_to_string(app.path("entities/order.yaml")).unwrap();
    fs::write(app.path("entities/order.yaml"), entity.replace("fields:", "description: Sale\nfields:")).unwrap();
    let output = app.specql(&["verify"], &server);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("relation sales.tb_order\n  migrations: r") && said.contains("Sale"), "{said}");
}
