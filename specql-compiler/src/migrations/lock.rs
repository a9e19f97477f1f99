//! `migrations/specql.lock`: which migrations there are, which are sealed, and the schema after the last sealed one.
//!
//! ```text
//! {
//!   "format": 1,
//!   "migrations": [
//!     {"version":1,"name":"init","sha384":"…","chain":"…","state":"sealed"}
//!   ],
//!   "snapshot": {"objects": [
//!     {"kind":"schema","name":"sales",…}
//!   ]}
//! }
//! ```
//!
//! One line for each migration and object, so that two branches conflict where they disagree.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha384};

use super::FileName;
use crate::sql::{Object, Schema};

/// The format that this version writes.
const FORMAT: u32 = 1;

/// The state of a project's migrations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this file's format.
    format: u32,
    /// All migrations, by version, without a gap, from 1 or from a baseline. Those of the last step may be open.
    pub migrations: Vec<Entry>,
    /// Ids of the hazards that the open step may hold ([`Hazard::id`](super::plan::Hazard::id)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// The schema after the last sealed migration, without origins.
    pub snapshot: Schema,
}

/// A migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `2`.
    pub version: i64,
    /// `order_add_discount`.
    pub name: String,
    /// Hash of the file, as sqlx has it.
    pub sha384: String,
    /// Hash of all migrations before it.
    pub chain: String,
    /// Whether it may still change.
    pub state: State,
    /// Of a baseline: the migrations that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Replaced>,
}

/// A migration that a baseline stands for. A database that has them all has the baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Its number.
    pub version: i64,
    /// Hash of its file.
    pub sha384: String,
}

/// Whether a migration may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Never again.
    Sealed,
    /// With every build.
    Open,
}

/// Why a lock cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { format: FORMAT, migrations: Vec::new(), allowed: Vec::new(), snapshot: Schema::default() }
    }
}

impl Lock {
    /// Reads a lock and checks its history.
    ///
    /// # Errors
    /// When it is not JSON of this form, was written by a newer version, or its history is not one chain.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        // A newer format may have any shape: so the number is read before the rest.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let unreadable = |error: serde_json::Error| LockError { line: error.line().max(1), reason: error.to_string() };
        let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
        if format != FORMAT {
            let reason = format!("it has format {format}, and this version of specql knows format {FORMAT}");
            return Err(LockError { line: 1, reason });
        }
        let lock: Self = serde_json::from_str(text).map_err(unreadable)?;
        lock.check().map_err(|(version, reason)| {
            let line = text.lines().position(|line| line.contains(&format!("{{\"version\":{version},")));
            LockError { line: line.unwrap_or(0) + 1, reason }
        })?;
        Ok(lock)
    }

    /// Whether the migrations are one chain; else the version where it breaks, and why.
    fn check(&self) -> Result<(), (i64, String)> {
        // A baseline keeps the number of the last migration that it stands for.
        let first = self.migrations.first().filter(|entry| !entry.replaces.is_empty()).map_or(1, |entry| entry.version);
        for ((index, entry), version) in self.migrations.iter().enumerate().zip(first..) {
            let before = self.migrations.get(..index).unwrap_or_default();
            let error = |reason: String| Err((entry.version, reason));
            if entry.version != version {
                return error(format!("migration {} stands where {version} should be", entry.version));
            }
            if entry.chain != chain(before) {
                return error(format!(
                    "the migrations before `{}` are not those it was written after",
                    entry.file_name()
                ));
            }
            let follows = self.migrations.get(index + 1);
            if entry.state == State::Open && follows.is_some_and(|next| next.state == State::Sealed) {
                return error(format!("`{}` is open, and a sealed one follows it", entry.file_name()));
            }
        }
        Ok(())
    }

    /// The text of the file.
    ///
    /// # Panics
    /// Never: its types have no map with keys other than text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = |items: Vec<String>| match items.len() {
            0 => "[]".to_owned(),
            _ => format!("[\n    {}\n  ]", items.join(",\n    ")),
        };
        let migrations = lines(self.migrations.iter().map(json).collect());
        let objects = lines(self.snapshot.objects.iter().map(json).collect());
        let allowed = match self.allowed.as_slice() {
            [] => String::new(),
            ids => format!("  \"allowed\": {},\n", lines(ids.iter().map(json).collect())),
        };
        let retired = match self.snapshot.retired.as_slice() {
            [] => String::new(),
            retired => format!(", \"retired\": {}", lines(retired.iter().map(json).collect())),
        };
        format!(
            "{{\n  \"format\": {},\n  \"migrations\": {migrations},\n{allowed}  \"snapshot\": {{\"objects\": {objects}{retired}}}\n}}\n",
            self.format
        )
    }

    /// The migrations that never change again.
    pub fn sealed(&self) -> impl Iterator<Item = &Entry> {
        self.migrations.iter().filter(|entry| entry.state == State::Sealed)
    }

    /// Those that may: the files of the open step.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.migrations.iter().filter(|entry| entry.state == State::Open)
    }

    /// The number of the open step's first file, or of the migration that comes next.
    #[must_use]
    pub fn next_version(&self) -> i64 {
        self.sealed().map(|entry| entry.version).max().unwrap_or(0) + 1
    }

    /// This lock with these files (name and text) for its open step.
    #[must_use]
    pub fn with_open(&self, open: &[(&str, &str)]) -> Self {
        let mut lock = Self { migrations: self.sealed().cloned().collect(), ..self.clone() };
        for ((name, text), version) in open.iter().zip(lock.next_version()..) {
            let entry = Entry {
                version,
                name: (*name).to_owned(),
                sha384: sha384(text),
                chain: chain(&lock.migrations),
                state: State::Open,
                replaces: Vec::new(),
            };
            lock.migrations.push(entry);
        }
        lock
    }

    /// This lock with its open step sealed under these names, one a file, after which the database is as in `schema`.
    #[must_use]
    pub fn with_sealed(&self, names: &[String], schema: &Schema) -> Self {
        let mut lock = Self { migrations: self.sealed().cloned().collect(), allowed: Vec::new(), ..self.clone() };
        for (entry, name) in self.open().zip(names) {
            // The chain goes over names.
            let chain = chain(&lock.migrations);
            lock.migrations.push(Entry { state: State::Sealed, name: name.clone(), chain, ..entry.clone() });
        }
        lock.snapshot = snapshot(schema, &self.snapshot);
        lock
    }

    /// This lock with one migration, of that name and text, for all that it holds. `None` where nothing is sealed or something
    /// is open.
    #[must_use]
    pub fn with_baseline(&self, name: &str, text: &str) -> Option<Self> {
        let last = self.migrations.last().filter(|last| last.state == State::Sealed)?;
        let replaces = self
            .migrations
            .iter()
            .map(|entry| Replaced { version: entry.version, sha384: entry.sha384.clone() })
            .collect();
        let entry = Entry {
            version: last.version,
            name: name.to_owned(),
            sha384: sha384(text),
            chain: chain(&[]),
            state: State::Sealed,
            replaces,
        };
        Some(Self { migrations: vec![entry], ..self.clone() })
    }
}

