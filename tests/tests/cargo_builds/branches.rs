//! Two branches that both add a migration: what git makes of them, and what the build says to that.

use std::{
    fs,
    process::{Command, Output},
};

use specql_compiler::{Mode, Project};

const ORDER: &str = "entity: Order\nschema: sales\nfields:\n  total: integer!\n";
const LOCK: &str = "migrations/specql.lock";

/// A project under version control. Cargo has no part in this.
struct Repository {
    root: tempfile::TempDir,
}

impl Repository {
    /// With a sealed first migration on `main`, and branches that each added a field and sealed it.
    fn with_branches(fields: &[&str]) -> Self {
        let repository = Self { root: tempfile::tempdir().unwrap() };
        repository.succeed(&["init", "--quiet", "--initial-branch", "main"]);
        repository.write("entities/order.yaml", ORDER);
        repository.seal();
        repository.commit("begin");
        for field in fields {
            repository.succeed(&["checkout", "--quiet", "-b", field, "main"]);
            repository
                .write(&format!("entities/{field}.yaml"), &format!("entity: {}\nschema: sales\n", capital(field)));
            repository.seal();
            repository.commit(field);
        }
        repository
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.eu", "-c", "commit.gpgSign=false"];
        Command::new("git").args(identity).args(arguments).current_dir(self.root.path()).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) {
        let output = self.git(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, message: &str) {
        self.succeed(&["add", "--all"]);
        self.succeed(&["commit", "--quiet", "--message", message]);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn seal(&self) {
        Project::seal(self.root.path(), None).unwrap();
    }

    /// What a build says, and does.
    fn build(&self) -> Vec<String> {
        Project::update(self.root.path(), &Mode::Write).unwrap().errors()
    }

    fn migrations(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path().join("migrations")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".gitattributes");
        names.sort();
        names
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path)).unwrap()
    }
}

fn capital(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

/// The commands that the error gives for the branch that was first, as a person would copy them.
fn advice(error: &str, first: &str) -> String {
    let behind = error.split_once(&format!("if `{first}` was first: `")).unwrap_or_else(|| panic!("{error}")).1;
    behind.split_once('`').unwrap().0.to_owned()
}

#[test]
fn two_branches_conflict_in_the_lock_and_the_advice_resolves_it_either_way() {
    for (first, expected) in
        [("HEAD", ["0003_add_town.sql", "0004_add_note.sql"]), ("note", ["0003_add_note.sql", "0004_add_town.sql"])]
    {
        let repository = Repository::with_branches(&["note", "town"]);
        assert!(!repository.git(&["merge", "note"]).status.success(), "git must not merge two histories");
        let conflicts = repository.git(&["diff", "--name-only", "--diff-filter=U"]);
        assert_eq!(String::from_utf8_lossy(&conflicts.stdout), format!("{LOCK}\n"));

        let before = repository.migrations();
        let errors = repository.build();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        let error = &errors[0];
        let line = 1 + repository.read(LOCK).lines().position(|line| line.starts_with("<<<<<<<")).unwrap();
        assert!(error.contains(&format!("--> {LOCK}:{line}:1")), "{error}");
        assert!(
            error.contains("`0003_add_town.sql` of `HEAD`") && error.contains("`0003_add_note.sql` of `note`"),
            "{error}"
        );
        assert_eq!(repository.migrations(), before, "nothing is touched");

        let sealed = repository.read(&format!("migrations/{}", expected[0]));
        let done = Command::new("sh").args(["-c", &advice(error, first)]).current_dir(repository.root.path()).output();
        assert!(done.unwrap().status.success());
        assert_eq!(repository.build(), [""; 0]);
        assert_eq!(
            repository.migrations(),
            ["0001_specql.sql", "0002_init.sql", expected[0], expected[1], "specql.lock"]
        );
        assert_eq!(repository.read(&format!("migrations/{}", expected[0])), sealed, "what came first stays as it was");
        repository.seal();
        repository.commit("merge");
    }
}

#[test]
fn a_merge_that_prefers_one_side_leaves_a_number_twice_or_a_schema_of_two_and_both_are_refused() {
    let repository = Repository::with_branches(&["note", "town"]);
    repository.succeed(&["merge", "--quiet", "--strategy-option", "ours", "--message", "merge", "note"]);
    let errors = repository.build();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let said = "the schema in it is not the one that was sealed [SQ0601]";
    assert!(errors[0].contains(said), "{}", errors[0]);
    assert!(errors[0].contains("git checkout <branch> -- migrations/specql.lock"), "{}", errors[0]);

    repository.succeed(&["checkout", "HEAD^1", "--", LOCK]);
    let errors = repository.build();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let said =
        "`migrations/0003_add_note.sql` has the number of `0003_add_town.sql`, which is the one in the lock [SQ0604]";
    assert!(errors[0].contains(said), "{}", errors[0]);

    repository.succeed(&["rm", "-f", "--quiet", "migrations/0003_add_note.sql"]);
    assert_eq!(repository.build(), [""; 0]);
    assert_eq!(
        repository.migrations(),
        ["0001_specql.sql", "0002_init.sql", "0003_add_town.sql", "0004_add_note.sql", "specql.lock"]
    );
}
