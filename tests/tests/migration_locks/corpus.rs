//! Every application of the corpus gets, and loses again, fields of each sort in each of its tables.

use specql_compiler::{SourceFile, internals::build};
use specql_tests::{corpus::apps, locks::Rules, migrations::Folder};

/// A required one with a default, one with a CHECK, a unique one, and a reference with its index.
const FIELDS: &str = "
  added_number: integer! = 0
  added_state: enum(low, high)
  added_key: {type: text, unique: true}
  added_parent: ref(ENTITY)";

/// The file with those fields; as it is where its entity is written in another form.
fn with_fields(file: &SourceFile) -> SourceFile {
    let name = file.text.lines().find_map(|line| line.strip_prefix("entity: ")).unwrap_or_default();
    let fields = format!("\nfields:{}\n", FIELDS.replace("ENTITY", name));
    SourceFile::new(&file.path, file.text.replacen("\nfields:\n", &fields, 1), file.kind)
}

#[test]
fn no_step_of_the_corpus_locks_a_table_for_long() {
    let mut rules = Rules::start();
    for app in apps().unwrap() {
        let sources = build::load(&app.folder).unwrap();
        let as_it_is: Vec<SourceFile> = sources.iter().map(|(_, file)| file.clone()).collect();
        let with_more: Vec<SourceFile> = as_it_is.iter().map(with_fields).collect();
        for (before, after) in [(&as_it_is, &with_more), (&with_more, &as_it_is)] {
            let mut folder = Folder::default();
            let first = folder.build(before).unwrap();
            folder.seal(before, &first.schema).unwrap();
            let second = folder.build(after).unwrap();
            let files: Vec<&str> = second.step.iter().map(|part| part.sql.as_str()).collect();
            assert!(!files.is_empty(), "{}: nothing changes", app.name);
            assert_eq!(rules.sins(&first.schema, &files), Ok(Vec::new()), "{}", app.name);
        }
    }
}
