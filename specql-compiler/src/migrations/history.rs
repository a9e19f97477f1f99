//! From what the migrations folder holds, and what the model asks for, to what the folder should hold.
//!
//! Pure: files come in with the sources and go out as [`Edit`]s, in the order in which they are safe to make: SQL first,
//! the lock last. A build that is interrupted between two of them is repaired by the next one.

use super::{
    Direction, FileName, Plan, diff,
    lock::{Entry, Lock},
    name, origins,
    plan::{Hazard, HazardKind},
    render::{GENERATED, render, render_first},
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0601_unreadable_lock::unreadable_lock, sq0602_edited_migration::edited_migration,
            sq0603_missing_migration::missing_migration, sq0604_unknown_migration::unknown_migration,
            sq0605_open_migration::open_migration, sq0606_outdated_migration::outdated_migration,
            sq0607_data_loss::data_loss, sq0608_rows_may_not_fit::rows_may_not_fit,
        },
    },
    rust::MigrationPart,
    source::{FileId, SourceFile, SourceKind, Sources, Span},
    sql::Schema,
};

/// Whether a build may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The open migration follows the model.
    Write,
    /// The folder must already hold what would be written, and nothing may be open. The text says why, and stands after
    /// "and": `CI is set`.
    Compare(String),
}

/// A change of the migrations folder. Paths are as in [`SourceFile::path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A file gets this text.
    Write {
        /// Which file.
        path: String,
        /// All of it.
        text: String,
    },
    /// A file goes.
    Remove {
        /// Which file.
        path: String,
    },
}

/// What the migrations folder should become.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// What to change, in this order. Empty when something is wrong.
    pub edits: Vec<Edit>,
    /// All migrations as they are after the edits.
    pub migrations: Vec<MigrationPart>,
}

/// The migrations folder among the sources.
struct Folder<'a> {
    sources: &'a Sources,
    /// `migrations`.
    path: &'a str,
    files: Vec<(FileId, FileName, &'a SourceFile)>,
    lock_file: Option<(FileId, &'a SourceFile)>,
    lock: Lock,
}

/// Works out what the migrations folder at `path` should become.
///
/// `schema` is what the model asks for; `None` where it has errors: then only what is sealed is checked.
#[must_use]
pub fn history(sources: &Sources, path: &str, schema: Option<&Schema>, mode: &Mode) -> History {
    let folder = match Folder::read(sources, path) {
        Ok(folder) => folder,
        Err(diagnostic) => return History { diagnostics: vec![*diagnostic], ..History::default() },
    };
    let mut history = History { migrations: folder.sealed_parts(), ..History::default() };
    folder.check_files(&mut history.diagnostics);
    let Some(schema) = schema.filter(|_| history.diagnostics.is_empty()) else { return history };

    let plan = diff(&folder.lock.snapshot, schema, Direction::Forward);
    history.diagnostics.extend(plan.hazards.iter().map(|hazard| folder.hazard(hazard)));
    if !history.diagnostics.is_empty() {
        return history;
    }
    let open = (!plan.is_empty()).then(|| folder.open(&plan, schema));
    let edits = folder.edits(open.as_ref());
    if let Some((file, text)) = open {
        let reverse = diff(schema, &folder.lock.snapshot, Direction::Reverse);
        history.migrations.push(MigrationPart { reverse: Some(render(&reverse)), ..part(&file, &text, true) });
    }
    match mode {
        Mode::Write => history.edits = edits,
        Mode::Compare(why) => history.diagnostics.extend(folder.compare(&plan, &history.migrations, &edits, why)),
    }
    history
}

/// The edits that seal the open migration, under `name` where one is given, and the file it is in then.
///
/// # Errors
/// A sentence for the person who wants to seal.
pub fn seal(
    sources: &Sources,
    path: &str,
    schema: &Schema,
    name: Option<&str>,
) -> Result<(FileName, Vec<Edit>), String> {
    let folder = Folder::read(sources, path).map_err(|diagnostic| diagnostic.message)?;
    let Some(open) = folder.lock.open() else {
        return Err("nothing is open: the migrations are up to date with the entities and sealed".to_owned());
    };
    let name = name.unwrap_or(&open.name);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(format!("`{name}` is no name for a migration: use lower-case letters, digits and `_`"));
    }
    let file = FileName { name: name.to_owned(), ..open.file_name() };
    let before = folder.path_of(&open.file_name());
    let Some(text) = folder.find(&open.file_name()).filter(|text| open.is(text)) else {
        return Err(format!("`{before}` is not what the last build wrote: build again, then seal"));
    };
    let mut edits = Vec::new();
    if file.name != open.name {
        edits.push(Edit::Write { path: folder.path_of(&file), text: text.to_owned() });
        edits.push(Edit::Remove { path: before });
    }
    edits.push(Edit::Write { path: folder.lock_path(), text: folder.lock.with_sealed(name, schema).to_text() });
    Ok((file, edits))
}

