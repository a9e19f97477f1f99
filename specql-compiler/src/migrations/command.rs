//! What a person does to a history: begin a step of their own SQL, seal the open one, allow it a hazard, squash what is sealed. Pure, like
//! a build's part.

use super::{
    FileName, Refusal,
    diff::breaking,
    history::Folder,
    lock::Entry,
    name,
    plan::{Hazard, HazardKind},
    render::{NO_TRANSACTION, base_name, is_generated, render_baseline},
};
use crate::{diagnostics::suggest, outputs::Edit, source::Sources, sql::Schema};

/// The edits that begin a step which somebody writes by hand, and its file. A file of that name that is there already is taken as it is.
///
/// # Errors
/// Where another step is open, or the name is none.
pub fn begin_by_hand(sources: &Sources, path: &str, name: &str) -> Result<(FileName, Vec<Edit>), Refusal> {
    let folder = read(sources, path)?;
    let name = checked_name(name)?;
    let is_taken_back = folder.lock.open_by_hand().is_some() && folder.open_by_hand().is_none();
    if let Some(open) = folder.lock.open().next().filter(|_| !is_taken_back) {
        return Err(Refusal::StepIsOpen { file: open.file_name() });
    }
    let file = FileName { version: folder.lock.next_version(), name: name.to_owned() };
    let others = folder.files.iter().filter(|(_, other, _)| *other != file && other.version == file.version);
    if let Some((_, _, other)) = others.clone().next() {
        return Err(Refusal::NumberIsTaken { path: other.path.clone() });
    }
    let there = folder.find(&file);
    // That of a build belongs to a lock, which has been lost or is an older one.
    if there.is_some_and(is_generated) {
        return Err(Refusal::NumberIsTaken { path: folder.path_of(&file) });
    }
    let text = there.map_or_else(|| empty_by_hand(name), str::to_owned);
    let lock = folder.lock.with_open_by_hand(name, &text);
    let mut edits = Vec::new();
    if there.is_none() {
        edits.push(Edit::Write { path: folder.path_of(&file), text });
    }
    edits.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    Ok((file, edits))
}

/// What a step that is written by hand begins with.
fn empty_by_hand(name: &str) -> String {
    format!(
        "-- {name}: SQL of your own. Write it below these lines, which you may remove. `specql migrate seal` seals it, and only then\n\
         -- is it applied. It runs in one transaction, unless the file's first line is `-- no-transaction`: then it must be one\n\
         -- statement, such as that of an index that is built concurrently.\n"
    )
}

/// The edits that seal the open step, under `name` where one is given, and its file, where somebody has written it by hand. `None`: no
/// such step is open.
///
/// # Errors
/// Where nothing is written in it, or the name is none.
pub fn seal_by_hand(
    sources: &Sources,
    path: &str,
    name: Option<&str>,
) -> Result<Option<(FileName, Vec<Edit>)>, Refusal> {
    let folder = read(sources, path)?;
    let Some((entry, text)) = folder.open_by_hand() else { return Ok(None) };
    let name = checked_name(name.unwrap_or(&entry.name))?;
    let path = folder.path_of(&entry.file_name());
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with("--");
    if text.lines().all(is_comment) {
        return Err(Refusal::NothingWritten { path });
    }
    if text.starts_with('\u{feff}') {
        return Err(Refusal::ByteOrderMark { path });
    }
    if text.lines().skip(1).any(|line| line.trim() == NO_TRANSACTION.trim_end()) {
        return Err(Refusal::NoTransactionTooLate { path });
    }
    let file = FileName { name: name.to_owned(), ..entry.file_name() };
    // Written in any case: an editor may have written other line ends, and sqlx hashes what is there.
    let mut edits = vec![Edit::Write { path: folder.path_of(&file), text: text.to_owned() }];
    if file != entry.file_name() {
        edits.push(Edit::Remove { path });
    }
    let lock = folder.lock.with_sealed_by_hand(name, text);
    edits.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    Ok(Some((file, edits)))
}

