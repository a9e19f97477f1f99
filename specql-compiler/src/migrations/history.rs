//! From what the migrations folder holds, and what the model asks for, to what the folder should hold.
//!
//! Pure: files come in with the sources and go out as [`Edit`]s, in the order in which they are safe to make: SQL first,
//! the lock last. A build that is interrupted between two of them is repaired by the next one.

use super::{
    Direction, FileName, MissingStep,
    command::checked_name,
    conflict::Side,
    diff::{breaking, diff},
    lock::{Entry, Lock, LockError, State},
    origins,
    part::MigrationPart,
    plan::{Hazard, HazardKind},
    record,
    render::{is_generated, render},
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0601_unreadable_lock::{Added, conflicting_lock, unreadable_lock},
            sq0602_edited_migration::edited_migration,
            sq0603_missing_migration::missing_migration,
            sq0604_unknown_migration::{duplicate_migration, lost_lock, unknown_migration},
            sq0605_open_migration::open_migration,
            sq0606_outdated_migration::outdated_migration,
            sq0607_data_loss::data_loss,
            sq0608_rows_may_not_fit::rows_may_not_fit,
            sq0609_long_lock::long_lock,
            sq0610_not_worked_out::not_worked_out,
            sq0611_open_by_hand::open_by_hand,
            sq0613_folder_of_others::folder_of_others,
        },
    },
    outputs::{Edit, Mode},
    source::{FileId, SourceFile, SourceKind, Sources, Span},
    sql::Schema,
};

/// What the migrations folder should become.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// The schema after the last sealed migration.
    pub snapshot: Schema,
    /// What the open step would do to the data, allowed or not.
    pub hazards: Vec<Hazard>,
    /// Which of them are allowed, by their ids.
    pub allowed: Vec<String>,
    /// The files of the step that is missing, even where a hazard keeps it from being written.
    pub step: Vec<MigrationPart>,
    /// What to change, in this order. Empty when something is wrong.
    pub edits: Vec<Edit>,
    /// All migrations as they are after the edits.
    pub migrations: Vec<MigrationPart>,
    /// The table in which a database records them.
    pub table: String,
}

