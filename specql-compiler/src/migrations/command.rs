//! What a person does to a history: seal the open step, allow it a hazard, squash what is sealed. Pure, like a build's part.

use super::{
    Edit, FileName,
    diff::breaking,
    history::Folder,
    lock::Entry,
    name,
    plan::{Hazard, HazardKind},
    render::{base_name, render_baseline},
};
use crate::{source::Sources, sql::Schema};

/// The edits that seal the open step, under `name` where one is given, and the files it is in then.
///
/// # Errors
/// A sentence for the person who wants to seal.
pub fn seal(
    sources: &Sources,
    path: &str,
    schema: &Schema,
    name: Option<&str>,
) -> Result<(Vec<FileName>, Vec<Edit>), String> {
    let folder = Folder::read(sources, path).map_err(|diagnostic| diagnostic.message)?;
    let open: Vec<&Entry> = folder.lock.open().collect();
    let is_own = |entry: &&Entry| name::is_own(base_name(&entry.name));
    // The files of SpecQL's own objects keep their names, unless there are no others.
    let Some(first) = open.iter().copied().find(|entry| !is_own(entry)).or(open.first().copied()) else {
        return Err("nothing is open: the migrations are up to date with the entities and sealed".to_owned());
    };
    let base = base_name(&first.name);
    let name = checked_name(name.unwrap_or(base))?;
    let (mut sealed, mut writes, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &open {
        let before = folder.path_of(&entry.file_name());
        let Some(text) = folder.find(&entry.file_name()).filter(|text| entry.is(text)) else {
            return Err(format!("`{before}` is not what the last build wrote: build again, then seal"));
        };
        let suffix = entry.name.strip_prefix(base).filter(|_| base_name(&entry.name) == base);
        let name = suffix.map_or_else(|| entry.name.clone(), |suffix| format!("{name}{suffix}"));
        let file = FileName { name, ..entry.file_name() };
        if file.name != entry.name {
            writes.push(Edit::Write { path: folder.path_of(&file), text: text.to_owned() });
            removals.push(Edit::Remove { path: before });
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
/// A sentence for the person who wants to allow it.
pub fn allow(sources: &Sources, path: &str, hazards: &[Hazard], ids: &[&str]) -> Result<Vec<Edit>, String> {
    let folder = Folder::read(sources, path).map_err(|diagnostic| diagnostic.message)?;
    let mut lock = folder.lock.clone();
    for id in ids {
        match hazards.iter().find(|hazard| hazard.id == *id) {
            Some(hazard) if hazard.kind == HazardKind::Impossible => {
                return Err(format!("`{id}` cannot be allowed: {}; {}", hazard.message, hazard.help));
            }
            Some(_) if lock.allowed.iter().any(|known| known == id) => {}
            Some(_) => lock.allowed.push((*id).to_owned()),
            None => {
                let known: Vec<&str> = hazards.iter().map(|hazard| hazard.id.as_str()).collect();
                let near = crate::diagnostics::suggest(id, known.iter().copied());
                return Err(match (near, known.as_slice()) {
                    (_, []) => format!("there is no hazard `{id}`: nothing stands against the open migration"),
                    (Some(near), _) => format!("there is no hazard `{id}`: did you mean `{near}`?"),
                    (None, known) => format!("there is no hazard `{id}`: there are {}", known.join(", ")),
                });
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
/// A sentence for the person who wants to squash.
pub fn squash(
    sources: &Sources,
    path: &str,
    schema: &Schema,
    name: Option<&str>,
) -> Result<(FileName, Vec<Edit>), String> {
    let folder = Folder::read(sources, path).map_err(|diagnostic| diagnostic.message)?;
    if let Some(open) = folder.lock.open().next() {
        return Err(format!("`{}` is open: seal it first", open.file_name()));
    }
    // The first step is SpecQL's own file and the model's.
    let first_step = |entries: &[Entry]| matches!(entries, [own, _] if name::is_own(&own.name));
    if folder.lock.migrations.len() < 2 || first_step(&folder.lock.migrations) {
        return Err("there is nothing to squash: one step makes the whole schema already".to_owned());
    }
    let name = checked_name(name.unwrap_or("baseline"))?;
    let last = folder.lock.migrations.last().map(|entry| entry.version);
    // Which of the replaced ones broke with older binaries, a database that begins with the baseline does not know. One that has
    // them all keeps its own record.
    let reason = || vec!["it begins with a baseline, made after what older binaries know".to_owned()];
    let broke = last.filter(|_| breaking::is_recorded(schema)).map(|version| breaking::record(version, &reason()));
    let text = render_baseline(schema, broke.as_slice());
    let lock = folder.lock.with_baseline(name, &text).ok_or("nothing is sealed")?;
    let file = lock.migrations.first().map(Entry::file_name).ok_or("nothing is sealed")?;
    let mut edits = vec![Edit::Write { path: folder.path_of(&file), text }];
    // The lock before the old files go: a squash that is interrupted leaves files that it names, or files too many.
    edits.push(Edit::Write { path: folder.lock_path(), text: lock.to_text() });
    let old = folder.files.iter().filter(|(_, name, _)| *name != file);
    edits.extend(old.map(|(_, _, source)| Edit::Remove { path: source.path.clone() }));
    Ok((file, edits))
}

/// What a migration may be called.
fn checked_name(name: &str) -> Result<&str, String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(format!("`{name}` is no name for a migration: use lower-case letters, digits and `_`"));
    }
    Ok(name)
}