impl<'a> Folder<'a> {
    fn read(sources: &'a Sources, path: &'a str) -> Result<Self, Box<Diagnostic>> {
        let files = (sources.iter())
            .filter(|(_, file)| file.kind == SourceKind::Migration)
            .filter_map(|(id, file)| Some((id, FileName::parse(file.path.rsplit('/').next()?)?, file)))
            .collect();
        let lock_file = sources.iter().find(|(_, file)| file.kind == SourceKind::Lock);
        let lock = match lock_file {
            None => Lock::default(),
            Some((id, file)) => Lock::parse(&file.text)
                .map_err(|error| Box::new(unreadable_lock(line_span(id, file, error.line), &error.reason)))?,
        };
        Ok(Self { sources, path, files, lock_file, lock })
    }

    fn path_of(&self, file: &FileName) -> String {
        format!("{}/{file}", self.path)
    }

    fn lock_path(&self) -> String {
        self.lock_file.map_or_else(|| format!("{}/specql.lock", self.path), |(_, file)| file.path.clone())
    }

    fn find(&self, name: &FileName) -> Option<&'a str> {
        self.files.iter().find(|(_, file, _)| file == name).map(|(_, _, source)| source.text.as_str())
    }

    fn sealed_parts(&self) -> Vec<MigrationPart> {
        (self.lock.sealed())
            .filter_map(|entry| Some(part(&entry.file_name(), self.find(&entry.file_name())?, false)))
            .collect()
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
        for (id, name, file) in &self.files {
            let sealed = self.lock.sealed().any(|entry| entry.file_name() == *name);
            if !sealed && !self.is_open_file(name, &file.text) {
                diagnostics.push(unknown_migration(line_span(*id, file, 1), &file.path));
            }
        }
    }

    /// Whether a file is the open migration, or was it in a build that was interrupted: ours to replace.
    fn is_open_file(&self, name: &FileName, text: &str) -> bool {
        name.version == self.lock.next_version() && text.starts_with(GENERATED)
    }

    /// The open migration that carries out `plan`.
    fn open(&self, plan: &Plan, schema: &Schema) -> (FileName, String) {
        let version = self.lock.next_version();
        let first = self.lock.snapshot.objects.is_empty();
        let text = if first { render_first(plan, schema) } else { render(plan) };
        let file = FileName { version, name: name::derive(version, &plan.changes) };
        // A file that is right but for the places it names stays: in development, another text means that the
        // applied one is undone first, and a moved YAML line is no reason to lose rows.
        let written = self.find(&file).filter(|written| self.lock.open().is_some_and(|open| open.is(written)));
        match written {
            Some(written) if origins::same_apart(written, &text) => (file, written.to_owned()),
            _ => (file, text),
        }
    }

    /// What must change so that `open` is the open migration.
    fn edits(&self, open: Option<&(FileName, String)>) -> Vec<Edit> {
        let mut edits = Vec::new();
        if let Some((file, text)) = open
            && self.find(file) != Some(text)
        {
            edits.push(Edit::Write { path: self.path_of(file), text: text.clone() });
        }
        for (_, name, file) in &self.files {
            if self.is_open_file(name, &file.text) && open.is_none_or(|(open, _)| open != name) {
                edits.push(Edit::Remove { path: file.path.clone() });
            }
        }
        let lock = self.lock.with_open(open.map(|(file, text)| (file.name.as_str(), text.as_str())));
        if lock != self.lock || (self.lock_file.is_none() && open.is_some()) {
            edits.push(Edit::Write { path: self.lock_path(), text: lock.to_text() });
        }
        edits
    }

    /// What is wrong where nothing may be written.
    fn compare(&self, plan: &Plan, migrations: &[MigrationPart], edits: &[Edit], why: &str) -> Option<Diagnostic> {
        let open = migrations.iter().find(|migration| migration.open);
        let open = open
            .map(|migration| FileName { version: migration.version, name: migration.description.replace(' ', "_") });
        let span = plan.first_origin().map_or_else(|| self.anywhere(), |origin| self.origin_span(origin));
        match (edits.first(), open) {
            (Some(edit), open) => {
                let (Edit::Write { path, .. } | Edit::Remove { path }) = edit;
                let path = open.map_or_else(|| path.clone(), |open| self.path_of(&open));
                Some(outdated_migration(span, &path, why))
            }
            (None, Some(open)) => Some(open_migration(span, &self.path_of(&open), why)),
            (None, None) => None,
        }
    }

    fn hazard(&self, hazard: &Hazard) -> Diagnostic {
        let span = hazard.origin.as_deref().map_or_else(|| self.anywhere(), |origin| self.origin_span(origin));
        match hazard.kind {
            HazardKind::Loss => data_loss(span, &hazard.message, &hazard.help),
            HazardKind::Misfit => rows_may_not_fit(span, &hazard.message, &hazard.help),
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

fn part(file: &FileName, text: &str, open: bool) -> MigrationPart {
    let description = file.name.replace('_', " ");
    MigrationPart { version: file.version, description, sql: text.to_owned(), open, reverse: None }
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
