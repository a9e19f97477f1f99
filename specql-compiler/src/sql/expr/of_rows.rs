//! What the rows of an entity give together, as a subselect of its own.

use super::Printer;
use crate::{
    model::expr::{OfRows, RowsFunction},
    sql::{entity::tenant_and, quote::qualified},
};

/// What the rows of a subselect are called. One within another hides it: a condition names columns of its own rows alone.
const ROWS: &str = "r";

impl Printer<'_> {
    /// Of the live rows, of the tenant, for which the condition is true.
    pub(super) fn of_rows(&self, rows: &OfRows) -> String {
        let entity = self.model.entity(rows.entity);
        let inner = Self { own: "r.", ..*self };
        let value = rows.value.as_ref().map_or_else(|| "*".to_owned(), |value| inner.print(value));
        let condition = rows.condition.as_ref().map(|it| format!("{} AND ", inner.operand(it))).unwrap_or_default();
        let from = format!(
            "FROM {} AS {ROWS} WHERE {condition}{ROWS}.deleted_at IS NULL{}",
            qualified(&entity.schema, &entity.table()),
            tenant_and(entity, ROWS, self.tenant),
        );
        match rows.function {
            RowsFunction::Exists => format!("EXISTS (SELECT 1 {from})"),
            function => format!("(SELECT {}({value}) {from})", function.name()),
        }
    }
}
