//! A table that is written as SQL, in the form in which tables are compared.
//!
//! Not a parser of SQL: of the static files' own way to write a table (`sql/app/*.sql`, `sql/jobs/*.sql`), which a test
//! below holds them to. What does not read so is `None`, and then a change of it cannot be worked out.

use super::{closing, split_at, words};
use crate::sql::{
    object::{Column, Table, TableConstraint},
    rule::Rule,
};

/// The table that the statements make.
pub(super) fn read(create: &[String]) -> Option<Table> {
    let text: String = create.join(";\n").lines().filter(|line| !line.trim_start().starts_with("--")).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    );
    let mut statements = split_at(&text, ';').into_iter();
    let mut table = create_table(statements.next()?.trim())?;
    for statement in statements.map(str::trim).filter(|statement| !statement.is_empty()) {
        comment(statement, &mut table)?;
    }
    Some(table)
}

fn create_table(statement: &str) -> Option<Table> {
    let rest = statement.strip_prefix("CREATE TABLE ")?;
    let (name, rest) = rest.split_once(" (")?;
    let end = closing(rest)?;
    let (body, suffix) = (rest.get(..end)?, rest.get(end + 1..)?.trim());
    let mut table = Table {
        name: name.to_owned(),
        columns: Vec::new(),
        constraints: Vec::new(),
        suffix: (!suffix.is_empty()).then(|| words(suffix)),
        comment: None,
    };
    for item in split_at(body, ',').into_iter().map(words) {
        match item.strip_prefix("CONSTRAINT ") {
            Some(constraint) => {
                let (name, definition) = constraint.split_once(' ')?;
                table
                    .constraints
                    .push(TableConstraint { name: name.to_owned(), rule: Rule::Other(definition.to_owned()) });
            }
            None => column(&item, &mut table)?,
        }
    }
    read_rules(&mut table);
    Some(table)
}

/// Reads the constraints again, now that the columns are known.
pub(super) fn read_rules(table: &mut Table) {
    let columns: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    for constraint in &mut table.constraints {
        constraint.rule = Rule::read(&constraint.rule.to_string(), &columns);
    }
}

fn column(item: &str, table: &mut Table) -> Option<()> {
    let (name, mut rest) = item.split_once(' ')?;
    let mut column = Column {
        name: name.to_owned(),
        ty: String::new(),
        not_null: false,
        default: None,
        generated: None,
        comment: None,
    };
    if let Some(before) = rest.strip_suffix(" PRIMARY KEY") {
        let bare = table.name.rsplit_once('.').map_or(&*table.name, |(_, bare)| bare);
        // The name that PostgreSQL gives it.
        let rule = Rule::PrimaryKey(vec![name.to_owned()]);
        table.constraints.push(TableConstraint { name: format!("{bare}_pkey"), rule });
        rest = before;
    }
    if let Some((before, default)) = rest.split_once(" DEFAULT ") {
        column.default = Some(default.to_owned());
        rest = before;
    }
    if let Some(before) = rest.strip_suffix(" NOT NULL") {
        column.not_null = true;
        rest = before;
    }
    if let Some((before, generated)) = rest.split_once(" GENERATED ") {
        column.generated = Some(format!("GENERATED {generated}"));
        rest = before;
    }
    rest.clone_into(&mut column.ty);
    table.columns.push(column);
    Some(())
}

/// `COMMENT ON TABLE t IS '…'` and `COMMENT ON COLUMN t.c IS '…'`.
fn comment(statement: &str, table: &mut Table) -> Option<()> {
    let (target, text) = statement.strip_prefix("COMMENT ON ")?.split_once(" IS")?;
    let text = text.trim().strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
    if let Some(name) = target.strip_prefix("TABLE ") {
        (name == table.name).then(|| table.comment = Some(text))
    } else {
        let name = target.strip_prefix("COLUMN ")?.strip_prefix(&table.name)?.strip_prefix('.')?;
        table.columns.iter_mut().find(|column| column.name == name)?.comment = Some(text);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Model,
        sql::{Object, ObjectKind, facts::Facts, schema},
    };

    /// Everything static: a model without entities, but with a queue.
    fn static_tables() -> Vec<Object> {
        let model = Model { uses_jobs: true, ..Model::default() };
        let is_table = |object: &Object| object.kind == ObjectKind::Table && *object.facts() != Facts::Partition;
        schema(&model).objects.into_iter().filter(is_table).collect()
    }

    #[test]
    fn every_static_table_reads_as_columns_and_constraints() {
        let tables = static_tables();
        assert!(tables.len() > 15, "{}", tables.len());
        for object in tables {
            let table = object.table().unwrap_or_else(|| panic!("`{}` is written in another way", object.name));
            assert_eq!(table.name, object.name);
            assert!(!table.columns.is_empty());
            for column in &table.columns {
                let plain = column.ty.bytes().all(|byte| byte.is_ascii_uppercase() || b"[] ".contains(&byte));
                assert!(plain || column.ty.starts_with("jobs."), "{}.{}: {}", table.name, column.name, column.ty);
            }
        }
    }

    #[test]
    fn all_of_a_table_is_read() {
        let text = "-- Why it is there.\nCREATE TABLE jobs.tb_x (\n    code INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    \
                    -- About the id.\n    id UUID NOT NULL DEFAULT f(\n        1, 2),\n    note TEXT,\n    \
                    CONSTRAINT ck_x CHECK (note IN ('a,', 'b'))\n) WITH (fillfactor = 10);\nCOMMENT ON TABLE jobs.tb_x IS 'It''s; so';\n\
                    COMMENT ON COLUMN jobs.tb_x.note IS\n    'Words'";
        let table = read(&[text.to_owned()]).unwrap();
        let clauses: Vec<String> = table.columns.iter().map(Column::clause).collect();
        assert_eq!(
            clauses,
            ["code INTEGER GENERATED ALWAYS AS IDENTITY", "id UUID NOT NULL DEFAULT f( 1, 2)", "note TEXT"]
        );
        let constraints: Vec<String> = table.constraints.iter().map(TableConstraint::clause).collect();
        assert_eq!(
            constraints,
            ["CONSTRAINT tb_x_pkey PRIMARY KEY (code)", "CONSTRAINT ck_x CHECK (note IN ('a,', 'b'))"]
        );
        assert_eq!(table.suffix.as_deref(), Some("WITH (fillfactor = 10)"));
        assert_eq!(table.comment.as_deref(), Some("It's; so"));
        assert_eq!(table.columns[2].comment.as_deref(), Some("Words"));
    }
}
