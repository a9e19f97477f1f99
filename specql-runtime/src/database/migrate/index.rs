//! `CREATE INDEX CONCURRENTLY`, which no transaction undoes. One that was interrupted leaves an INVALID index, and one whose process
//! was killed before it was recorded leaves a whole one.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::apply::NO_TRANSACTION;

/// The one statement of a migration that builds an index beside the work of others. Names are as written, with their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConcurrentIndex<'a> {
    unique: bool,
    name: &'a str,
    table: &'a str,
    /// What stands behind the table: method, columns, predicate.
    definition: &'a str,
}

/// What an earlier run has left of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOver {
    /// Nothing that is ours.
    Nothing,
    /// An index that nobody reads and everybody must maintain.
    Invalid,
    /// The very index that is to be built.
    Whole,
}

impl<'a> ConcurrentIndex<'a> {
    /// The index that a migration builds, where it is one of a single `CREATE INDEX CONCURRENTLY`.
    pub(super) fn of(sql: &'a str) -> Option<Self> {
        let mut rest = sql.strip_prefix(NO_TRANSACTION)?.split_once('\n')?.1.trim_start();
        while rest.starts_with("--") {
            rest = rest.split_once('\n')?.1.trim_start();
        }
        let rest = word(rest, "CREATE")?;
        let unique = word(rest, "UNIQUE");
        let rest = word(word(unique.unwrap_or(rest), "INDEX")?, "CONCURRENTLY")?;
        let (name, rest) = name(rest)?;
        let (table, rest) = name_with_schema(word(rest, "ON")?)?;
        let definition = rest.trim_end().strip_suffix(';').unwrap_or(rest).trim_end();
        // A semicolon in a text of the predicate makes this none of ours as well: then nothing is mended, and nothing lost.
        let single = !definition.is_empty() && !definition.contains(';');
        single.then_some(Self { unique: unique.is_some(), name, table, definition })
    }

    /// What is there.
    pub(super) async fn left_over(&self, connection: &mut PgConnection) -> Result<LeftOver, sqlx::Error> {
        let found: Option<(bool, bool, String)> =
            sqlx::query_as(FIND).bind(self.table).bind(unquoted(self.name)).fetch_optional(&mut *connection).await?;
        match found {
            None => Ok(LeftOver::Nothing),
            Some((false, ..)) => Ok(LeftOver::Invalid),
            Some((true, unique, text)) => {
                let same = unique == self.unique && behind_using(&text) == behind_using(&self.fresh(connection).await?);
                Ok(if same { LeftOver::Whole } else { LeftOver::Nothing })
            }
        }
    }

    /// PostgreSQL's own words for this definition: those of such an index on an empty copy of the table.
    async fn fresh(&self, connection: &mut PgConnection) -> Result<String, sqlx::Error> {
        let mut transaction = connection.begin().await?;
        // Table and definition are the migration's own text.
        let make = format!(
            "CREATE TEMPORARY TABLE specql_copy (LIKE {}) ON COMMIT DROP; CREATE INDEX specql_copy_index ON pg_temp.specql_copy {}",
            self.table, self.definition
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *transaction).await?;
        let text = sqlx::query_scalar(
            "SELECT pg_catalog.pg_get_indexdef(pg_catalog.to_regclass('pg_temp.specql_copy_index'))",
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.rollback().await?;
        Ok(text)
    }

    /// Drops an INVALID one.
    pub(super) async fn drop_left_over(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let schema = self.table.strip_suffix(last_name(self.table)).unwrap_or_default();
        let statement = format!("DROP INDEX CONCURRENTLY IF EXISTS {schema}{}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(|_| ())
    }
}

/// Whether the index `$2` of table `$1` is valid, whether it is unique, and what it is.
const FIND: &str = "
    SELECT i.indisvalid, i.indisunique, pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM pg_catalog.pg_class AS t
    JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    WHERE t.oid = pg_catalog.to_regclass($1) AND c.relname = $2";

/// What stands behind the table's name in PostgreSQL's words for an index.
fn behind_using(definition: &str) -> Option<&str> {
    definition.split_once(" USING ").map(|(_, behind)| behind)
}

/// The text behind a word.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (found, rest) = text.split_once(char::is_whitespace)?;
    found.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

/// A name, and the text behind it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = if text.starts_with('"') {
        let bytes = text.as_bytes();
        let mut at = 1;
        loop {
            match (bytes.get(at)?, bytes.get(at + 1)) {
                (b'"', Some(b'"')) => at += 2,
                (b'"', _) => break at + 1,
                _ => at += 1,
            }
        }
    } else {
        text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
    };
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

/// A name with or without its schema, and the text behind it.
fn name_with_schema(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = name(text)?;
    let Some(second) = text[first.len()..].strip_prefix('.') else { return Some((first, rest)) };
    let (second, rest) = name(second)?;
    Some((&text[..first.len() + 1 + second.len()], rest))
}

/// `tb_order` of `sales.tb_order`.
fn last_name(table: &str) -> &str {
    match name(table) {
        Some((first, rest)) if rest.starts_with('.') => &table[first.len() + 1..],
        _ => table,
    }
}

/// A name as the catalog has it.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    const UNIQUE: &str = "\
-- no-transaction
-- @generated by specql 0.1.0 from entities/order.yaml; do not edit

-- entities/order.yaml:7
CREATE UNIQUE INDEX CONCURRENTLY ux_order_code ON sales.\"Order; \"\"x\" (code) WHERE NOT gone;
";

