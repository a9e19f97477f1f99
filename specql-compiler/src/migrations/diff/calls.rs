//! Whether those who call a function go on when it changes: binaries from before are at work while a migration is applied.

use super::dependents;
use crate::sql::{Definition, Object, ObjectKind, Schema};

/// A function as its callers see it.
#[derive(Debug, PartialEq)]
struct Signature {
    name: String,
    /// Its parameters, each with name, type and default.
    given: Vec<String>,
    /// What it answers by name: columns, or `OUT` parameters.
    answered: Vec<String>,
    /// `TABLE`, or another type; empty where `OUT` parameters say it.
    result: String,
}

/// Whether a caller of the one can go on with the other: it has the same parameters, others stand behind them and have
/// defaults, and what is answered besides stands behind what was answered before.
pub(super) fn serves(old: &Object, new: &Object) -> bool {
    let (Some(old), Some(new)) = (signature(old), signature(new)) else { return false };
    let added = new.given.get(old.given.len()..).unwrap_or_default();
    // One `OUT` parameter is a value, two are a row.
    let same_form = old.result == "TABLE" || old.answered.len() != 1 || new.answered.len() == 1;
    old.name == new.name
        && old.result == new.result
        && new.given.starts_with(&old.given)
        && added.iter().all(|parameter| parameter.contains(" DEFAULT "))
        && new.answered.starts_with(&old.answered)
        && same_form
}

/// Whether binaries call the function: all of schema `app`; of `jobs`, what has a comment for its users or is granted to a role.
pub(super) fn is_called(object: &Object, schema: &Schema) -> bool {
    if object.kind != ObjectKind::Function {
        return false;
    }
    if object.name.starts_with("app.") {
        return true;
    }
    let Some((bare, _)) = object.name.split_once('(').filter(|(bare, _)| bare.starts_with("jobs.")) else {
        return false;
    };
    let named = format!("{bare}(");
    let grants = schema.objects.iter().filter(|grant| grant.kind == ObjectKind::Grant);
    says(object, "\nCOMMENT ON FUNCTION ") || grants.into_iter().any(|grant| says(grant, &named))
}

fn says(object: &Object, words: &str) -> bool {
    let Definition::Statements { create, .. } = &object.definition else { return false };
    create.iter().any(|text| text.contains(words) || text.starts_with(words.trim_start()))
}

fn signature(object: &Object) -> Option<Signature> {
    let header = dependents::visible(object).first().copied()?;
    let lines = header.lines().filter(|line| !line.trim_start().starts_with("--"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).take_while(|word| *word != "LANGUAGE").collect();
    let words = words.join(" ");
    let (name, rest) = words.split_once("FUNCTION ")?.1.split_once('(')?;
    let end = closing(rest)?;
    let parameters = listed(rest.get(..end)?);
    let (out, given): (Vec<String>, Vec<String>) = parameters.into_iter().partition(|one| one.starts_with("OUT "));
    let result = rest.get(end + 1..)?.trim().strip_prefix("RETURNS ").unwrap_or_default();
    let (result, answered) = match result.strip_prefix("TABLE (") {
        Some(columns) => ("TABLE", listed(columns.get(..closing(columns)?)?)),
        None => (result, out),
    };
    Some(Signature { name: name.to_owned(), given, answered, result: result.to_owned() })
}

/// Where the parenthesis closes that is open at the beginning.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// What stands between commas, but for those within parentheses.
fn listed(text: &str) -> Vec<String> {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(item) = items.last_mut() {
            item.push(character);
        }
    }
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(header: &str) -> Object {
        let create = vec![format!("CREATE OR REPLACE FUNCTION {header}\nLANGUAGE sql AS $$ SELECT 1 $$")];
        let name = header.split(" RETURNS").next().unwrap_or_default().to_owned();
        let definition = Definition::Statements { create, drop: Vec::new() };
        Object { kind: ObjectKind::Function, name, origin: None, definition }
    }

    fn goes_on(old: &str, new: &str) -> bool {
        serves(&function(old), &function(new))
    }

    #[test]
    fn a_caller_goes_on_where_parameters_with_defaults_and_columns_were_added_at_the_end() {
        let old =
            "jobs.fail(_pks bigint[],\n    _limit numeric(3, 1) DEFAULT 1) RETURNS TABLE (pk bigint, result text)";
        let longer = "jobs.fail(_pks bigint[], _limit numeric(3, 1) DEFAULT 1, _busy boolean DEFAULT false) \
                      RETURNS TABLE (pk bigint, result text, why text)";
        assert!(goes_on(old, old));
        assert!(goes_on(old, longer));
        assert!(!goes_on(longer, old));
        for other in [
            "jobs.fail(_pks bigint[], _limit numeric(3, 1) DEFAULT 1, _busy boolean) RETURNS TABLE (pk bigint, result text)",
            "jobs.fail(_busy boolean DEFAULT false, _pks bigint[]) RETURNS TABLE (pk bigint, result text)",
            "jobs.fail(_pks bigint[], _limit numeric(3, 1) DEFAULT 1) RETURNS TABLE (result text, pk bigint)",
            "jobs.fail(_pks bigint[], _limit numeric(3, 1) DEFAULT 1) RETURNS void",
            "jobs.failed(_pks bigint[], _limit numeric(3, 1) DEFAULT 1) RETURNS TABLE (pk bigint, result text)",
        ] {
            assert!(!goes_on(old, other), "{other}");
        }
    }

    #[test]
    fn a_value_that_becomes_a_row_is_another_answer() {
        let old = "jobs.add(_a integer, OUT id uuid)";
        assert!(goes_on(old, "jobs.add(_a integer, _b integer DEFAULT 0, OUT id uuid)"));
        assert!(!goes_on(old, "jobs.add(_a integer, OUT id uuid, OUT again boolean)"));
        assert!(goes_on(
            "jobs.add(OUT id uuid, OUT again boolean)",
            "jobs.add(OUT id uuid, OUT again boolean, OUT c text)"
        ));
    }
}
