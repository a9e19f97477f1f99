//! What a merge leaves in `specql.lock` when two branches both added a migration: the conflict as version control marked it,
//! and which migrations stand on either side.

use serde::Deserialize;

use super::FileName;

/// A conflict that is marked in a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The line of the first marker, from 1.
    pub line: usize,
    /// The side between `<<<<<<<` and `=======`.
    pub ours: Side,
    /// The side between `=======` and `>>>>>>>`.
    pub theirs: Side,
}

/// One side of a conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// What its marker calls it: `HEAD`, or a branch.
    pub label: String,
    /// The migrations that the other side does not have in this form, and whether somebody wrote them by hand.
    pub added: Vec<(FileName, bool)>,
}

/// Where a line stands.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Both,
    Ours,
    Base,
    Theirs,
}

impl Conflict {
    /// The conflict in the text of a lock; `None` where no line is a marker. No line of a lock that is whole looks like one.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let mut first = None;
        let (mut ours, mut theirs) = (Lines::default(), Lines::default());
        let mut part = Part::Both;
        for (index, line) in text.lines().enumerate() {
            if let Some((behind, label)) = marker(line) {
                first.get_or_insert(index + 1);
                part = behind;
                match behind {
                    Part::Ours => ours.name(label),
                    Part::Both => theirs.name(label),
                    Part::Base | Part::Theirs => {}
                }
            } else if let Some(file) = migration(line) {
                match part {
                    Part::Ours => ours.push(line, file),
                    Part::Theirs => theirs.push(line, file),
                    Part::Both | Part::Base => {}
                }
            }
        }
        Some(Self { line: first?, ours: ours.without(&theirs), theirs: theirs.without(&ours) })
    }
}

/// The migrations' lines on one side.
#[derive(Default)]
struct Lines {
    label: String,
    lines: Vec<(String, (FileName, bool))>,
}

impl Lines {
    /// The first conflict names the sides; the others name them again.
    fn name(&mut self, label: &str) {
        if self.label.is_empty() {
            label.clone_into(&mut self.label);
        }
    }

    fn push(&mut self, line: &str, file: (FileName, bool)) {
        self.lines.push((entry_of(line).to_owned(), file));
    }

    /// With `merge.conflictStyle = diff3`, lines that both sides have stand in both of them.
    fn without(&self, other: &Self) -> Side {
        let is_in_both = |line: &str| other.lines.iter().any(|(known, _)| known == line);
        let added = self.lines.iter().filter(|(line, _)| !is_in_both(line)).map(|(_, file)| file.clone()).collect();
        Side { label: self.label.clone(), added }
    }
}

/// What a marker begins, and its label.
fn marker(line: &str) -> Option<(Part, &str)> {
    let markers =
        [("<<<<<<<", Part::Ours), ("|||||||", Part::Base), ("=======", Part::Theirs), (">>>>>>>", Part::Both)];
    markers.into_iter().find_map(|(sign, part)| {
        let label = line.strip_prefix(sign)?;
        (label.is_empty() || label.starts_with(' ')).then(|| (part, label.trim()))
    })
}

/// A line without what separates it from the next.
fn entry_of(line: &str) -> &str {
    line.trim().trim_end_matches(',')
}

/// The migration of a line; `None` for others, and for names that no build gives: they go into commands that people copy.
fn migration(line: &str) -> Option<(FileName, bool)> {
    #[derive(Deserialize)]
    struct Named {
        version: i64,
        name: String,
        #[serde(default)]
        by_hand: bool,
    }
    let Named { version, name, by_hand } = serde_json::from_str(entry_of(line)).ok()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (version > 0 && !name.is_empty() && name.bytes().all(plain)).then_some((FileName { version, name }, by_hand))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"    {"version":1,"name":"init","sha384":"a"},"#;
    const OURS: &str = r#"    {"version":2,"name":"order_add_note","sha384":"b"}"#;
    const THEIRS: &str = r#"    {"version":2,"name":"order_add_town","sha384":"c"},"#;
    const LAST: &str = r#"    {"version":3,"name":"add_customer","sha384":"d"}"#;

    fn names(side: &Side) -> Vec<String> {
        side.added.iter().map(|(file, by_hand)| format!("{file}{}", if *by_hand { " by hand" } else { "" })).collect()
    }

    #[test]
    fn each_side_has_its_label_and_the_migrations_it_added() {
        let text = [FIRST, "<<<<<<< HEAD", OURS, "=======", THEIRS, LAST, ">>>>>>> town", "  ],"].join("\n");
        let conflict = Conflict::find(&text).unwrap();
        assert_eq!(conflict.line, 2);
        assert_eq!((conflict.ours.label.as_str(), conflict.theirs.label.as_str()), ("HEAD", "town"));
        assert_eq!(names(&conflict.ours), ["0002_order_add_note.sql"]);
        assert_eq!(names(&conflict.theirs), ["0002_order_add_town.sql", "0003_add_customer.sql"]);
    }

    #[test]
    fn what_both_sides_and_the_base_have_is_not_added() {
        let base = FIRST.trim_end_matches(',');
        let text =
            ["<<<<<<< HEAD", FIRST, OURS, "||||||| 1234567", base, "=======", FIRST, THEIRS, ">>>>>>> town"].join("\n");
        let conflict = Conflict::find(&text).unwrap();
        assert_eq!(names(&conflict.ours), ["0002_order_add_note.sql"]);
        assert_eq!(names(&conflict.theirs), ["0002_order_add_town.sql"]);
    }

    #[test]
    fn what_somebody_wrote_by_hand_is_known() {
        let by_hand = r#"    {"version":2,"name":"reports","sha384":"b","by_hand":true}"#;
        let conflict =
            Conflict::find(&["<<<<<<< HEAD", by_hand, "=======", THEIRS, ">>>>>>> town"].join("\n")).unwrap();
        assert_eq!(names(&conflict.ours), ["0002_reports.sql by hand"]);
    }

    #[test]
    fn a_marker_that_was_forgotten_is_found() {
        let conflict = Conflict::find(&[FIRST, OURS, ">>>>>>> town"].join("\n")).unwrap();
        assert_eq!((conflict.line, conflict.ours), (3, Side::default()));
    }

    #[test]
    fn a_name_that_a_shell_would_obey_is_not_repeated() {
        let hostile = r#"    {"version":2,"name":"a; rm -rf /","sha384":"b"}"#;
        let conflict =
            Conflict::find(&["<<<<<<< HEAD", hostile, "=======", THEIRS, ">>>>>>> town"].join("\n")).unwrap();
        assert_eq!(names(&conflict.ours), [""; 0]);
    }

    #[test]
    fn a_lock_that_is_whole_has_none() {
        assert_eq!(Conflict::find(&[FIRST, OURS].join("\n")), None);
    }
}