impl Entry {
    /// `0002_order_add_discount.sql`.
    #[must_use]
    pub fn file_name(&self) -> FileName {
        FileName { version: self.version, name: self.name.clone() }
    }

    /// Whether a file has the bytes that were recorded.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.sha384 == sha384(text)
    }
}

impl Replaced {
    /// Whether a file is that migration.
    #[must_use]
    pub fn is(&self, file: &FileName, text: &str) -> bool {
        self.version == file.version && self.sha384 == sha384(text)
    }
}

/// The schema without what is never compared, and with the retired functions that remain after `before`.
fn snapshot(schema: &Schema, before: &Schema) -> Schema {
    let plain = |object: &Object| Object { origin: None, ..object.clone() };
    let retired = super::diff::retired(before, schema);
    Schema {
        objects: schema.objects.iter().map(plain).collect(),
        retired: retired.iter().map(plain).collect(),
        ..Schema::default()
    }
}

fn chain(before: &[Entry]) -> String {
    let lines: String =
        before.iter().map(|entry| format!("{} {} {}\n", entry.chain, entry.file_name(), entry.sha384)).collect();
    sha384(&lines)
}

fn sha384(text: &str) -> String {
    Sha384::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("its types have no map with keys other than text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Definition, ObjectKind};

    fn schema() -> Schema {
        let definition = Definition::Statements { create: vec!["CREATE SCHEMA sales".to_owned()], drop: Vec::new() };
        let origin = Some("entities/order.yaml:1".to_owned());
        Schema {
            objects: vec![Object { kind: ObjectKind::Schema, name: "sales".to_owned(), origin, definition }],
            ..Schema::default()
        }
    }

    fn history() -> Lock {
        let first = Lock::default().with_open(&[("init", "SELECT 1;")]).with_sealed(&["init".to_owned()], &schema());
        first.with_open(&[("more", "SELECT 2;")]).with_sealed(&["much_more".to_owned()], &schema())
    }

    #[test]
    fn a_lock_reads_back_as_it_is_written() {
        let lock = history().with_open(&[("third", "SELECT 3;"), ("third_validate", "SELECT 4;")]);
        assert_eq!(Lock::parse(&lock.to_text()), Ok(lock));
        assert_eq!(Lock::parse(&Lock::default().to_text()), Ok(Lock::default()));
    }

    #[test]
    fn each_migration_and_object_has_a_line_of_its_own() {
        let text = history().to_text();
        assert_eq!(text.lines().filter(|line| line.contains("\"version\":")).count(), 2);
        assert_eq!(text.lines().filter(|line| line.contains("\"kind\":\"schema\"")).count(), 1);
        assert!(!text.contains("order.yaml"), "origins are not part of a snapshot");
    }

    #[test]
    fn sealing_keeps_the_hash_and_takes_the_name() {
        let open = Lock::default().with_open(&[("a", "SELECT 1;")]);
        let sealed = open.with_sealed(&["b".to_owned()], &schema());
        assert_eq!(sealed.migrations[0].sha384, open.migrations[0].sha384);
        assert_eq!(sealed.migrations[0].file_name().to_string(), "0001_b.sql");
        assert_eq!((sealed.open().count(), sealed.next_version()), (0, 2));
    }

    #[test]
    fn a_history_that_was_tampered_with_is_refused_at_its_line() {
        let text = history().to_text();
        let hash = sha384("SELECT 1;");
        let error = Lock::parse(&text.replace(&hash, &sha384("SELECT 9;"))).unwrap_err();
        assert_eq!(
            error,
            LockError {
                line: 5,
                reason: "the migrations before `0002_much_more.sql` are not those it was written after".to_owned()
            }
        );
    }

    #[test]
    fn a_gap_in_the_versions_is_refused() {
        let error = Lock::parse(&history().to_text().replace("\"version\":2", "\"version\":3")).unwrap_err();
        assert_eq!(error.reason, "migration 3 stands where 2 should be");
    }

    #[test]
    fn a_merge_conflict_is_refused_at_its_line() {
        let text = history().to_text().replace("  \"snapshot\"", "<<<<<<< HEAD\n  \"snapshot\"");
        assert_eq!(Lock::parse(&text).unwrap_err().line, 7);
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let error = Lock::parse("{\"format\": 2, \"shape\": \"unknown\"}").unwrap_err();
        assert_eq!(error.reason, "it has format 2, and this version of specql knows format 1");
    }
}
