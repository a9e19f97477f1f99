//! Objects as statements, without semicolons: shared by the whole fresh schema and by migrations.

use super::{
    object::{Column, Definition, Object, ObjectKind, Table, TableConstraint},
    quote::literal,
};

impl Object {
    /// The statements that make it.
    #[must_use]
    pub fn create(&self) -> Vec<String> {
        match &self.definition {
            Definition::Table(table) => {
                let mut statements = vec![table.create()];
                statements.extend(table.comments());
                statements
            }
            Definition::Statements { create, .. } => create.clone(),
        }
    }

    /// The statements that unmake it: its own, else the plain `DROP` of its kind. None for roles, grants and rows that
    /// say nothing (the server or their table keeps those), and for partitions, which go with their table.
    #[must_use]
    pub fn unmake(&self) -> Vec<String> {
        if let Definition::Statements { drop, .. } = &self.definition
            && (!drop.is_empty() || self.kind == ObjectKind::Table)
        {
            return drop.clone();
        }
        let name = &self.name;
        match self.kind {
            ObjectKind::Role | ObjectKind::Grant | ObjectKind::Data => Vec::new(),
            ObjectKind::Schema => vec![format!("DROP SCHEMA {name}")],
            ObjectKind::Type => vec![format!("DROP TYPE {name}")],
            ObjectKind::Table => vec![format!("DROP TABLE {name}")],
            ObjectKind::Index => vec![format!("DROP INDEX {name}")],
            ObjectKind::Function => vec![format!("DROP FUNCTION {name}")],
            ObjectKind::View => vec![format!("DROP VIEW {name}")],
            // These are named `name ON table`, which is how they are dropped, apart from constraints.
            ObjectKind::Trigger => vec![format!("DROP TRIGGER {name}")],
            ObjectKind::Policy => vec![format!("DROP POLICY {name}")],
            ObjectKind::Constraint => match name.rsplit_once(" ON ") {
                Some((constraint, table)) => vec![format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}")],
                None => Vec::new(),
            },
        }
    }
}

impl Table {
    /// `CREATE TABLE …`, a line for each column and constraint.
    #[must_use]
    pub fn create(&self) -> String {
        let lines: Vec<String> = (self.columns.iter().map(Column::clause))
            .chain(self.constraints.iter().map(TableConstraint::clause))
            .map(|line| format!("    {line}"))
            .collect();
        let suffix = self.suffix.as_deref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        format!("CREATE TABLE {} (\n{}\n){suffix}", self.name, lines.join(",\n"))
    }

    /// `COMMENT ON …` for the table and its columns.
    #[must_use]
    pub fn comments(&self) -> Vec<String> {
        let table = self.comment.iter().map(|comment| self.comment_on(Some(comment)));
        let columns = self.columns.iter().filter(|column| column.comment.is_some());
        table.chain(columns.map(|column| self.comment_on_column(column))).collect()
    }

    /// `COMMENT ON TABLE …`; without a comment it removes one.
    #[must_use]
    pub fn comment_on(&self, comment: Option<&str>) -> String {
        format!("COMMENT ON TABLE {} IS {}", self.name, comment_text(comment))
    }

    /// `COMMENT ON COLUMN …`; without a comment it removes one.
    #[must_use]
    pub fn comment_on_column(&self, column: &Column) -> String {
        format!("COMMENT ON COLUMN {}.{} IS {}", self.name, column.name, comment_text(column.comment.as_deref()))
    }
}

impl Column {
    /// The column as it stands in `CREATE TABLE` and after `ADD COLUMN`.
    #[must_use]
    pub fn clause(&self) -> String {
        let mut text = format!("{} {}", self.name, self.ty);
        if let Some(generated) = &self.generated {
            text.push(' ');
            text.push_str(generated);
        }
        if self.not_null {
            text.push_str(" NOT NULL");
        }
        if let Some(default) = &self.default {
            text.push_str(" DEFAULT ");
            text.push_str(default);
        }
        text
    }
}

impl TableConstraint {
    /// The constraint as it stands in `CREATE TABLE` and after `ADD`.
    #[must_use]
    pub fn clause(&self) -> String {
        format!("CONSTRAINT {} {}", self.name, self.rule)
    }
}

fn comment_text(comment: Option<&str>) -> String {
    comment.map_or_else(|| "NULL".to_owned(), literal)
}

#[cfg(test)]
mod tests {
    use super::{super::rule::Rule, *};

    #[test]
    fn a_table_reads_as_a_person_would_write_it() {
        let column = |name: &str, ty: &str, not_null: bool| Column {
            name: name.to_owned(),
            ty: ty.to_owned(),
            not_null,
            default: None,
            generated: None,
            comment: None,
        };
        let table = Table {
            name: "sales.tb_order".to_owned(),
            columns: vec![
                Column {
                    generated: Some("GENERATED BY DEFAULT AS IDENTITY".to_owned()),
                    ..column("pk_order", "INTEGER", false)
                },
                Column {
                    default: Some("'EUR'".to_owned()),
                    comment: Some("it's".to_owned()),
                    ..column("currency", "TEXT", true)
                },
            ],
            constraints: vec![TableConstraint {
                name: "ck".to_owned(),
                rule: Rule::read("CHECK (pk_order > 0)", &["pk_order"]),
            }],
            suffix: None,
            comment: Some("Orders".to_owned()),
        };
        assert_eq!(
            table.create(),
            "CREATE TABLE sales.tb_order (\n    pk_order INTEGER GENERATED BY DEFAULT AS IDENTITY,\n    currency TEXT NOT NULL DEFAULT 'EUR',\n    CONSTRAINT ck CHECK (pk_order > 0)\n)"
        );
        assert_eq!(
            table.comments(),
            ["COMMENT ON TABLE sales.tb_order IS 'Orders'", "COMMENT ON COLUMN sales.tb_order.currency IS 'it''s'"]
        );
    }
}
