//! The step that is missing: SpecQL's own objects first, in files of their own, then what the model asks for. So an upgrade
//! of SpecQL never mixes with a change of the model, and the model's files are short enough to be read.

use std::collections::BTreeSet;

use super::{
    Direction, FileName,
    diff::{breaking, diff, key},
    name,
    plan::{Hazard, Plan},
    render::{File, files, render_first},
};
use crate::sql::{Object, ObjectKind, Schema};

/// What takes a database from one schema to another, in its two parts.
#[derive(Clone, Debug, Default)]
pub struct MissingStep {
    /// SpecQL's own objects.
    own: Plan,
    /// The model's.
    model: Plan,
}

impl MissingStep {
    /// The step from `old` to `new`.
    #[must_use]
    pub fn between(old: &Schema, new: &Schema) -> Self {
        let middle = with_own_objects(old, new);
        Self { own: diff(old, &middle, Direction::Forward), model: diff(&middle, new, Direction::Forward) }
    }

    /// Why it must not be carried out as it is.
    pub fn hazards(&self) -> impl Iterator<Item = &Hazard> {
        self.own.hazards.iter().chain(&self.model.hazards)
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.model.is_empty()
    }

    /// Where the first change is written, for messages about the step as a whole.
    #[must_use]
    pub fn first_origin(&self) -> Option<&str> {
        self.model.first_origin().or_else(|| self.own.first_origin())
    }

    /// Its files, from that version on, after a database of schema `old`. `allowed` are the hazards that somebody took upon
    /// themselves.
    #[must_use]
    pub fn files(&self, version: i64, old: &Schema, new: &Schema, allowed: &[String]) -> Vec<(FileName, String)> {
        let first = old.objects.is_empty();
        let (mut own, mut model) = (self.own.clone(), self.model.clone());
        if !first && breaking::is_recorded(new) {
            // An older binary must not run between the two parts either.
            let reasons = [own.breaking.as_slice(), model.breaking.as_slice()].concat();
            let part = if own.steps.is_empty() { &mut model } else { &mut own };
            part.steps.extend((!reasons.is_empty()).then(|| breaking::record(version, &reasons)));
        }
        let written = |plan: &Plan, objects: &dyn Fn() -> Vec<Object>| {
            if plan.steps.is_empty() {
                return Vec::new();
            }
            if first {
                return vec![File { suffix: String::new(), text: render_first(plan, &objects()) }];
            }
            let of_plan = |id: &&String| plan.hazards.iter().any(|hazard| hazard.id == **id);
            files(plan, &allowed.iter().filter(of_plan).cloned().collect::<Vec<_>>())
        };
        let own_name = name::of_own(first, &own.changes);
        let own = written(&own, &|| new.own_objects().to_vec());
        let model_name = name::derive(first, &model.changes);
        let model = written(&model, &|| model_objects(new));
        let named =
            own.into_iter().map(|file| (&own_name, file)).chain(model.into_iter().map(|file| (&model_name, file)));
        (version..)
            .zip(named)
            .map(|(version, (base, File { suffix, text }))| {
                (FileName { version, name: format!("{base}{suffix}") }, text)
            })
            .collect()
    }
}

/// `old` with SpecQL's own objects as they are in `new`. What SpecQL no longer has goes with them, unless the whole queue
/// goes: then the model's objects go before it.
fn with_own_objects(old: &Schema, new: &Schema) -> Schema {
    let own: BTreeSet<_> = new.own_objects().iter().map(key).collect();
    let keeps_queue = own.contains(&(ObjectKind::Schema, "jobs"));
    let is_gone = |object: &Object| keeps_queue && object.is_in_schema("jobs");
    let kept = old.objects.iter().filter(|object| !own.contains(&key(object)) && !is_gone(object));
    Schema {
        objects: new.own_objects().iter().chain(kept).cloned().collect(),
        retired: old.retired.clone(),
        places: new.places.clone(),
        backfills: new.backfills.clone(),
        own: new.own,
        ..Schema::default()
    }
}

/// The model's objects, and the grants of SpecQL's own that cover them, which must be given again.
fn model_objects(schema: &Schema) -> Vec<Object> {
    let model = &schema.objects[schema.own..];
    let names: Vec<&str> = model.iter().map(|object| &*object.name).collect();
    let covering = schema.own_objects().iter().filter(|object| super::diff::covers(object, &names));
    model.iter().chain(covering).cloned().collect()
}
