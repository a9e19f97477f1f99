//! References that point to another table from now on.

use crate::{
    migrations::plan::{Hazard, HazardKind},
    sql::{Object, facts::Facts},
};

/// What stands against a foreign key with another target: the numbers in its column are those of rows of the old one.
pub(super) fn retargeted(old: &Object, new: &Object) -> Option<Hazard> {
    let (Facts::Reference(from), Facts::Reference(to)) = (old.facts(), new.facts()) else { return None };
    let (table, column) = (&to.table, to.columns.last()?);
    let (from, to) = (&from.target, &to.target);
    if from == to {
        return None;
    }
    Some(Hazard {
        id: Hazard::id("change_target", &format!("{table}.{column}")),
        kind: HazardKind::Loss,
        message: format!(
            "column `{column}` of `{table}` would refer to `{to}` instead of `{from}`: each row would point at whatever has that \
             number there"
        ),
        help: "add a field with a new name for the new reference, and drop this one when its rows have been moved over"
            .to_owned(),
        origin: new.origin.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{ObjectKind, facts::Reference};

    fn foreign_key(columns: &[&str], target: &str) -> Object {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let reference = Reference {
            table: "sales.tb_order".to_owned(),
            columns: owned(columns),
            target: target.to_owned(),
            target_columns: owned(&["pk_customer"]),
            suffix: None,
        };
        let create = vec![reference.create("fk_order__customer")];
        Object::made_by(ObjectKind::Constraint, "fk_order__customer ON sales.tb_order", create)
            .known_as(Facts::Reference(reference))
    }

    #[test]
    fn a_reference_that_changes_its_target_is_a_loss() {
        for columns in [&["fk_customer"][..], &["tenant_id", "fk_customer"]] {
            let old = foreign_key(columns, "crm.tb_customer");
            let hazard = retargeted(&old, &foreign_key(columns, "crm.tb_company")).unwrap();
            assert_eq!(
                (hazard.id.as_str(), hazard.kind),
                ("change_target:sales.tb_order.fk_customer", HazardKind::Loss)
            );
            assert_eq!(
                hazard.message,
                "column `fk_customer` of `sales.tb_order` would refer to `crm.tb_company` instead of `crm.tb_customer`: \
                 each row would point at whatever has that number there"
            );
            assert!(retargeted(&old, &old).is_none());
        }
        let [plain, of_tenants] = [&["fk_customer"][..], &["tenant_id", "fk_customer"]]
            .map(|columns| foreign_key(columns, "crm.tb_customer"));
        assert!(retargeted(&plain, &of_tenants).is_none(), "it points to the same rows");
    }
}
