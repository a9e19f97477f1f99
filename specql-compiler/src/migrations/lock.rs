//! `migrations/specql.lock`: which migrations there are, which are sealed, and the schema after the last sealed one.
//!
//! ```text
//! {
//!   "format": 2,
//!   "migrations": [
//!     {"version":1,"name":"init","sha384":"…","chain":"…","state":"sealed"}
//!   ],
//!   "snapshot_sha384": "…",
//!   "snapshot": {"objects": [
//!     {"kind":"schema","name":"sales",…}
//!   ]}
//! }
//! ```
//!
//! One line for each migration and object, so that two branches conflict where they disagree; and a hash of the snapshot,
//! since a merge that is told to prefer one side still takes the other side's objects where nothing disagrees.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha384};

use super::{FileName, conflict::Conflict};
use crate::sql::{Object, Schema, read};

/// The format that this version writes. In format 1 an object had nothing but its statements.
const FORMAT: u32 = 2;

/// The state of a project's migrations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this file's format.
    format: u32,
    /// All migrations, by version, without a gap, from 1 or from a baseline. Those of the last step may be open.
    pub migrations: Vec<Entry>,
    /// Ids of the hazards that the open step may hold ([`Hazard::id`](field@super::plan::Hazard::id)).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Hash of the snapshot as it is written: only a seal changes both.
    snapshot_sha384: String,
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
    /// Somebody wrote it: no part of the snapshot is its work, and no build writes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_hand: bool,
    /// Of a baseline: the migrations that it stands for. Of one that was written by hand and has got another number: itself.
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
pub enum LockError {
    /// A merge left two versions of it.
    Conflict(Conflict),
    /// It is not what a build or a seal wrote.
    Unreadable {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// The way out, where it is another than to restore the lock.
        help: Option<&'static str>,
    },
}

/// The way out where somebody resolved a conflict line by line.
const MERGED_BY_HAND: &str = "after a merge, a lock is one branch's as a whole: take it from the branch that comes first (`git checkout <branch> -- \
    migrations/specql.lock`), remove the migrations that it does not name, and build: they are written again behind the others";

impl Default for Lock {
    fn default() -> Self {
        let snapshot = Schema::default();
        Self {
            format: FORMAT,
            migrations: Vec::new(),
            allowed: Vec::new(),
            snapshot_sha384: snapshot_hash(&snapshot),
            snapshot,
        }
    }
}

