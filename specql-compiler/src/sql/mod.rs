//! The model as database objects. The only place with SQL text, apart from the runtime's query module.
//!
//! | module | holds |
//! |---|---|
//! | [`object`], [`facts`], [`rule`] | what is emitted, and what migrations compare |
//! | `read` | objects that come in as SQL: static files, and snapshots of earlier versions |
//! | [`quote`] | the only maker of identifiers, literals, dollar quotes and comments |
//! | `foundation` | the static schemas `app` and `jobs`, from `app/*.sql` and `jobs/*.sql` |
//! | `types`, `input` | types of the language in SQL, and how JSON is read into them |
//! | `entity`, `table`, `view`, `helper` | what an entity becomes |
//! | [`function`] | functions whose bodies the user writes |
//! | `tenancy` | who may see which row |
//! | [`roles`] | the roles that are not the owner, and what each may do |
//! | `action` | what an action becomes: input type, wrapper, core, callbacks |
//! | `schedule` | what a schedule becomes |
//! | `expr`, `usage` | expressions printed, and what they read |
//! | `statements`, `writer`, [`render`] | text |

mod action;
mod entity;
mod expr;
pub mod facts;
mod foundation;
pub mod function;
mod helper;
mod input;
mod keywords;
pub mod object;
pub mod quote;
pub mod read;
pub mod render;
pub mod roles;
pub mod rule;
mod schedule;
mod shape;
mod statements;
mod table;
mod tenancy;
mod types;
mod usage;
mod view;
mod writer;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use facts::Facts;
pub use object::{Definition, Object, ObjectKind, Rename, Schema};
pub(crate) use types::basic_type;
pub use types::scalar_base_type;

use crate::model::Model;

/// A query for what a database holds: rows of `object` and `definition`, both text, by which two databases can be compared.
pub const CATALOG: &str = include_str!("catalog.sql");

/// All database objects of a project, in an order in which they can be created.
#[must_use]
pub fn schema(model: &Model) -> Schema {
    let mut objects = roles::roles(model);
    objects.extend(foundation::app());
    if model.uses_jobs {
        objects.extend(foundation::jobs());
    }
    objects.extend(roles::grants_of_own(model));
    let own = objects.len();
    objects.extend(model.composites().into_iter().map(shape::function));
    objects.extend(entity_schemas(model));
    objects.extend(model.entities.iter().flat_map(function::functions));
    let actions = || model.entities.iter().flat_map(|entity| entity.actions.iter().map(move |action| (entity, action)));

    objects.extend(actions().map(|(_, action)| action::input_type(action)));
    objects.extend(model.entities.iter().map(|entity| table::table(model, entity)));
    objects.extend(model.entities.iter().flat_map(|entity| table::foreign_keys(model, entity)));
    objects.extend(model.entities.iter().flat_map(table::indexes));
    objects.extend(model.entities.iter().flat_map(tenancy::policies));
    objects.extend(model.entities.iter().map(|entity| view::view(model, entity)));
    objects.extend(model.entities.iter().flat_map(helper::helpers));
    for (entity, action) in actions() {
        objects.push(action::wrapper(model, entity, action));
        objects.push(action::core(model, entity, action));
        for (call, it) in action::callbacks(&action.steps) {
            objects.push(action::callback(model, call, it));
            objects.extend(action::callback_batch(model, call, it));
        }
    }
    objects.extend(roles::grants_of_model(model));
    for (entity, action) in actions() {
        let callbacks = action::callbacks(&action.steps);
        objects.extend(callbacks.iter().map(|(call, it)| action::registration(entity, call, it)));
    }
    objects.extend(model.schedules.iter().map(|it| schedule::registration(model, it)));
    let mut renames: Vec<Rename> = model.entities.iter().flat_map(table::renames).collect();
    renames.extend(model.schedules.iter().filter_map(|it| schedule::rename(model, it)));
    let places = model.entities.iter().flat_map(table::places).collect();
    let backfills = model.entities.iter().flat_map(|entity| table::backfills(model, entity)).collect();
    Schema { objects, renames, places, backfills, own, ..Schema::default() }
}

/// The schemas that entities and functions with a body name, each at the first of them. `public` is there in every database.
fn entity_schemas(model: &Model) -> Vec<Object> {
    let mut out: Vec<Object> = Vec::new();
    let named = model.entities.iter().flat_map(|entity| {
        let functions = entity.functions.iter().filter(|function| function.body.is_some());
        let of_functions = functions.map(|function| (&function.schema, &function.origin));
        std::iter::once((&entity.schema, &entity.origin)).chain(of_functions)
    });
    for (schema, origin) in named.filter(|(schema, _)| *schema != "public") {
        let name = quote::ident(schema);
        if out.iter().all(|known| known.name != name) {
            let mut create = vec![format!("CREATE SCHEMA IF NOT EXISTS {name}")];
            let description = model.schemas.get(schema);
            create.extend(description.map(|text| format!("COMMENT ON SCHEMA {name} IS {}", quote::literal(text))));
            let facts = Facts::Schema { described: description.is_some() };
            out.push(Object::made_by(ObjectKind::Schema, name, create).from(origin).known_as(facts));
        }
    }
    out
}
