//! Names a migration after what it changes.

use std::collections::BTreeSet;

use super::plan::Change;
use crate::sql::ObjectKind;

/// How the files of SpecQL's own objects begin.
const OWN: &str = "specql";

/// Longest derived name, so that file names stay readable in a listing.
const LONGEST: usize = 60;

/// What the files of SpecQL's own objects are called: `specql` for the first, `specql_jobs` for the queue that comes later,
/// and for an upgrade the version that it was made with: `specql_0_2`.
#[must_use]
pub fn of_own(first: bool, changes: &[Change]) -> String {
    let queue = changes.iter().any(|change| matches!(change, Change::Add(ObjectKind::Schema, name) if name == "jobs"));
    match (first, queue) {
        (true, _) => OWN.to_owned(),
        (false, true) => format!("{OWN}_jobs"),
        (false, false) => format!("{OWN}_{}_{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR")),
    }
}

/// Whether a step's name, without what stands behind it in a file's, is one of [`of_own`].
#[must_use]
pub fn is_own(name: &str) -> bool {
    let numbers = |rest: &str| {
        rest.split_once('_').is_some_and(|(major, minor)| [major, minor].iter().all(|part| part.parse::<u32>().is_ok()))
    };
    match name.strip_prefix(OWN) {
        Some("" | "_jobs") => true,
        Some(rest) => rest.strip_prefix('_').is_some_and(numbers),
        None => false,
    }
}

/// `order_add_discount`, `add_customer`, `change_place_order`; `init` for the first.
#[must_use]
pub fn derive(first: bool, changes: &[Change]) -> String {
    if first {
        return "init".to_owned();
    }
    let parts = parts(changes);
    let mut name = String::new();
    for part in &parts {
        let separator = if name.is_empty() { "" } else { "_and_" };
        if name.len() + separator.len() + part.len() > LONGEST - "_and_more".len() && !name.is_empty() {
            name.push_str("_and_more");
            break;
        }
        name.push_str(separator);
        name.push_str(part);
    }
    let name = if name.is_empty() { "change".to_owned() } else { name };
    name.chars().take(LONGEST).collect()
}

/// What is worth a mention: the queue as a whole, renames, dropped and new tables, then new columns by table, and only where
/// there is none of them, code.
fn parts(changes: &[Change]) -> Vec<String> {
    let (own, changes): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| is_specql_s_own(change));
    // It comes in files of its own, and goes with what is left of the model's.
    let drops_queue = own.iter().any(|change| matches!(change, Change::Remove(ObjectKind::Schema, _)));
    let mut parts: Vec<String> = drops_queue.then(|| "drop_jobs".to_owned()).into_iter().collect();
    parts.extend(changes.iter().copied().filter_map(renamed));
    parts.extend(changes.iter().copied().filter_map(dropped_table).map(|table| format!("drop_{table}")));
    parts.extend(changes.iter().copied().filter_map(new_table).map(|table| format!("add_{table}")));
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for change in &changes {
        let Change::AddColumn { table, column } = change else { continue };
        let (table, column) = (plain(table), plain(column));
        match tables.iter_mut().find(|(name, _)| *name == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table, vec![column])),
        }
    }
    parts.extend(tables.into_iter().map(|(table, columns)| format!("{table}_add_{}", columns.join("_"))));
    for (verb, altered) in [("alter", true), ("change", false)] {
        if parts.is_empty() {
            parts = others(&changes, verb, altered);
        }
    }
    if parts.is_empty() && !own.is_empty() {
        parts.push("upgrade_specql".to_owned());
    }
    parts
}

/// Whether a change is one of SpecQL's own objects, which nobody writes entities for.
fn is_specql_s_own(change: &Change) -> bool {
    match change {
        Change::Add(ObjectKind::Role | ObjectKind::Grant, _)
        | Change::Alter(ObjectKind::Role | ObjectKind::Grant, _)
        | Change::Remove(ObjectKind::Role | ObjectKind::Grant, _) => true,
        Change::Add(_, name) | Change::Alter(_, name) | Change::Remove(_, name) => {
            let is_own = |prefix: &str| name.starts_with(prefix) || name.contains(&format!(" ON {prefix}"));
            name == "jobs" || is_own("jobs.") || is_own("app.tb_")
        }
        Change::AddColumn { table, .. } => table.starts_with("jobs.") || table.starts_with("app."),
        Change::Rename { .. } => false,
    }
}

/// `rename_order_to_purchase`, `rename_total_to_sum`, `move_order_to_crm`.
fn renamed(change: &Change) -> Option<String> {
    let Change::Rename { from, to } = change else { return None };
    let (old, new) = (plain(from), plain(to));
    if old == new {
        let schema = to.split('.').next().map(plain).unwrap_or_default();
        return Some(format!("move_{new}_to_{schema}"));
    }
    Some(format!("rename_{old}_to_{new}"))
}