impl Lock {
    /// Reads a lock and checks its history.
    ///
    /// # Errors
    /// When a merge left a conflict in it, it is not JSON of this form, was written by a newer version, its history is not
    /// one chain, or its snapshot is not the one that was sealed.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        // A newer format may have any shape: so the number is read before the rest.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        if let Some(conflict) = Conflict::find(text) {
            return Err(LockError::Conflict(conflict));
        }
        let at = |line: usize, reason: String, help| LockError::Unreadable { line, reason, help };
        let unreadable = |error: serde_json::Error| at(error.line().max(1), error.to_string(), None);
        let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
        if !(1..=FORMAT).contains(&format) {
            let reason = format!("it has format {format}, and this version of specql knows format {FORMAT}");
            return Err(at(1, reason, Some("update specql to the version that wrote it")));
        }
        let mut lock: Self = serde_json::from_str(text).map_err(unreadable)?;
        let line_of = |begin: &str, nth: usize| {
            let lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(begin));
            lines.map(|(index, _)| index + 1).nth(nth).unwrap_or(1)
        };
        lock.check().map_err(|(index, reason)| at(line_of("{\"version\":", index), reason, Some(MERGED_BY_HAND)))?;
        if lock.snapshot_sha384 != written_hash(text) {
            let reason = "the schema in it is not the one that was sealed".to_owned();
            return Err(at(line_of("\"snapshot_sha384\":", 0), reason, Some(MERGED_BY_HAND)));
        }
        if format == 1 {
            read::complete(&mut lock.snapshot);
            lock.format = FORMAT;
            lock.snapshot_sha384 = snapshot_hash(&lock.snapshot);
        }
        Ok(lock)
    }

    /// Whether the migrations are one chain; else the index where it breaks, and why.
    fn check(&self) -> Result<(), (usize, String)> {
        // A baseline keeps the number of the last migration that it stands for.
        let first = self.migrations.first().filter(|entry| !entry.replaces.is_empty()).map_or(1, |entry| entry.version);
        for ((index, entry), version) in self.migrations.iter().enumerate().zip(first..) {
            let before = self.migrations.get(..index).unwrap_or_default();
            let (file, last) = (entry.file_name(), before.last().map(Entry::file_name));
            if entry.version != version {
                let reason = match last {
                    Some(last) if last.version == entry.version => {
                        format!("`{last}` and `{file}` have the same number")
                    }
                    Some(last) if last.version > entry.version => {
                        format!("`{file}` stands behind `{last}`: the migrations are out of order")
                    }
                    Some(last) => format!("`{file}` follows `{last}`: migration {version} is missing"),
                    None => format!("`{file}` is the first: migration {version} is missing, or stands further down"),
                };
                return Err((index, reason));
            }
            if entry.chain != chain(before) {
                return Err((index, format!("the migrations before `{file}` are not those it was written after")));
            }
            let follows = self.migrations.get(index + 1);
            if entry.state == State::Open && follows.is_some_and(|next| next.state == State::Sealed) {
                return Err((index, format!("`{file}` is open, and a sealed one follows it")));
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
        let objects = lines(object_lines(&self.snapshot.objects));
        let allowed = match self.allowed.as_slice() {
            [] => String::new(),
            ids => format!("  \"allowed\": {},\n", lines(ids.iter().map(json).collect())),
        };
        let retired = match self.snapshot.retired.as_slice() {
            [] => String::new(),
            retired => format!(", \"retired\": {}", lines(object_lines(retired))),
        };
        format!(
            "{{\n  \"format\": {},\n  \"migrations\": {migrations},\n{allowed}  \"snapshot_sha384\": \"{}\",\n  \
             \"snapshot\": {{\"objects\": {objects}{retired}}}\n}}\n",
            self.format, self.snapshot_sha384
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

    /// The open step, where somebody writes it by hand: it is one file.
    #[must_use]
    pub fn open_by_hand(&self) -> Option<&Entry> {
        self.open().find(|entry| entry.by_hand)
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
        for (name, text) in open {
            lock.push(name, text, State::Open, false);
        }
        lock
    }

    /// This lock with a file for its open step that somebody writes by hand.
    #[must_use]
    pub fn with_open_by_hand(&self, name: &str, text: &str) -> Self {
        self.with_by_hand(name, text, State::Open)
    }

    /// This lock with its open step, which somebody has written by hand, sealed under this name with this text. The snapshot is the
    /// same: it has what the model asks for.
    #[must_use]
    pub fn with_sealed_by_hand(&self, name: &str, text: &str) -> Self {
        self.with_by_hand(name, text, State::Sealed)
    }

    fn with_by_hand(&self, name: &str, text: &str, state: State) -> Self {
        let mut lock = Self { migrations: self.sealed().cloned().collect(), ..self.clone() };
        lock.push(name, text, state, true);
        lock
    }

    /// Adds a migration behind all others.
    fn push(&mut self, name: &str, text: &str, state: State, by_hand: bool) {
        let version = self.migrations.last().map_or(0, |last| last.version) + 1;
        let entry = Entry {
            version,
            name: name.to_owned(),
            sha384: sha384(text),
            chain: chain(&self.migrations),
            state,
            by_hand,
            replaces: Vec::new(),
        };
        self.migrations.push(entry);
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
        lock.snapshot_sha384 = snapshot_hash(&lock.snapshot);
        lock
    }

    /// This lock with one migration, of that name and text, for all that a build wrote. What somebody wrote by hand stays: before
    /// it what came before everything else, behind it all other, with the numbers that are left then. `None` where nothing is sealed
    /// or something is open.
    #[must_use]
    pub fn with_baseline(&self, name: &str, text: &str) -> Option<Self> {
        let last = self.migrations.last().filter(|last| last.state == State::Sealed)?;
        let replaced = |entry: &Entry| Replaced { version: entry.version, sha384: entry.sha384.clone() };
        let baseline = Entry {
            version: 0,
            name: name.to_owned(),
            sha384: sha384(text),
            chain: String::new(),
            state: State::Sealed,
            by_hand: false,
            replaces: self.migrations.iter().filter(|entry| !entry.by_hand).map(replaced).collect(),
        };
        let first = self.migrations.iter().take_while(|entry| entry.by_hand);
        let rest = self.migrations.iter().skip_while(|entry| entry.by_hand).filter(|entry| entry.by_hand);
        let entries: Vec<Entry> = first.cloned().chain([baseline]).chain(rest.cloned()).collect();
        let mut lock = Self { migrations: Vec::new(), ..self.clone() };
        let left = i64::try_from(entries.len()).ok()?;
        for (mut entry, version) in entries.into_iter().zip(last.version - left + 1..) {
            if entry.by_hand {
                entry.replaces = if entry.version == version { Vec::new() } else { vec![replaced(&entry)] };
            }
            (entry.version, entry.chain) = (version, chain(&lock.migrations));
            lock.migrations.push(entry);
        }
        Some(lock)
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

fn object_lines(objects: &[Object]) -> Vec<String> {
    objects.iter().map(json).collect()
}

fn snapshot_hash(schema: &Schema) -> String {
    sha384(&object_lines(&[&*schema.objects, &*schema.retired].concat()).join("\n"))
}

/// The hash of a lock's snapshot as it stands in the file: a later version may write objects in another way, and still has to
/// read this one.
fn written_hash(text: &str) -> String {
    let behind = text.lines().skip_while(|line| !line.starts_with("  \"snapshot\": ")).skip(1);
    let objects = behind.filter(|line| line.starts_with("    "));
    sha384(&objects.map(|line| line.trim().trim_end_matches(',')).collect::<Vec<_>>().join("\n"))
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
    use crate::sql::ObjectKind;

    fn schema() -> Schema {
        let sales = read::object(ObjectKind::Schema, "sales", vec!["CREATE SCHEMA sales".to_owned()]);
        Schema { objects: vec![sales.from("entities/order.yaml:1")], ..Schema::default() }
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

    /// Line and reason of a lock that is refused.
    fn refused(text: &str) -> (usize, String) {
        match Lock::parse(text).unwrap_err() {
            LockError::Unreadable { line, reason, .. } => (line, reason),
            LockError::Conflict(conflict) => panic!("{conflict:?}"),
        }
    }

    /// A lock of three migrations with its lines 4, 5 and 6 in another order, or without some.
    fn with_lines(order: &[usize]) -> String {
        let text = history().with_open(&[("third", "SELECT 3;")]).to_text();
        let lines: Vec<&str> = text.lines().collect();
        let migrations: Vec<&str> = order.iter().map(|line| lines[line - 1].trim_end_matches(',')).collect();
        format!("{}\n{}\n{}\n", lines[..3].join("\n"), migrations.join(",\n"), lines[6..].join("\n"))
    }

    #[test]
    fn a_history_that_was_tampered_with_is_refused_at_its_line() {
        let text = history().to_text().replace(&sha384("SELECT 1;"), &sha384("SELECT 9;"));
        let reason = "the migrations before `0002_much_more.sql` are not those it was written after".to_owned();
        assert_eq!(refused(&text), (5, reason));
    }

    #[test]
    fn migrations_out_of_order_twice_or_missing_are_refused_at_their_line() {
        let told = |order: &[usize]| refused(&with_lines(order));
        assert_eq!(Lock::parse(&with_lines(&[4, 5, 6])).map(|lock| lock.migrations.len()), Ok(3));
        assert_eq!(told(&[4, 6]), (5, "`0003_third.sql` follows `0001_init.sql`: migration 2 is missing".to_owned()));
        assert_eq!(
            told(&[4, 5, 5]),
            (6, "`0002_much_more.sql` and `0002_much_more.sql` have the same number".to_owned())
        );
        assert_eq!(
            told(&[5, 4, 6]),
            (4, "`0002_much_more.sql` is the first: migration 1 is missing, or stands further down".to_owned())
        );
        assert_eq!(
            told(&[4, 5, 4]),
            (6, "`0001_init.sql` stands behind `0002_much_more.sql`: the migrations are out of order".to_owned())
        );
    }

    #[test]
    fn a_snapshot_with_objects_of_another_branch_is_refused() {
        let text = history().to_text();
        let line = text.lines().find(|line| line.contains("\"kind\":\"schema\"")).unwrap();
        let both = text.replace(line, &format!("{line},\n{}", line.replace("sales", "crm")));
        assert_eq!(refused(&both), (7, "the schema in it is not the one that was sealed".to_owned()));
    }

    #[test]
    fn line_ends_of_another_system_change_nothing() {
        assert_eq!(Lock::parse(&history().to_text().replace('\n', "\r\n")), Ok(history()));
    }

    #[test]
    fn a_merge_conflict_is_refused_at_its_line() {
        let text = history().to_text().replace("  \"snapshot\"", "<<<<<<< HEAD\n  \"snapshot\"");
        assert!(matches!(Lock::parse(&text), Err(LockError::Conflict(Conflict { line: 8, .. }))));
    }

    #[test]
    fn a_lock_of_format_1_is_read_with_all_that_its_statements_tell_and_written_in_today_s_format() {
        let text = include_str!("../../../tests/fixtures/locks/before_live_uniqueness.lock");
        assert!(text.contains("\"format\": 1,"));
        let lock = Lock::parse(text).unwrap();
        let told = |kind| lock.snapshot.objects.iter().filter(move |object| object.kind == kind);
        assert!(told(ObjectKind::Function).all(|object| !object.facts().are_none()));
        assert!(told(ObjectKind::Constraint).chain(told(ObjectKind::View)).all(|object| !object.needs.is_empty()));
        let written = lock.to_text();
        assert!(written.contains("\"format\": 2,"));
        assert_eq!(Lock::parse(&written).unwrap(), lock);
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let (_, reason) = refused("{\"format\": 3, \"shape\": \"unknown\"}");
        assert_eq!(reason, "it has format 3, and this version of specql knows format 2");
    }
}
