//! Cutting a project down while something stays true of it.

use serde_json::Value;

use crate::project::Project;

/// Where lists stand whose elements can be left out.
const LISTS: [&str; 7] = ["actions", "steps", "then", "else", "do", "on_success", "on_failure"];

/// Every project that is this one without one entity, action, step, field or assignment; large cuts first.
pub(crate) fn smaller(project: &Project) -> Vec<Project> {
    let mut found = Vec::new();
    for index in (0..project.entities.len()).rev() {
        let mut cut = project.clone();
        cut.entities.remove(index);
        if !cut.entities.is_empty() {
            found.push(cut);
        }
    }
    for (index, entity) in project.entities.iter().enumerate() {
        for smaller in cuts(entity) {
            let mut cut = project.clone();
            cut.entities[index] = smaller;
            found.push(cut);
        }
    }
    found
}

fn cuts(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let Value::Object(members) = value else { return found };
    for (key, member) in members {
        if LISTS.contains(&key.as_str()) {
            let Value::Array(items) = member else { continue };
            for index in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(index);
                found.push(with(value, key, fewer.into()));
            }
            for (index, item) in items.iter().enumerate() {
                for smaller in cuts(item) {
                    let mut changed = items.clone();
                    changed[index] = smaller;
                    found.push(with(value, key, changed.into()));
                }
            }
        } else if let Value::Object(inner) = member {
            for name in inner.keys() {
                let mut fewer = inner.clone();
                fewer.remove(name);
                found.push(with(value, key, fewer.into()));
            }
            found.extend(cuts(member).into_iter().map(|smaller| with(value, key, smaller)));
        }
    }
    found
}

fn with(value: &Value, key: &str, member: Value) -> Value {
    let mut changed = value.clone();
    changed[key] = member;
    changed
}

/// The smallest project that can be had by cutting of which `still` is true, after so many tries.
pub(crate) fn shrink(project: &Project, tries: usize, mut still: impl FnMut(&Project) -> bool) -> Project {
    let mut smallest = project.clone();
    let mut left = tries;
    'again: loop {
        for candidate in smaller(&smallest) {
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if still(&candidate) {
                smallest = candidate;
                continue 'again;
            }
        }
        return smallest;
    }
}