/// The migrations folder among the sources.
pub(super) struct Folder<'a> {
    sources: &'a Sources,
    /// `migrations`.
    path: &'a str,
    pub(super) files: Vec<(FileId, FileName, &'a SourceFile)>,
    lock_file: Option<(FileId, &'a SourceFile)>,
    pub(super) lock: Lock,
}

/// Works out what the migrations folder at `path` should become.
///
/// `schema` is what the model asks for; `None` where it has errors: then only what is sealed is checked.
#[must_use]
pub fn history(sources: &Sources, path: &str, schema: Option<&Schema>, mode: &Mode) -> History {
    let mut diagnostics = Vec::new();
    let table = record::table(sources, path, &mut diagnostics);
    let folder = match Folder::read(sources, path) {
        Ok(folder) => folder,
        Err(diagnostic) => {
            diagnostics.push(*diagnostic);
            return History { diagnostics, table, ..History::default() };
        }
    };
    let snapshot = folder.lock.snapshot.clone();
    let mut history = History { diagnostics, migrations: folder.sealed_parts(), snapshot, table, ..History::default() };
    folder.check_files(&mut history.diagnostics);
    let by_hand = folder.open_by_hand();
    history.migrations.extend(by_hand.map(|(entry, text)| part(entry, text)));
    let Some(schema) = schema.filter(|_| history.diagnostics.is_empty()) else { return history };

    let missing = MissingStep::between(&folder.lock.snapshot, schema);
    if let Some((entry, _)) = by_hand {
        history.diagnostics.extend(folder.behind_by_hand(&missing, entry, mode));
        return history;
    }
    let hazards: Vec<Hazard> = missing.hazards().cloned().collect();
    let open = folder.open(&missing, schema);
    if let Some(diagnostic) = folder.without_its_lock(&open) {
        history.diagnostics.push(diagnostic);
        return history;
    }
    history.step = folder.step_parts(&open, schema);
    let is_allowed =
        |hazard: &Hazard| hazard.kind != HazardKind::Impossible && folder.lock.allowed.contains(&hazard.id);
    history.diagnostics.extend(hazards.iter().filter(|hazard| !is_allowed(hazard)).map(|it| folder.hazard(it)));
    history.allowed = hazards.iter().filter(|hazard| is_allowed(hazard)).map(|hazard| hazard.id.clone()).collect();
    history.hazards = hazards;
    if !history.diagnostics.is_empty() {
        return history;
    }
    let edits = folder.edits(&open);
    history.migrations.extend(history.step.iter().cloned());
    match mode {
        Mode::Write => history.edits = edits,
        Mode::Compare(why) => history.diagnostics.extend(folder.compare(&missing, &open, &edits, why)),
    }
    history
}

impl<'a> Folder<'a> {
    pub(super) fn read(sources: &'a Sources, path: &'a str) -> Result<Self, Box<Diagnostic>> {
        let files = (sources.iter())
            .filter(|(_, file)| file.kind == SourceKind::Migration)
            .filter_map(|(id, file)| Some((id, FileName::parse(file.path.rsplit('/').next()?)?, file)))
            .collect();
        let lock_file = sources.iter().find(|(_, file)| file.kind == SourceKind::Lock);
        let lock = match lock_file {
            None => Lock::default(),
            Some((id, file)) => Lock::parse(&file.text).map_err(|error| {
                Box::new(match error {
                    LockError::Conflict(conflict) => {
                        let span = line_span(id, file, conflict.line);
                        conflicting_lock(span, path, [conflict.ours, conflict.theirs].map(side))
                    }
                    LockError::Unreadable { line, reason, help } => {
                        unreadable_lock(line_span(id, file, line), &reason, help)
                    }
                })
            })?,
        };
        Ok(Self { sources, path, files, lock_file, lock })
    }

    pub(super) fn path_of(&self, file: &FileName) -> String {
        format!("{}/{file}", self.path)
    }

    pub(super) fn lock_path(&self) -> String {
        self.lock_file.map_or_else(|| format!("{}/specql.lock", self.path), |(_, file)| file.path.clone())
    }

    pub(super) fn find(&self, name: &FileName) -> Option<&'a str> {
        self.files.iter().find(|(_, file, _)| file == name).map(|(_, _, source)| source.text.as_str())
    }

    fn sealed_parts(&self) -> Vec<MigrationPart> {
        let sealed = self.lock.sealed().filter_map(|entry| Some(part(entry, self.find(&entry.file_name())?)));
        sealed.collect()
    }

    /// The open step and its text, where somebody writes it by hand. Who deletes the file takes the step back.
    pub(super) fn open_by_hand(&self) -> Option<(&Entry, &'a str)> {
        let entry = self.lock.open_by_hand()?;
        Some((entry, self.find(&entry.file_name())?))
    }

    /// What is wrong where the open step is written by hand: nothing is written behind it.
    fn behind_by_hand(&self, missing: &MissingStep, entry: &Entry, mode: &Mode) -> Option<Diagnostic> {
        let path = self.path_of(&entry.file_name());
        if !missing.is_empty() {
            return Some(open_by_hand(self.first_place(missing), &path));
        }
        match mode {
            Mode::Write => None,
            Mode::Compare(why) => Some(open_migration(self.anywhere(), &path, why)),
        }
    }

    /// Where there is no lock: a file that this build would not write itself. A first build that was interrupted has written some of
    /// its files and no lock yet; any other file may have been sealed, and be applied somewhere.
    fn without_its_lock(&self, open: &[(FileName, String)]) -> Option<Diagnostic> {
        if self.lock_file.is_some() {
            return None;
        }
        let of_another =
            |name: &FileName, file: &SourceFile| !open.iter().any(|(open, text)| open == name && *text == file.text);
        let (id, _, file) = self.files.iter().find(|(_, name, file)| of_another(name, file))?;
        Some(lost_lock(line_span(*id, file, 1), &file.path, self.path))
    }

    /// Sealed files must be there as they were sealed, and other files must be ours.
    fn check_files(&self, diagnostics: &mut Vec<Diagnostic>) {
        for entry in self.lock.sealed() {
            let name = entry.file_name();
            match self.files.iter().find(|(_, file, _)| *file == name) {
                None => diagnostics.push(missing_migration(self.lock_span(entry), &self.path_of(&name))),
                Some((id, _, file)) if !entry.is(&file.text) => {
                    diagnostics.push(edited_migration(line_span(*id, file, 1), &file.path));
                }
                Some(_) => {}
            }
        }
        let no_lock = self.lock_file.is_none() && !self.files.iter().any(|(_, _, file)| is_generated(&file.text));
        if let Some((id, _, file)) = self.files.first().filter(|_| no_lock) {
            diagnostics.push(folder_of_others(line_span(*id, file, 1), self.path, self.files.len()));
            return;
        }
        let by_hand = self.lock.open_by_hand().map(Entry::file_name);
        for (id, name, file) in &self.files {
            let known = by_hand.as_ref() == Some(name) || self.lock.sealed().any(|entry| entry.file_name() == *name);
            if !known && !self.is_left_over(name, &file.text) {
                let span = line_span(*id, file, 1);
                let same_number = self.lock.migrations.iter().find(|entry| entry.version == name.version);
                diagnostics.push(match same_number {
                    Some(entry) => duplicate_migration(span, &file.path, &entry.file_name().to_string()),
                    None => {
                        let is_next = name.version == self.lock.next_version() && checked_name(&name.name).is_ok();
                        unknown_migration(span, &file.path, is_next.then_some(&name.name))
                    }
                });
            }
        }
    }

    /// Whether a file is one of the open step, or was it in a build that was interrupted, or was squashed: ours to replace. What
    /// another branch has sealed looks the same, but it lies beside one of ours.
    fn is_left_over(&self, name: &FileName, text: &str) -> bool {
        if self.lock.sealed().any(|entry| entry.file_name() == *name) {
            return false;
        }
        let mut replaced = self.lock.migrations.iter().flat_map(|entry| &entry.replaces);
        if replaced.any(|one| one.is(name, text)) {
            return true;
        }
        if name.version < self.lock.next_version() || !is_generated(text) {
            return false;
        }
        match self.lock.open().find(|open| open.version == name.version) {
            Some(open) if open.file_name() == *name => true,
            // A build takes the old file away before it writes the new one; a seal that renames writes the same text first.
            Some(open) => self.find(&open.file_name()).is_none_or(|ours| !open.is(ours) || ours == text),
            None => self.files.iter().filter(|(_, other, _)| other.version == name.version).count() == 1,
        }
    }

    /// The files of the missing step.
    fn open(&self, missing: &MissingStep, schema: &Schema) -> Vec<(FileName, String)> {
        let files = missing.files(self.lock.next_version(), &self.lock.snapshot, schema, &self.lock.allowed);
        let written = files.into_iter().map(|(file, text)| {
            let text = self.unless_moved(&file, text);
            (file, text)
        });
        written.collect()
    }

    /// The text, or what is there already where they differ only in the places that they name: in development, another text
    /// means that the applied one is undone first, and a moved YAML line is no reason to lose rows.
    fn unless_moved(&self, file: &FileName, text: String) -> String {
        let open = self.lock.open().find(|open| open.file_name() == *file);
        match self.find(file).filter(|written| open.is_some_and(|open| open.is(written))) {
            Some(written) if origins::same_apart(written, &text) => written.to_owned(),
            _ => text,
        }
    }

    /// The open step as the binary carries it: its first file has the reverse of all of it.
    fn step_parts(&self, open: &[(FileName, String)], schema: &Schema) -> Vec<MigrationPart> {
        let mut reverse = (!open.is_empty()).then(|| self.reverse(schema));
        let parts = open.iter().map(|(file, text)| {
            let reverse = Some(reverse.take().unwrap_or_default());
            let (version, description) = (file.version, described(&file.name));
            let sql = text.clone();
            MigrationPart { version, description, sql, open: true, by_hand: false, reverse, replaces: Vec::new() }
        });
        parts.collect()
    }

    fn reverse(&self, schema: &Schema) -> String {
        let mut plan = diff(schema, &self.lock.snapshot, Direction::Reverse);
        if !self.lock.snapshot.objects.is_empty() && breaking::is_recorded(schema) {
            plan.steps.insert(0, breaking::forget(self.lock.next_version()));
        }
        render(&plan)
    }

    /// What must change so that `open` is the open step.
    fn edits(&self, open: &[(FileName, String)]) -> Vec<Edit> {
        // Away with the old first: two files of one number are two branches', if no build was interrupted between them.
        let mut edits = Vec::new();
        for (_, name, file) in &self.files {
            if self.is_left_over(name, &file.text) && open.iter().all(|(open, _)| open != name) {
                edits.push(Edit::Remove { path: file.path.clone() });
            }
        }
        for (file, text) in open {
            if self.find(file) != Some(text) {
                edits.push(Edit::Write { path: self.path_of(file), text: text.clone() });
            }
        }
        let files: Vec<(&str, &str)> = open.iter().map(|(file, text)| (file.name.as_str(), text.as_str())).collect();
        let lock = self.lock.with_open(&files);
        if lock != self.lock || (self.lock_file.is_none() && !open.is_empty()) {
            edits.push(Edit::Write { path: self.lock_path(), text: lock.to_text() });
        }
        edits
    }

    /// What is wrong where nothing may be written.
    fn compare(
        &self,
        missing: &MissingStep,
        open: &[(FileName, String)],
        edits: &[Edit],
        why: &str,
    ) -> Option<Diagnostic> {
        let open = open.first().map(|(file, _)| self.path_of(file));
        let span = self.first_place(missing);
        match (edits.first(), open) {
            (Some(edit), open) => Some(outdated_migration(span, open.as_deref().unwrap_or(edit.path()), why)),
            (None, Some(open)) => Some(open_migration(span, &open, why)),
            (None, None) => None,
        }
    }

    fn hazard(&self, hazard: &Hazard) -> Diagnostic {
        let span = hazard.origin.as_deref().map_or_else(|| self.anywhere(), |origin| self.origin_span(origin));
        let allow = format!("{}; or take it upon yourself: `cargo specql migrate allow {}`", hazard.help, hazard.id);
        match hazard.kind {
            HazardKind::Loss => data_loss(span, &hazard.message, &allow),
            HazardKind::Misfit => rows_may_not_fit(span, &hazard.message, &allow),
            HazardKind::Lock => long_lock(span, &hazard.message, &allow),
            HazardKind::Impossible => not_worked_out(span, &hazard.message, &hazard.help),
        }
    }

    /// Where the lock names a migration.
    fn lock_span(&self, entry: &Entry) -> Span {
        let Some((id, file)) = self.lock_file else { return self.anywhere() };
        let named = format!("\"version\":{},\"name\":\"{}\"", entry.version, entry.name);
        let Some(start) = file.text.find(&named) else { return line_span(id, file, 1) };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: id, start: offset(start), end: offset(start + named.len()) }
    }

    /// Where the first change of a step is written.
    fn first_place(&self, missing: &MissingStep) -> Span {
        missing.first_origin().map_or_else(|| self.anywhere(), |origin| self.origin_span(origin))
    }

    /// The place of `entities/order.yaml:12`.
    fn origin_span(&self, origin: &str) -> Span {
        let Some((path, line)) = origin.rsplit_once(':') else { return self.anywhere() };
        let file = self.sources.iter().find(|(_, file)| file.path == path);
        match (file, line.parse()) {
            (Some((id, file)), Ok(line)) => line_span(id, file, line),
            _ => self.anywhere(),
        }
    }

    /// Where nothing in the sources is to blame: the lock, or no place at all.
    fn anywhere(&self) -> Span {
        let file = self.lock_file.map_or(FileId(u32::MAX), |(id, _)| id);
        Span { file, start: 0, end: 0 }
    }
}