/// The edits that seal the open step of a build, under `name` where one is given, and the files it is in then.
///
/// # Errors
/// Where nothing is open, the open files are not what the last build wrote, or the name is none.
pub fn seal(
    sources: &Sources,
    path: &str,
    schema: &Schema,
    name: Option<&str>,
) -> Result<(Vec<FileName>, Vec<Edit>), Refusal> {
    let folder = read(sources, path)?;
    let open: Vec<&Entry> = folder.lock.open().collect();
    let is_own = |entry: &&Entry| name::is_own(base_name(&entry.name));
    // The files of SpecQL's own objects keep their names, unless there are no others.
    let Some(first) = open.iter().copied().find(|entry| !is_own(entry)).or(open.first().copied()) else {
        return Err(Refusal::NothingOpen);
    };
    let base = base_name(&first.name);
    let name = checked_name(name.unwrap_or(base))?;
    let (mut sealed, mut writes, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &open {
        let path = folder.path_of(&entry.file_name());
        let Some(text) = folder.find(&entry.file_name()).filter(|text| entry.is(text)) else {
            return Err(Refusal::NotAsBuilt { path });
        };
        let suffix = entry.name.strip_prefix(base).filter(|_| base_name(&entry.name) == base);
        let name = suffix.map_or_else(|| entry.name.clone(), |suffix| format!("{name}{suffix}"));
        let file = FileName { name, ..entry.file_name() };
        if file.name != entry.name {
            writes.push(Edit::Write { path: folder.path_of(&file), text: text.to_owned() });
            removals.push(Edit::Remove { path });
        }
        sealed.push(file);
    }
    let names: Vec<String> = sealed.iter().map(|file| file.name.clone()).collect();
    let lock = folder.lock.with_sealed(&names, schema);
    // Until the lock says so nothing is sealed: a build after an interruption puts the open files back.
    writes.extend(removals);
    writes.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    Ok((sealed, writes))
}

/// The edits that let the open step do what these hazards are about.
///
/// # Errors
/// Where there is no such hazard, or nobody can allow it.
pub fn allow(sources: &Sources, path: &str, hazards: &[Hazard], ids: &[&str]) -> Result<Vec<Edit>, Refusal> {
    let folder = read(sources, path)?;
    let mut lock = folder.lock.clone();
    for id in ids {
        match hazards.iter().find(|hazard| hazard.id == *id) {
            Some(hazard) if hazard.kind == HazardKind::Impossible => {
                let Hazard { id, message, help, .. } = hazard.clone();
                return Err(Refusal::CannotBeAllowed { id, message, help });
            }
            Some(_) if lock.allowed.iter().any(|known| known == id) => {}
            Some(_) => lock.allowed.push((*id).to_owned()),
            None => {
                let known: Vec<String> = hazards.iter().map(|hazard| hazard.id.clone()).collect();
                let near = suggest(id, known.iter().map(String::as_str)).map(str::to_owned);
                return Err(Refusal::UnknownHazard { id: (*id).to_owned(), near, known });
            }
        }
    }
    if lock == folder.lock {
        return Ok(Vec::new());
    }
    lock.allowed.sort();
    Ok(vec![Edit::Write { path: folder.lock_path(), text: lock.to_text() }])
}

/// The edits that put one migration, which makes all of `schema`, in the place of all sealed ones that a build wrote.
///
/// # Errors
/// Where a step is open, there is nothing to squash, or the name is none.
pub fn squash(
    sources: &Sources,
    path: &str,
    schema: &Schema,
    name: Option<&str>,
) -> Result<(FileName, Vec<Edit>), Refusal> {
    let folder = read(sources, path)?;
    if let Some(open) = folder.lock.open().next() {
        return Err(Refusal::StillOpen { file: open.file_name() });
    }
    let written: Vec<&Entry> = folder.lock.migrations.iter().filter(|entry| !entry.by_hand).collect();
    // The first step is SpecQL's own file and the model's.
    let is_first_step = matches!(written[..], [own, _] if name::is_own(&own.name));
    if written.len() < 2 || is_first_step {
        return Err(Refusal::NothingToSquash);
    }
    let name = checked_name(name.unwrap_or("baseline"))?;
    let last = folder.lock.migrations.last().map(|entry| entry.version);
    // Which of the replaced ones broke with older binaries, a database that begins with the baseline does not know. One that has
    // them all keeps its own record.
    let reason = || vec!["it begins with a baseline, made after what older binaries know".to_owned()];
    let broke = last.filter(|_| breaking::is_recorded(schema)).map(|version| breaking::record(version, &reason()));
    let text = render_baseline(schema, broke.as_slice());
    let lock = folder.lock.with_baseline(name, &text).ok_or(Refusal::NothingToSquash)?;
    let baseline = lock.migrations.iter().find(|entry| !entry.by_hand);
    let file = baseline.map(Entry::file_name).ok_or(Refusal::NothingToSquash)?;
    let mut edits = vec![Edit::Write { path: folder.path_of(&file), text }];
    for entry in lock.migrations.iter().filter(|entry| entry.by_hand) {
        let old = entry.replaces.first().map_or(entry.version, |old| old.version);
        let old = folder.find(&FileName { version: old, ..entry.file_name() }).filter(|text| entry.is(text));
        let path = folder.path_of(&entry.file_name());
        let Some(text) = old else { return Err(Refusal::NotAsBuilt { path }) };
        if !entry.replaces.is_empty() {
            edits.push(Edit::Write { path, text: text.to_owned() });
        }
    }
    // The lock before the old files go: a squash that is interrupted leaves files that it names, or files too many.
    edits.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    let stays = |name: &FileName| lock.migrations.iter().any(|entry| entry.file_name() == *name);
    let old = folder.files.iter().filter(|(_, name, _)| !stays(name));
    edits.extend(old.map(|(_, _, source)| Edit::Remove { path: source.path.clone() }));
    Ok((file, edits))
}

fn read<'a>(sources: &'a Sources, path: &'a str) -> Result<Folder<'a>, Refusal> {
    Folder::read(sources, path).map_err(|diagnostic| Refusal::UnreadableLock { reason: diagnostic.message })
}

/// What a migration may be called.
pub(super) fn checked_name(name: &str) -> Result<&str, Refusal> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(Refusal::BadName { name: name.to_owned() });
    }
    Ok(name)
}
