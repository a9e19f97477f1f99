//! Names without a schema mean what `search_path` says, and that is for others to decide: a role, a database, a pooler. Nothing here may
//! depend on it.

use specql_compiler::internals::sql;
use specql_runtime::{Database, testing::TestDatabase};
use specql_tests::{
    corpus,
    history::{History, shape},
    server::OwnServer,
    work::{self, PROJECT, Queue},
};
use sqlx::{AssertSqlSafe, Connection as _, PgPool, postgres::PgConnectOptions};

use crate::support::{INDEX, NOTE, execute, migrated};

/// Some of each: a transaction, an index beside the work of others, and an open step.
fn history() -> History {
    History::of_orders().sealed("note", NOTE).sealed("total_concurrently", INDEX).open(
        "later",
        "ALTER TABLE sales.tb_order ADD COLUMN later TEXT;",
        "ALTER TABLE sales.tb_order DROP COLUMN later;",
    )
}

/// What a hostile, or an unlucky, schema holds: our names, and PostgreSQL's.
const DECOY: &str = "
    CREATE SCHEMA decoy;
    CREATE TABLE decoy.tb_order (total INTEGER);
    CREATE TABLE decoy.tb_open_migration (version BIGINT);
    CREATE TYPE decoy.mutation_result AS (nothing TEXT);
    CREATE FUNCTION decoy.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.gen_random_uuid() RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.current_setting(text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.current_database() RETURNS name LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.register_operations(jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;
    CREATE FUNCTION decoy.claim(uuid, integer[], integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a decoy'; END $$;";

/// Connections of a role of a server's.
async fn pool(server: &OwnServer, role: &str, search_path: Option<&str>) -> PgPool {
    let options: PgConnectOptions = server.url().parse().unwrap();
    let options = options.username(role);
    let options = search_path.into_iter().fold(options, |options, path| options.options([("search_path", path)]));
    PgPool::connect_with(options).await.unwrap()
}

/// The tables of sqlx's name.
async fn tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tablename = '_sqlx_migrations' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// `"$user"` is the first of every `search_path` that nobody has set.
#[tokio::test]
async fn a_role_that_is_named_like_one_of_our_schemas_starts_again_and_again() {
    let server = OwnServer::start().await;
    let mut superuser = server.superuser().await;
    sqlx::raw_sql("CREATE ROLE app LOGIN CREATEROLE; ALTER DATABASE app OWNER TO app")
        .execute(&mut superuser)
        .await
        .unwrap();
    superuser.close().await.unwrap();
    let history = history();
    for migrations in [1, 1, 3, 4, 4] {
        // A start: connections of its own.
        let pool = pool(&server, "app", None).await;
        history.first(migrations).on(&pool).migrate().await.unwrap();
        assert_eq!(tables(&pool).await, ["public._sqlx_migrations"]);
        pool.close().await;
    }
    let changed = history.first(3).open("later", "ALTER TABLE sales.tb_order ADD COLUMN much_later TEXT;", "");
    let pool = pool(&server, "app", None).await;
    changed.on(&pool).migrate().await.unwrap();
    assert_eq!(tables(&pool).await, ["public._sqlx_migrations"]);
}

#[tokio::test]
async fn a_migrated_database_is_the_same_whatever_search_path_it_was_made_with() {
    let history = history();
    let usual = shape(migrated(&history).await.pool()).await;
    for path in ["\"$user\", app", "''", "app, sales", "decoy, public", "decoy, pg_catalog", "no_such_schema"] {
        let server = OwnServer::start().await;
        let mut superuser = server.superuser().await;
        // The role's own, and the database's behind it.
        let set = format!("ALTER DATABASE app SET search_path = {path}; ALTER ROLE specql SET search_path = {path}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut superuser).await.unwrap();
        superuser.close().await.unwrap();
        let ordinary = pool(&server, "specql", Some("public")).await;
        execute(&ordinary, DECOY).await;
        for migrations in 1..=4 {
            let odd = pool(&server, "specql", None).await;
            history.first(migrations).on(&odd).migrate().await.unwrap_or_else(|error| panic!("{path}: {error}"));
            odd.close().await;
        }
        assert_eq!(shape(&ordinary).await, usual, "{path}");
        execute(&ordinary, "INSERT INTO sales.tb_order (total) VALUES (1)").await;
        assert_eq!(tables(&ordinary).await, ["public._sqlx_migrations"], "{path}");
    }
}

#[tokio::test]
async fn a_table_in_another_schema_is_found_where_it_is() {
    let history = history().seal();
    let database = migrated(&history.first(2)).await;
    execute(database.pool(), "CREATE SCHEMA \"Deploy\"; ALTER TABLE _sqlx_migrations SET SCHEMA \"Deploy\"").await;
    history.on(database.pool()).migrate().await.unwrap();
    assert_eq!(tables(database.pool()).await, ["\"Deploy\"._sqlx_migrations"]);
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM \"Deploy\"._sqlx_migrations")
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(applied, 4);
}

/// Such as an earlier version has left in `app`.
#[tokio::test]
async fn two_tables_are_an_error_that_names_both() {
    let history = history().seal();
    let database = migrated(&history).await;
    execute(database.pool(), "CREATE TABLE app._sqlx_migrations (LIKE public._sqlx_migrations)").await;
    let error = history.on(database.pool()).migrate().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "this database has more than one table of applied migrations: `app._sqlx_migrations` (0 migrations) and \
         `public._sqlx_migrations` (4 migrations); drop the one that is not this project's, or close its schema to this role"
    );
    execute(database.pool(), "DROP TABLE app._sqlx_migrations").await;
    history.on(database.pool()).migrate().await.unwrap();
}

/// Another application's, in a schema of its own.
#[tokio::test]
async fn a_table_in_a_schema_that_is_closed_to_us_is_none_of_our_business() {
    let server = OwnServer::start().await;
    let mut superuser = server.superuser().await;
    let theirs = "CREATE SCHEMA theirs; CREATE TABLE theirs._sqlx_migrations (version BIGINT)";
    sqlx::raw_sql(theirs).execute(&mut superuser).await.unwrap();
    let ours = pool(&server, "specql", None).await;
    let history = history();
    history.on(&ours).migrate().await.unwrap();
    history.on(&ours).migrate().await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_not_make_the_table_is_told_so() {
    let server = OwnServer::start().await;
    let mut superuser = server.superuser().await;
    sqlx::raw_sql("CREATE ROLE guest LOGIN").execute(&mut superuser).await.unwrap();
    let error = history().on(&pool(&server, "guest", None).await).migrate().await.unwrap_err().to_string();
    assert!(error.starts_with("the table `public._sqlx_migrations` cannot be made: "), "{error}");
    assert!(error.contains("permission denied for schema public"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_jobs_and_workers_do_not_go_by_the_search_path() {
    let queue = Queue::new().await;
    execute(queue.pool(), DECOY).await;
    let options = queue.options().options([("search_path", "decoy, pg_catalog")]);
    let odd = Database::from_pool(PgPool::connect_with(options).await.unwrap(), &PROJECT);
    let worker = work::builder(&odd, &queue.options()).start().await.unwrap();
    let input = work::actions::task::RunTask::builder().how("now").build();
    let sent = work::actions::task::run_task(input).send(&odd).await.unwrap();
    let job = specql_runtime::Job::<work::services::work::Run>::from_id(sent.jobs[0].job_id);
    job.outcome(&odd).await.unwrap();
    worker.shutdown().await.unwrap();
}

/// What a database made of this SQL holds.
async fn catalog(sql: &str) -> Vec<(String, String)> {
    let database = TestDatabase::from_sql(sql).await.unwrap();
    sqlx::query_as(sql::CATALOG).fetch_all(database.pool()).await.unwrap()
}

#[tokio::test]
async fn emitted_sql_names_every_schema() {
    for app in corpus::apps().unwrap() {
        let schema = sql::schema(&app.compile().unwrap().model).render();
        let bare = catalog(&format!("SET search_path = '';\n{schema}")).await;
        assert_eq!(bare, catalog(&schema).await, "{}", app.name);
    }
}
