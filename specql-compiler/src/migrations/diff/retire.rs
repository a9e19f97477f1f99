//! Callbacks that the model no longer has. Jobs that are queued already may name them, so their functions stay.

use super::{key, rename::Renames};
use crate::{
    migrations::plan::{Direction, Hazard, HazardKind, Plan, Step},
    sql::{Definition, Object, ObjectKind, Schema, facts::Facts, object::split_name},
};

/// What stays in the database, though neither schema's model has it: the functions that were retired before, under their new
/// names, those that the step from `old` to `new` retires, and before them the schemas that hold them and nothing else.
#[must_use]
pub fn retired(old: &Schema, new: &Schema) -> Vec<Object> {
    if !has_queue(new) {
        return Vec::new();
    }
    let renames = Renames::between(old, new, Direction::Forward);
    let gone = |object: &&Object| new.objects.iter().all(|other| key(other) != key(object));
    let now = old.objects.iter().filter(gone).filter(|object| retires(object, old, new));
    let before = old.retired.iter().filter(gone).filter(|object| object.kind == ObjectKind::Function);
    let functions: Vec<Object> =
        before.chain(now).map(|object| renamed(object, &renames, old).unwrap_or_else(|_| object.clone())).collect();
    let schemas = old.retired.iter().chain(&old.objects).filter(|object| object.kind == ObjectKind::Schema);
    let holds_one = |schema: &&Object| functions.iter().any(|function| is_in(function, &schema.name));
    let kept: Vec<Object> = schemas.filter(gone).filter(holds_one).cloned().collect();
    kept.into_iter().chain(functions).collect()
}

/// Whether a function is in that schema.
pub(super) fn is_in(function: &Object, schema: &str) -> bool {
    split_name(function.base_name()).is_some_and(|(of, _)| of == schema)
}

fn has_queue(schema: &Schema) -> bool {
    schema.objects.iter().any(|object| key(object) == super::CALLBACKS)
}

/// Puts back, on the way back to `new`, what it had retired: as it was there, where `old` has made it a callback again; all of
/// it, where `old` has no queue and had let go of it.
pub(super) fn restore(old: &Schema, new: &Schema, plan: &mut Plan) {
    for object in &new.retired {
        let put_back = match old.objects.iter().find(|there| key(there) == key(object)) {
            Some(there) => object.kind == ObjectKind::Function && !super::same(there, object),
            None => !has_queue(old),
        };
        if put_back {
            plan.steps.push(Step { statements: object.create(), ..Step::default() });
        }
    }
}

/// Whether the function is that of a callback which is registered in the old schema and not in the new one, and there is still
/// a queue that may call it.
pub(super) fn retires(object: &Object, old: &Schema, new: &Schema) -> bool {
    object.kind == ObjectKind::Function
        && has_queue(new)
        && registrations(object, old).any(|data| new.objects.iter().all(|other| key(other) != key(data)))
}

/// Whether the function is a callback's.
pub(super) fn is_callback(object: &Object, schema: &Schema) -> bool {
    registrations(object, schema).next().is_some()
}

/// The registrations that name a function as the one to call.
fn registrations<'a>(object: &Object, schema: &'a Schema) -> impl Iterator<Item = &'a Object> {
    let name = object.base_name();
    schema.objects.iter().filter(move |data| match data.facts() {
        Facts::Callback { function } => function == name,
        _ => false,
    })
}

/// Makes retired functions follow renamed tables and columns: PostgreSQL keeps their bodies as text.
pub(super) fn follow(renames: &Renames, old: &Schema, new: &Schema, direction: Direction, plan: &mut Plan) {
    if renames.is_empty() {
        return;
    }
    // On the way back it is the other schema that knows them.
    let functions: Vec<&Object> = match direction {
        Direction::Forward => {
            let gone = |object: &&Object| new.objects.iter().all(|other| key(other) != key(object));
            let now = old.objects.iter().filter(gone).filter(|object| retires(object, old, new));
            old.retired.iter().filter(gone).chain(now).collect()
        }
        Direction::Reverse => new.retired.iter().collect(),
    };
    for object in functions.into_iter().filter(|object| object.kind == ObjectKind::Function) {
        let (text, refused) = match (direction, renamed(object, renames, old)) {
            (Direction::Reverse, _) => (object.clone(), None),
            (Direction::Forward, Ok(renamed)) => (renamed, None),
            (Direction::Forward, Err(reason)) => (object.clone(), Some(reason)),
        };
        if let Some(reason) = refused {
            plan.hazards.push(Hazard {
                id: Hazard::id("retired_callback", object.base_name()),
                kind: HazardKind::Misfit,
                message: format!("jobs that are queued already may call `{}`, which names {reason}", object.name),
                help: "seal the rename when no job names it any more (jobs.v_job_run), or allow it: such a job's callback then fails and can be repeated".to_owned(),
                origin: None,
            });
        } else if direction == Direction::Reverse || text.definition != object.definition {
            let note = (direction == Direction::Forward)
                .then(|| format!("`{}` is retired and goes on under the new names", object.name));
            plan.steps.push(Step { note, statements: text.create(), ..Step::default() });
        }
    }
}

fn renamed(object: &Object, renames: &Renames, old: &Schema) -> Result<Object, String> {
    let mut renamed = object.clone();
    if let Definition::Statements { create, .. } = &mut renamed.definition {
        for text in create {
            *text = renames.rewrite(text, old)?;
        }
    }
    Ok(renamed)
}
