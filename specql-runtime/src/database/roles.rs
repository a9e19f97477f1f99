//! What roles may do, compared with what they should be able to do.

use sqlx::{AssertSqlSafe, FromRow, PgPool, Row, postgres::PgRow};

/// A right that a role should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right<'a> {
    /// Who.
    pub role: &'a str,
    /// `USAGE`, `EXECUTE`, `SELECT`, `INSERT`.
    pub privilege: &'a str,
    /// Of a table, if not all of it is meant.
    pub columns: &'a [String],
    /// `SCHEMA`, `FUNCTION` or `TABLE`; a view is a table.
    pub kind: &'a str,
    /// The object with its schema, quoted where needed; a function with its argument types.
    pub object: &'a str,
}

/// How a database stands to a [`Right`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Whether the role is there.
    pub role_exists: bool,
    /// Whether the object is there.
    pub object_exists: bool,
    /// Whether the role has the right, by itself or by what all have. False where one of them is not there.
    pub held: bool,
}

impl FromRow<'_, PgRow> for Standing {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            role_exists: row.try_get("role_exists")?,
            object_exists: row.try_get("object_exists")?,
            held: row.try_get("held")?,
        })
    }
}

/// How the database stands to each of these rights, in their order.
///
/// # Errors
/// When the database cannot be asked, or refuses to look into a schema (SQLSTATE 42501).
pub async fn standings(pool: &PgPool, rights: &[Right<'_>]) -> Result<Vec<Standing>, sqlx::Error> {
    let texts = |of: fn(&Right<'_>) -> String| rights.iter().map(of).collect::<Vec<String>>();
    sqlx::query_as(
        "SELECT r.oid IS NOT NULL AS role_exists, o.oid IS NOT NULL AS object_exists,
            r.oid IS NOT NULL AND o.oid IS NOT NULL AND CASE
                WHEN w.kind = 'SCHEMA' THEN pg_catalog.has_schema_privilege(r.oid, o.oid, w.privilege)
                WHEN w.kind = 'FUNCTION' THEN pg_catalog.has_function_privilege(r.oid, o.oid, w.privilege)
                WHEN w.columns = '' THEN pg_catalog.has_table_privilege(r.oid, o.oid, w.privilege)
                ELSE (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(r.oid, o.oid, c.name, w.privilege))
                    FROM pg_catalog.unnest(pg_catalog.string_to_array(w.columns, ',')) AS c(name))
            END AS held
         FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
            pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[])) WITH ORDINALITY AS w(role, privilege, columns, kind, object, place)
         CROSS JOIN LATERAL (SELECT CASE w.kind
                WHEN 'SCHEMA' THEN pg_catalog.to_regnamespace(w.object)::oid
                WHEN 'FUNCTION' THEN pg_catalog.to_regprocedure(w.object)::oid
                ELSE pg_catalog.to_regclass(w.object)::oid
            END AS oid) AS o
         LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = w.role
         ORDER BY w.place",
    )
    .bind(texts(|right| right.role.to_owned()))
    .bind(texts(|right| right.privilege.to_owned()))
    .bind(texts(|right| right.columns.join(",")))
    .bind(texts(|right| right.kind.to_owned()))
    .bind(texts(|right| right.object.to_owned()))
    .fetch_all(pool)
    .await
}

/// The names of all roles of the server.
///
/// # Errors
/// When the database cannot be asked.
pub async fn existing(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT rolname::text FROM pg_catalog.pg_roles ORDER BY rolname").fetch_all(pool).await
}

/// Runs these statements, which make roles and grant them something, in one transaction. PostgreSQL only warns where who
/// runs them may grant nothing: ask [`standings`] again afterwards.
///
/// # Errors
/// When the database refuses one of them; then none has had an effect.
pub async fn apply(pool: &PgPool, statements: &[String]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}
