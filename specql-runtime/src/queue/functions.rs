//! The functions that the project declares and somebody else makes: whether the database has them.

use std::fmt;

use sqlx::{AssertSqlSafe, PgConnection, query_scalar};

use super::{Link, QueueError};
use crate::DeclaredFunction;

/// A function that the project declares, and the database does not have so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingFunction {
    /// As it is declared: `sales.tax(amount numeric) returns numeric`.
    pub declared: String,
    /// What PostgreSQL says of a call.
    pub reason: String,
    /// The functions of that name that are there, as PostgreSQL shows them.
    pub there: Vec<String>,
}

impl fmt::Display for MissingFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}", self.declared, self.reason)?;
        for (index, there) in self.there.iter().enumerate() {
            write!(f, "{} `{there}`", if index == 0 { "; there is" } else { ", and" })?;
        }
        f.write_str(")")
    }
}

/// Those that are missing, or cannot be called as they are declared. None of them is run.
///
/// # Errors
/// When the database cannot be asked.
pub(crate) async fn missing(
    connection: &mut PgConnection,
    functions: &[DeclaredFunction],
) -> Result<Vec<MissingFunction>, sqlx::Error> {
    let mut found = Vec::new();
    for function in functions {
        let Some(reason) = refusal(connection, function).await? else { continue };
        let declared = function.shown.to_owned();
        found.push(MissingFunction { declared, reason, there: namesakes(connection, function).await? });
    }
    Ok(found)
}

/// What PostgreSQL says of a call. `None`: nothing against it.
async fn refusal(connection: &mut PgConnection, function: &DeclaredFunction) -> Result<Option<String>, sqlx::Error> {
    // As one message, so that one session prepares it and forgets it. It is read, and neither planned nor run.
    let probe = format!("PREPARE specql_probe AS {}; DEALLOCATE specql_probe", function.probe);
    let error = match sqlx::raw_sql(AssertSqlSafe(probe)).execute(&mut *connection).await {
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    let Some(said) = error.as_database_error() else { return Err(error) };
    Ok(match said.code().as_deref() {
        // Not all may name what is in its schema: a worker need not, for its steps run with the owner's rights.
        Some("42501") if is_there(connection, function).await? => None,
        Some("42501" | "42883" | "3F000") => Some("there is no such function".to_owned()),
        Some("42804") => Some("it returns another type".to_owned()),
        Some(code) if code.starts_with("42") || code == "0A000" => Some(said.message().to_owned()),
        _ => return Err(error),
    })
}

/// Whether a function of that name can be given so many arguments. Of the catalogs alone, which everybody may read.
async fn is_there(connection: &mut PgConnection, function: &DeclaredFunction) -> Result<bool, sqlx::Error> {
    query_scalar(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc AS p
            JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
            WHERE n.nspname = $1 AND p.proname = $2
                AND (p.provariadic <> 0 OR $3 BETWEEN p.pronargs - p.pronargdefaults AND p.pronargs))",
    )
    .bind(function.schema)
    .bind(function.name)
    .bind(i32::try_from(function.arguments).unwrap_or(i32::MAX))
    .fetch_one(connection)
    .await
}

async fn namesakes(connection: &mut PgConnection, function: &DeclaredFunction) -> Result<Vec<String>, sqlx::Error> {
    query_scalar(
        "SELECT pg_catalog.format('%I.%I(%s) returns %s', n.nspname, p.proname,
            pg_catalog.pg_get_function_identity_arguments(p.oid), coalesce(pg_catalog.pg_get_function_result(p.oid), 'nothing'))
         FROM pg_catalog.pg_proc AS p
         JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
         WHERE n.nspname = $1 AND p.proname = $2
         ORDER BY 1",
    )
    .bind(function.schema)
    .bind(function.name)
    .fetch_all(connection)
    .await
}

impl Link {
    /// The declared functions that are missing, as far as the role that this connects as may see.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn missing_functions(
        &mut self,
        functions: &[DeclaredFunction],
    ) -> Result<Vec<MissingFunction>, QueueError> {
        if functions.is_empty() {
            return Ok(Vec::new());
        }
        self.within_limit("the declared functions", async |connection| missing(connection, functions).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    const fn function(probe: &'static str, arguments: usize) -> DeclaredFunction {
        DeclaredFunction { shown: "sales.tax(…)", schema: "sales", name: "tax", arguments, probe }
    }

    /// Takes a decimal, gives one.
    const TAX: DeclaredFunction = function("SELECT coalesce(sales.tax(NULL::numeric), NULL::numeric)", 1);

    async fn said(sql: &'static str, function: DeclaredFunction) -> Option<String> {
        let database = TestDatabase::from_sql(sql).await.unwrap();
        let mut connection = database.pool().acquire().await.unwrap();
        let found = missing(&mut connection, &[function]).await.unwrap();
        // Nothing is left on the connection, and asking again finds the same.
        assert_eq!(missing(&mut connection, &[function]).await.unwrap(), found);
        found.first().map(ToString::to_string)
    }

    #[tokio::test]
    async fn a_function_is_wanted_as_a_call_of_it_finds_it() {
        for there in [
            "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(amount numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 1/0'",
            "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(numeric, rate int DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(a double precision) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
            "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(VARIADIC numeric[]) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
        ] {
            assert_eq!(said(there, TAX).await, None, "{there}");
        }
    }

    #[tokio::test]
    async fn one_that_is_missing_or_of_another_form_is_named_with_what_is_there() {
        let missing = "`sales.tax(…)` (there is no such function)";
        assert_eq!(said("", TAX).await.as_deref(), Some(missing));
        assert_eq!(said("CREATE SCHEMA sales", TAX).await.as_deref(), Some(missing));
        for (there, expected) in [
            (
                "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(a text) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
                "`sales.tax(…)` (there is no such function; there is `sales.tax(a text) returns numeric`)",
            ),
            (
                "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(a numeric) RETURNS text LANGUAGE sql AS 'SELECT ''1'''",
                "`sales.tax(…)` (it returns another type; there is `sales.tax(a numeric) returns text`)",
            ),
            (
                "CREATE SCHEMA sales; CREATE PROCEDURE sales.tax(a numeric) LANGUAGE sql AS 'SELECT 1'",
                "`sales.tax(…)` (sales.tax(numeric) is a procedure; there is `sales.tax(IN a numeric) returns nothing`)",
            ),
        ] {
            assert_eq!(said(there, TAX).await.as_deref(), Some(expected), "{there}");
        }
    }

    /// `specql_worker` may not use the schemas of entities.
    #[tokio::test]
    async fn a_role_that_may_not_use_the_schema_finds_it_by_its_name() {
        let database = TestDatabase::from_sql(
            "CREATE SCHEMA sales; CREATE FUNCTION sales.tax(a numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'",
        )
        .await
        .unwrap();
        let mut superuser = database.superuser().await.unwrap().expect("a superuser");
        sqlx::raw_sql("SET ROLE pg_monitor").execute(&mut superuser).await.unwrap();
        assert_eq!(missing(&mut superuser, &[TAX]).await.unwrap(), []);
        let other = DeclaredFunction { arguments: 2, ..TAX };
        assert_eq!(missing(&mut superuser, &[other]).await.unwrap().len(), 1);
    }
}
