//! Whether those who call a function go on when it changes: binaries from before are at work while a migration is applied.

use super::key;
use crate::sql::{
    Object, ObjectKind, Schema,
    facts::{Facts, Signature},
    object::split_name,
};

/// Whether a caller of the one can go on with the other: it has the same parameters, others stand behind them and have
/// defaults, and what is answered besides stands behind what was answered before.
pub(super) fn serves(old: &Object, new: &Object) -> bool {
    let (Some(before), Some(after)) = (signature(old), signature(new)) else { return false };
    let added = after.given.get(before.given.len()..).unwrap_or_default();
    // One `OUT` parameter is a value, two are a row.
    let same_form = before.result == "TABLE" || before.answered.len() != 1 || after.answered.len() == 1;
    old.base_name() == new.base_name()
        && before.result == after.result
        && after.given.starts_with(&before.given)
        && added.iter().all(|parameter| parameter.contains(" DEFAULT "))
        && after.answered.starts_with(&before.answered)
        && same_form
}

/// Whether parameters and result of the functions are the same. Whatever else a header says `CREATE OR REPLACE` can change.
pub(super) fn same_call(old: &Object, new: &Object) -> bool {
    match (signature(old), signature(new)) {
        (Some(old), Some(new)) => (&old.given, &old.answered, &old.result) == (&new.given, &new.answered, &new.result),
        _ => false,
    }
}

/// Whether binaries call the function: all of schema `app`; of `jobs`, what has a comment for its users or is granted to a role.
pub(super) fn is_called(object: &Object, schema: &Schema) -> bool {
    let Some(signature) = signature(object) else { return false };
    let is_granted = || {
        let mut grants = schema.objects.iter().filter(|grant| grant.kind == ObjectKind::Grant);
        grants.any(|grant| grant.needs.iter().any(|need| (need.kind, &*need.name) == key(object)))
    };
    match split_name(object.base_name()) {
        Some(("app", _)) => true,
        Some(("jobs", _)) => signature.described || is_granted(),
        _ => false,
    }
}

fn signature(object: &Object) -> Option<&Signature> {
    match object.facts() {
        Facts::Function(signature) => Some(signature),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::read;

    fn function(header: &str) -> Object {
        let create = vec![format!("CREATE OR REPLACE FUNCTION {header}\nLANGUAGE sql AS $$ SELECT 1 $$")];
        let name = header.split(" RETURNS").next().unwrap_or_default().to_owned();
        read::object(ObjectKind::Function, &name, create)
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