/// A migration that no build writes anew.
fn part(entry: &Entry, text: &str) -> MigrationPart {
    MigrationPart {
        version: entry.version,
        description: described(&entry.name),
        sql: text.to_owned(),
        open: entry.state == State::Open,
        by_hand: entry.by_hand,
        reverse: None,
        replaces: entry.replaces.iter().map(|one| (one.version, one.sha384.clone())).collect(),
    }
}

/// A migration's name as sqlx describes it.
fn described(name: &str) -> String {
    name.replace('_', " ")
}

/// What a side of a conflict is called, and the files that it added.
fn side(side: Side) -> (String, Vec<Added>) {
    let added = |(file, by_hand): (FileName, bool)| Added {
        by_hand: by_hand.then(|| file.name.clone()),
        file: file.to_string(),
    };
    (side.label, side.added.into_iter().map(added).collect())
}

/// A whole line (from 1), without the blanks around it.
fn line_span(id: FileId, file: &SourceFile, line: usize) -> Span {
    let mut start = 0;
    for (index, text) in file.text.split_inclusive('\n').enumerate() {
        if index + 1 == line {
            let from = start + (text.len() - text.trim_start().len());
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            return Span { file: id, start: offset(from), end: offset((start + text.trim_end().len()).max(from)) };
        }
        start += text.len();
    }
    Span { file: id, start: 0, end: 0 }
}

#[cfg(test)]
mod tests;
