//! The extension `plpgsql_check` over every function of a database.
//!
//! It reads the bodies that PostgreSQL only stores: names and types that do not exist, values that cannot meet, variables
//! that nobody reads, promises about volatility that are not kept. The tests that use it have its name in theirs, so that
//! `--skip plpgsql_check` leaves out these and no others.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use specql_runtime::testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// Names the extension's library where it is not installed in the server's own folders.
const LIBRARY: &str = "SPECQL_TEST_PLPGSQL_CHECK";

/// The one allowlist. Functions of a sort share a signature, and few need all of it.
const MAY_BE_UNUSED: [&str; 6] = ["auth_tenant_id", "auth_user_id", "input", "_job_run_id", "_output_data", "_error"];

/// What the extension says of the functions of a database.
#[derive(Debug)]
pub struct Report {
    /// How many functions were read.
    pub functions: usize,
    /// One line for each finding that is not allowed.
    pub remarks: Vec<String>,
}

/// Every PL/pgSQL function outside of the system's schemas, triggers with their relation and transition tables.
///
/// # Errors
/// When the extension cannot be had, or the database does not answer.
pub async fn check(database: &TestDatabase) -> anyhow::Result<Report> {
    let mut superuser = superuser(database).await?;
    // On a database of its own: nobody else sees the extension.
    install(&mut superuser).await?;
    report(&mut superuser).await
}

/// The same, with the library loaded by its absolute path, as where the extension is unpacked but not installed.
///
/// # Errors
/// When the library cannot be had, or the database does not answer.
pub async fn check_by_path(database: &TestDatabase) -> anyhow::Result<Report> {
    let mut superuser = superuser(database).await?;
    let library = match env::var_os(LIBRARY) {
        Some(library) => PathBuf::from(library),
        None => installed_library(&mut superuser).await?,
    };
    load(&mut superuser, &library).await?;
    report(&mut superuser).await
}

async fn superuser(database: &TestDatabase) -> anyhow::Result<PgConnection> {
    database.superuser().await?.context(
        "plpgsql_check needs a superuser: set `TEST_DATABASE_SUPERUSER_URL`, or unset `TEST_DATABASE_URL` and \
         `DATABASE_URL` so that the tests start a server of their own",
    )
}

async fn install(superuser: &mut PgConnection) -> anyhow::Result<()> {
    let Err(refusal) = sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS plpgsql_check").execute(&mut *superuser).await
    else {
        return Ok(());
    };
    match env::var_os(LIBRARY) {
        Some(library) => load(superuser, Path::new(&library)).await,
        None => bail!("the server has no plpgsql_check ({refusal}): run `cargo xtask test`, which installs it"),
    }
}

/// Makes the extension's functions from the script beside the library, with the library's own path in place of the name
/// that only an installed extension has.
async fn load(superuser: &mut PgConnection, library: &Path) -> anyhow::Result<()> {
    let script = script_of(library)?;
    let text = fs::read_to_string(&script).with_context(|| script.display().to_string())?;
    // Lines for psql keep people from running the script by hand.
    let statements: String =
        text.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect();
    let path = library.to_str().context("the library's path is not UTF-8")?.replace('\'', "''");
    let statements = statements.replace("MODULE_PATHNAME", &path).replace("@extschema@", "public");
    // The script leaves most names bare, and a superuser's search path may begin elsewhere.
    let sql = format!("SET search_path = public;\n{statements}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(superuser).await.with_context(|| {
        format!(
            "`{}` could not be loaded: can the server's account read it, and is it built for its version?",
            library.display()
        )
    })?;
    Ok(())
}

/// `…/usr/share/postgresql/15/extension/plpgsql_check--2.3.sql` of `…/usr/lib/postgresql/15/lib/plpgsql_check.so`.
fn script_of(library: &Path) -> anyhow::Result<PathBuf> {
    let mut above = library.ancestors().skip(2);
    let version = above.next().and_then(Path::file_name).context("the library lies in no version's folder")?;
    let usr = above.nth(2).context("the library lies in no `usr` folder")?;
    let folder = usr.join("share/postgresql").join(version).join("extension");
    let scripts = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    scripts
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // One version's whole script; `plpgsql_check--2.2--2.3.sql` would be a step between two.
            name.strip_prefix("plpgsql_check--").is_some_and(|rest| rest.ends_with(".sql") && !rest.contains("--"))
        })
        .with_context(|| format!("`{}` has no script of plpgsql_check", folder.display()))
}

async fn installed_library(superuser: &mut PgConnection) -> anyhow::Result<PathBuf> {
    let folder: String =
        sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'").fetch_one(superuser).await?;
    let library = Path::new(&folder).join("plpgsql_check.so");
    if !library.exists() {
        bail!("`{}` is missing: run `cargo xtask test`, which installs plpgsql_check", library.display());
    }
    Ok(library)
}

async fn report(superuser: &mut PgConnection) -> anyhow::Result<Report> {
    let functions: Vec<(String, bool)> = sqlx::query_as(
        "SELECT p.oid::regprocedure::text,
            p.prorettype = 'trigger'::regtype AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgfoid = p.oid)
         FROM pg_proc AS p
         JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
         WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
         ORDER BY 1",
    )
    .fetch_all(&mut *superuser)
    .await?;
    let untied = functions.iter().filter(|(_, untied)| *untied);
    let mut remarks: Vec<String> = untied
        .map(|(function, _)| format!("{function}: no trigger uses it, so nothing is known of its rows"))
        .collect();
    let rows = sqlx::query(
        // Materialized: the extension refuses a trigger function without its relation.
        "WITH f AS MATERIALIZED (
            SELECT p.oid, t.tgrelid, t.tgnewtable, t.tgoldtable
            FROM pg_proc AS p
            JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
            LEFT JOIN pg_trigger AS t ON t.tgfoid = p.oid AND t.tgparentid = 0
            WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                AND (p.prorettype <> 'trigger'::regtype OR t.oid IS NOT NULL))
         SELECT f.oid::regprocedure::text AS function, c.level, c.lineno, c.message, concat_ws(' ', c.detail, c.query) AS detail
         FROM f
         CROSS JOIN LATERAL plpgsql_check_function_tb(
             f.oid, coalesce(f.tgrelid, 0::oid), fatal_errors => false, all_warnings => true,
             newtable => f.tgnewtable, oldtable => f.tgoldtable) AS c
         ORDER BY 1, c.lineno",
    )
    .fetch_all(superuser)
    .await?;
    for row in rows {
        let message: String = row.try_get("message")?;
        if is_allowed(&message) {
            continue;
        }
        let function: String = row.try_get("function")?;
        let line: Option<i32> = row.try_get("lineno")?;
        let level: String = row.try_get("level")?;
        let detail: String = row.try_get("detail")?;
        remarks.push(format!("{function}, line {}: {level}: {message} {detail}", line.unwrap_or_default()));
    }
    Ok(Report { functions: functions.len(), remarks })
}

fn is_allowed(message: &str) -> bool {
    MAY_BE_UNUSED.iter().any(|name| message == format!("unused parameter \"{name}\""))
}