    #[test]
    fn a_migration_of_one_index_is_read() {
        let expected = ConcurrentIndex {
            unique: true,
            name: "ux_order_code",
            table: "sales.\"Order; \"\"x\"",
            definition: "(code) WHERE NOT gone",
        };
        assert_eq!(ConcurrentIndex::of(UNIQUE), Some(expected));
        assert_eq!(last_name("sales.\"a.b\""), "\"a.b\"");
        assert_eq!(unquoted("\"a\"\"b\""), "a\"b");
    }

    #[test]
    fn any_other_migration_is_not() {
        for other in [
            "CREATE INDEX CONCURRENTLY a ON b (c);",
            "-- no-transaction\nCREATE INDEX a ON b (c);",
            "-- no-transaction\nVACUUM;",
            "-- no-transaction\nCREATE INDEX CONCURRENTLY a ON b (c); DROP TABLE b;",
            "-- no-transaction",
        ] {
            assert_eq!(ConcurrentIndex::of(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_whole_index_is_known_by_its_definition() {
        let table = "CREATE SCHEMA sales; CREATE TABLE sales.tb_order (code TEXT, total INTEGER, gone BOOLEAN); \
                     CREATE UNIQUE INDEX ux_code ON sales.tb_order (lower(code), total DESC) INCLUDE (gone) WHERE gone IS NOT TRUE;";
        let database = TestDatabase::from_sql(table).await.unwrap();
        let mut connection = database.pool().acquire().await.unwrap();
        let found = async |connection: &mut PgConnection, statement: &str| {
            let sql = format!("-- no-transaction\n{statement};\n");
            ConcurrentIndex::of(&sql).unwrap().left_over(connection).await.unwrap()
        };
        for (statement, expected) in [
            (
                "CREATE UNIQUE INDEX CONCURRENTLY ux_code ON sales.tb_order (lower(code), total DESC) INCLUDE (gone) WHERE NOT (gone IS TRUE)",
                LeftOver::Nothing,
            ),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY ux_code ON sales.tb_order (lower(code), total DESC) INCLUDE (gone) WHERE gone IS NOT TRUE",
                LeftOver::Whole,
            ),
            (
                "CREATE INDEX CONCURRENTLY ux_code ON sales.tb_order (lower(code), total DESC) INCLUDE (gone) WHERE gone IS NOT TRUE",
                LeftOver::Nothing,
            ),
            ("CREATE UNIQUE INDEX CONCURRENTLY ux_code ON sales.tb_order (code)", LeftOver::Nothing),
            ("CREATE UNIQUE INDEX CONCURRENTLY ux_other ON sales.tb_order (code)", LeftOver::Nothing),
        ] {
            assert_eq!(found(&mut connection, statement).await, expected, "{statement}");
        }
    }
}
