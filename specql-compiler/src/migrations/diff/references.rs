//! References that point to another table from now on.

use crate::{
    migrations::plan::{Hazard, HazardKind},
    sql::{Object, ObjectKind},
};

/// What stands against a foreign key with another target: the numbers in its column are those of rows of the old one.
pub(super) fn retargeted(old: &Object, new: &Object) -> Option<Hazard> {
    if new.kind != ObjectKind::Constraint {
        return None;
    }
    let ((from, _), (to, column)) = (reference(old)?, reference(new)?);
    let (_, table) = new.name.rsplit_once(" ON ").filter(|_| from != to)?;
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

/// The table that a foreign key refers to, and its own column, without that of the tenant.
fn reference(object: &Object) -> Option<(String, String)> {
    let create = object.create();
    let (key, target) = create.first()?.split_once(" REFERENCES ")?;
    let columns = key.rsplit_once('(')?.1.trim_end_matches(')');
    Some((target.split_once(" (")?.0.to_owned(), columns.rsplit(", ").next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Definition;

    fn foreign_key(columns: &str, target: &str) -> Object {
        let create = format!(
            "ALTER TABLE sales.tb_order\n    ADD CONSTRAINT fk_order__customer FOREIGN KEY ({columns}) REFERENCES {target} (pk_customer)"
        );
        Object {
            kind: ObjectKind::Constraint,
            name: "fk_order__customer ON sales.tb_order".to_owned(),
            origin: None,
            definition: Definition::Statements { create: vec![create], drop: Vec::new() },
        }
    }

    #[test]
    fn a_reference_that_changes_its_target_is_a_loss() {
        for columns in ["fk_customer", "tenant_id, fk_customer"] {
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
        let [plain, of_tenants] =
            ["fk_customer", "tenant_id, fk_customer"].map(|columns| foreign_key(columns, "crm.tb_customer"));
        assert!(retargeted(&plain, &of_tenants).is_none(), "it points to the same rows");
    }
}
