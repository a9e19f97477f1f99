//! The rows that are there before a callback's first step: the one in whose name the call was queued, and those that the job carries.

use std::collections::BTreeMap;

use super::{
    super::{
        entity::tenant_and,
        expr::row_variable,
        quote::{ident, literal, qualified},
        usage::Usage,
        writer::{Writer, filled},
    },
    callback::TENANT,
};
use crate::model::{Callback, Entity, Model, VarId};

/// The variable with the public ids that the job carries.
pub(super) const ROWS: &str = "_rows";

/// Which row of a table is meant.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// The one in whose name the call was queued.
    Originating,
    /// The one that the job carries under this name.
    Carried(&'a str),
}

impl Which<'_> {
    fn condition(self, entity: &Entity) -> String {
        match self {
            Self::Originating => format!("t.{} = _context.entity_pk", ident(&entity.pk())),
            Self::Carried(name) => format!("t.id = ({ROWS} ->> {})::uuid", literal(name)),
        }
    }
}

/// Reads and locks the rows. All callbacks lock in one order, by table and key, so that they do not wait for each other in a circle.
/// A deleted row is read all the same: the call did happen.
pub(super) fn read_rows(w: &mut Writer, model: &Model, callback: &Callback, usage: &Usage) {
    let mut tables: BTreeMap<(&str, &str), Vec<(Which<'_>, VarId)>> = BTreeMap::new();
    let carried = callback.carried.iter().map(|(name, row)| (Which::Carried(name), *row));
    for (which, row) in callback.row.map(|row| (Which::Originating, row)).into_iter().chain(carried) {
        let Some(var) = callback.vars.get(row.0) else { continue };
        let entity = model.entity(var.entity);
        tables.entry((&entity.schema, &entity.name)).or_default().push((which, row));
    }
    for rows in tables.values() {
        if rows.len() > 1 {
            lock_all(w, model, callback, rows);
        }
        for (which, row) in rows {
            read(w, model, callback, usage, *which, *row, rows.len() == 1);
        }
    }
}

/// Locks several rows of one table, in the order of their keys.
fn lock_all(w: &mut Writer, model: &Model, callback: &Callback, rows: &[(Which<'_>, VarId)]) {
    let Some(var) = rows.first().and_then(|(_, row)| callback.vars.get(row.0)) else { return };
    let entity = model.entity(var.entity);
    let conditions: Vec<String> = rows.iter().map(|(which, _)| which.condition(entity)).collect();
    w.line(format!(
        "-- The rows of {}, locked in the order of their keys until the end of the transaction.",
        entity.name
    ));
    w.line("PERFORM 1");
    w.line(format!("FROM {} AS t", qualified(&entity.schema, &entity.table())));
    w.line(format!("WHERE ({}){}", conditions.join(" OR "), tenant_and(entity, "t", TENANT)));
    w.line(format!("ORDER BY t.{}", ident(&entity.pk())));
    w.line("FOR NO KEY UPDATE;");
    w.blank();
}

fn read(w: &mut Writer, model: &Model, callback: &Callback, usage: &Usage, which: Which<'_>, row: VarId, locks: bool) {
    let Some(var) = callback.vars.get(row.0) else { return };
    let entity = model.entity(var.entity);
    let until = if locks { ", locked until the end of the transaction" } else { "" };
    w.line(match which {
        Which::Originating => format!("-- The {} as it is now{until}.", entity.name),
        Which::Carried(name) => {
            format!("-- `{name}`, the {} that the steps before the call had, as it is now{until}.", entity.name)
        }
    });
    if usage.reads(row) {
        w.line(filled("SELECT", &usage.fetched(entity, row, "t")));
        w.line(format!("INTO {}", row_variable(var)));
    } else {
        w.line("PERFORM 1");
    }
    w.line(format!("FROM {} AS t", qualified(&entity.schema, &entity.table())));
    let end = if locks { "" } else { ";" };
    w.line(format!("WHERE {}{}{end}", which.condition(entity), tenant_and(entity, "t", TENANT)));
    if locks {
        w.line("FOR NO KEY UPDATE;");
    }
    w.line("IF NOT FOUND THEN");
    w.open();
    match which {
        // The job shows that somebody must look at it.
        Which::Originating => w.line(
            "RAISE EXCEPTION USING ERRCODE = 'SQ001', MESSAGE = 'not_found', DETAIL = 'the row of this job is gone';",
        ),
        Which::Carried(name) => w.line(format!(
            "PERFORM jobs.note_absent_row(_job_run_id, {ROWS}, {}, {});",
            literal(name),
            literal(&entity.name)
        )),
    }
    w.close();
    w.line("END IF;");
    w.blank();
}