fn new_table(change: &Change) -> Option<String> {
    match change {
        Change::Add(ObjectKind::Table, name) => Some(plain(name)),
        _ => None,
    }
}

fn dropped_table(change: &Change) -> Option<String> {
    match change {
        Change::Remove(ObjectKind::Table, name) => Some(plain(name)),
        _ => None,
    }
}

/// Altered tables, or else whatever there is, each name once.
fn others(changes: &[&Change], verb: &str, tables: bool) -> Vec<String> {
    let names: BTreeSet<String> = (changes.iter())
        .filter_map(|change| match change {
            Change::Add(kind, name) | Change::Alter(kind, name) | Change::Remove(kind, name) => Some((kind, name)),
            Change::AddColumn { .. } | Change::Rename { .. } => None,
        })
        .filter(|(kind, _)| (**kind == ObjectKind::Table) == tables)
        .map(|(_, name)| plain(name))
        .collect();
    names.into_iter().map(|name| format!("{verb}_{name}")).collect()
}

/// `order` of `sales.tb_order`, `place_order` of `app.place_order(uuid, uuid, jsonb)`.
fn plain(name: &str) -> String {
    let name = name.split(['(', ' ']).next().unwrap_or(name);
    let name = name.rsplit('.').next().unwrap_or(name);
    let name: String = name.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    ["tb_", "v_", "type_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(table: &str, column: &str) -> Change {
        Change::AddColumn { table: table.to_owned(), column: column.to_owned() }
    }

    #[test]
    fn the_first_is_init() {
        assert_eq!(derive(true, &[]), "init");
    }

    #[test]
    fn specqls_own_are_named_by_what_they_are() {
        let queue = [Change::Add(ObjectKind::Schema, "jobs".to_owned())];
        let version = format!("specql_{}_{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
        let names = [of_own(true, &queue), of_own(false, &queue), of_own(false, &[])];
        assert_eq!(names, ["specql", "specql_jobs", &version]);
        assert!(names.iter().all(|name| is_own(name)));
        for other in ["init", "specql_order", "specql_add_note", "specql_0", "my_specql", "specql_0_x"] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn columns_are_named_with_their_table_and_code_that_follows_is_not() {
        let function = Change::Alter(ObjectKind::Function, "app.place_order(uuid)".to_owned());
        let changes = [column("sales.tb_order", "discount"), column("sales.tb_order", "note"), function];
        assert_eq!(derive(false, &changes), "order_add_discount_note");
    }

    #[test]
    fn the_queue_is_one_thing() {
        let table = |name: &str| Change::Add(ObjectKind::Table, name.to_owned());
        let gone = |kind, name: &str| Change::Remove(kind, name.to_owned());
        let all =
            [gone(ObjectKind::Schema, "jobs"), gone(ObjectKind::Table, "jobs.tb_job_run"), table("sales.tb_order")];
        assert_eq!(derive(false, &all), "drop_jobs_and_add_order");
        let upgrade =
            [Change::Alter(ObjectKind::Function, "jobs.claim(uuid)".to_owned()), column("jobs.tb_job_run", "x")];
        assert_eq!(derive(false, &upgrade), "upgrade_specql");
        assert_eq!(derive(false, &[Change::Remove(ObjectKind::Table, "sales.tb_order".to_owned())]), "drop_order");
    }

    #[test]
    fn a_table_is_renamed_or_moved() {
        let rename = |from: &str, to: &str| Change::Rename { from: from.to_owned(), to: to.to_owned() };
        assert_eq!(derive(false, &[rename("sales.tb_order", "sales.tb_sale")]), "rename_order_to_sale");
        assert_eq!(derive(false, &[rename("sales.tb_order", "crm.tb_order")]), "move_order_to_crm");
    }

    #[test]
    fn new_tables_come_first() {
        let changes = [column("a.tb_x", "y"), Change::Add(ObjectKind::Table, "crm.tb_customer".to_owned())];
        assert_eq!(derive(false, &changes), "add_customer_and_x_add_y");
    }

    #[test]
    fn code_alone_is_named() {
        let changes = [Change::Alter(ObjectKind::Function, "app.place_order(uuid, uuid, jsonb)".to_owned())];
        assert_eq!(derive(false, &changes), "change_place_order");
    }

    #[test]
    fn many_changes_are_cut_short() {
        let changes: Vec<Change> = (0..40).map(|n| column(&format!("s.tb_t{n}"), "c")).collect();
        let name = derive(false, &changes);
        assert!(name.len() <= LONGEST && name.ends_with("_and_more"), "{name}");
    }
}
