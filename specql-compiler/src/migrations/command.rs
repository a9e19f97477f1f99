//! What a person does to a history: seal the open step, allow it a hazard, squash what is sealed. Pure, like a build's part.

use super::{
    FileName, Refusal,
    diff::breaking,
    history::Folder,
    lock::Entry,
    name,
    plan::{Hazard, HazardKind},
    render::{base_name, render_baseline},
};
use crate::{diagnostics::suggest, outputs::Edit, source::Sources, sql::Schema};

/// The edits that seal the open step, under `name` where one is given, and the files it is in then.
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

/// The edits that put one migration, which makes all of `schema`, in the place of all sealed ones.
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
    // The first step is SpecQL's own file and the model's.
    let first_step = |entries: &[Entry]| matches!(entries, [own, _] if name::is_own(&own.name));
    if folder.lock.migrations.len() < 2 || first_step(&folder.lock.migrations) {
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
    let file = lock.migrations.first().map(Entry::file_name).ok_or(Refusal::NothingToSquash)?;
    let mut edits = vec![Edit::Write { path: folder.path_of(&file), text }];
    // The lock before the old files go: a squash that is interrupted leaves files that it names, or files too many.
    edits.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    let old = folder.files.iter().filter(|(_, name, _)| *name != file);
    edits.extend(old.map(|(_, _, source)| Edit::Remove { path: source.path.clone() }));
    Ok((file, edits))
}

fn read<'a>(sources: &'a Sources, path: &'a str) -> Result<Folder<'a>, Refusal> {
    Folder::read(sources, path).map_err(|diagnostic| Refusal::UnreadableLock { reason: diagnostic.message })
}

/// What a migration may be called.
fn checked_name(name: &str) -> Result<&str, Refusal> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(Refusal::BadName { name: name.to_owned() });
    }
    Ok(name)
}
