//! Roles that are not the owner, logged in as themselves, on a server whose owner may create none.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

use specql_compiler::internals::{
    migrations::{Direction, diff},
    sql::{self, Schema, roles},
};
use specql_runtime::{
    Database,
    database::roles::{Right, standings},
    testing::TestDatabase,
    worker::StartError,
};
use specql_tests::{
    app::repository,
    compiled, logged,
    server::OwnServer,
    work::{
        PROJECT, Queue,
        actions::task::{self, RunTask},
        enqueue, services,
    },
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};

/// What `specql migrate roles --print` prints, run by an administrator.
async fn make_up(superuser: &mut PgConnection) {
    let model = compiled::folder(&repository().join("tests/src/work/project")).unwrap().model;
    for role in roles::of_project(&model) {
        run(superuser, &role.statement()).await;
    }
    for grant in roles::grants(&model) {
        run(superuser, &grant.statement()).await;
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// The database as another role sees it.
async fn as_role(queue: &Queue, role: &str) -> Database {
    let pool = PgPoolOptions::new().connect_with(queue.options().username(role).password("a password")).await;
    Database::from_pool(pool.unwrap(), &PROJECT)
}

/// Why a worker of that role does not start.
async fn refusal(queue: &Queue, database: &Database) -> String {
    let worker = specql_tests::work::builder(database, &queue.options());
    match worker.start().await {
        Err(StartError::Rights(lacking)) => lacking.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn roles_that_the_owner_may_not_create_are_missed_aloud_and_work_once_they_are_made() {
    let server = OwnServer::start().await;
    let mut superuser = server.superuser().await;
    run(&mut superuser, "ALTER ROLE specql NOCREATEROLE").await;
    logged::keep();
    let queue = Queue::on(&server).await;
    let said = logged::take();
    for role in ["specql_app", "specql_worker", "specql_enqueuer"] {
        let warnings =
            said.lines().filter(|line| line.contains("WARN") && line.contains(&format!("role {role} is not")));
        // One a migration, however many grants it leaves out: specql's own, and the model's.
        let expected = if role == "specql_app" { 2 } else { 1 };
        assert_eq!(warnings.count(), expected, "{role}: {said}");
    }
    let owner = queue.worker().start().await.expect("the owner needs no role");
    assert!(!logged::take().contains("specql_worker"), "and nothing is said of it");
    owner.shutdown().await.unwrap();

    run(
        &mut superuser,
        "CREATE ROLE shop_worker LOGIN PASSWORD 'a password'; CREATE ROLE shop_app LOGIN PASSWORD 'a password'",
    )
    .await;
    let worker = as_role(&queue, "shop_worker").await;
    let refused = refusal(&queue, &worker).await;
    assert!(refused.contains("lacks USAGE on schema `jobs`, and there is no role `specql_worker`"), "{refused}");
    run(&mut superuser, "CREATE ROLE specql_worker NOLOGIN").await;
    let refused = refusal(&queue, &worker).await;
    assert!(refused.contains("no member of `specql_worker`; `GRANT specql_worker TO \"shop_worker\"`"), "{refused}");
    run(&mut superuser, "GRANT specql_worker TO shop_worker").await;
    let refused = refusal(&queue, &worker).await;
    assert!(refused.contains("as `specql_worker` does; run `specql migrate roles --apply`"), "{refused}");

    make_up(&mut superuser).await;
    run(&mut superuser, "GRANT specql_app TO shop_app").await;
    let app = as_role(&queue, "shop_app").await;
    let placed = task::run_task(RunTask::builder().how("now").build()).send(&app).await.unwrap();
    let input = services::work::RunInput::builder().how("now").build();
    let queued = enqueue::work::run(input).send(&app).await.unwrap();
    let working = specql_tests::work::builder(&worker, &queue.options()).start().await.unwrap();
    assert_eq!(queue.outcome(placed.jobs[0].job_id).await.status, "completed");
    queued.outcome(&app).await.unwrap();
    let counted: String =
        sqlx::query_scalar("SELECT data ->> 'done' FROM work.v_task").fetch_one(app.pool()).await.unwrap();
    assert_eq!(counted, "1", "the callback ran, and the view shows it");
    working.shutdown().await.unwrap();

    run(&mut superuser, "REVOKE EXECUTE ON FUNCTION jobs.rescue() FROM specql_worker").await;
    let refused = refusal(&queue, &worker).await;
    assert!(refused.contains("lacks EXECUTE on `jobs.rescue`, as `specql_worker` does"), "{refused}");
    superuser.close().await.unwrap();
}

/// What a worker asks for at its start, [`roles::grants`] gives.
#[test]
fn a_worker_is_granted_what_it_calls() {
    let model = compiled::folder(&repository().join("tests/src/work/project")).unwrap().model;
    let granted = roles::grants(&model);
    for called in specql_runtime::queue::rights::CALLED {
        let function = format!("jobs.{called}(");
        let gives = |grant: &roles::Grant| grant.role == roles::Role::Worker && grant.object.starts_with(&function);
        assert!(granted.iter().any(gives), "{called}");
    }
}

fn project(entities: &str) -> (specql_compiler::internals::model::Model, Schema) {
    let domains = "domains: {sales: {multi_tenant: true}, catalog: {}}\n";
    let files = [("entities/all.yaml", entities), ("registry/domain_registry.yaml", domains)];
    let model = compiled::files(&files).unwrap().model;
    let schema = sql::schema(&model);
    (model, schema)
}

const BEFORE: &str = "\
entity: Product
schema: catalog
fields: {name: text!}
---
entity: Order
schema: sales
fields: {total: integer!, note: text}
actions:
  - name: create_order
  - name: update_order
";

/// Another action, an action and a column less, a column, and a new entity in a new schema: the order's view is made anew, and so
/// are functions; the product is read through the order's view from now on.
const AFTER: &str = "\
entity: Product
schema: catalog
fields: {name: text!}
---
entity: Order
schema: sales
fields: {total: bigint!, product: ref(catalog.Product)}
actions:
  - name: create_order
  - name: delete_order
---
entity: Parcel
schema: depot
fields: {weight: integer!}
actions:
  - name: create_parcel
";

async fn migrate(pool: &PgPool, from: &Schema, to: &Schema, direction: Direction) {
    for step in diff(from, to, direction).steps {
        for statement in step.statements {
            sqlx::raw_sql(AssertSqlSafe(statement.as_str()))
                .execute(pool)
                .await
                .unwrap_or_else(|e| panic!("{e}: {statement}"));
        }
    }
}

/// The grants that are missing.
async fn missing(pool: &PgPool, grants: &[roles::Grant]) -> Vec<String> {
    let rights: Vec<Right<'_>> = (grants.iter())
        .map(|grant| Right {
            role: grant.role.name(),
            privilege: grant.privilege.name(),
            columns: &grant.columns,
            kind: grant.privilege.kind(),
            object: &grant.object,
        })
        .collect();
    let held = standings(pool, &rights).await.unwrap();
    grants.iter().zip(held).filter(|(_, held)| !held.held).map(|(grant, _)| grant.statement()).collect()
}

async fn catalog(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as(sql::CATALOG).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_migration_grants_what_it_makes_and_its_reverse_takes_it_back() {
    let ((model_before, before), (model_after, after)) = (project(BEFORE), project(AFTER));
    let database = TestDatabase::from_sql(&before.render()).await.unwrap();
    let pool = database.pool();
    assert_eq!(missing(pool, &roles::grants(&model_before)).await, [""; 0]);
    let was = catalog(pool).await;
    // What a tenant's view wants of it.
    let readable = "SELECT has_column_privilege('specql_app', 'catalog.tb_product', 'id', 'SELECT')";
    assert!(!sqlx::query_scalar::<_, bool>(readable).fetch_one(pool).await.unwrap());

    migrate(pool, &before, &after, Direction::Forward).await;
    assert_eq!(missing(pool, &roles::grants(&model_after)).await, [""; 0]);
    assert!(sqlx::query_scalar::<_, bool>(readable).fetch_one(pool).await.unwrap());

    migrate(pool, &after, &before, Direction::Reverse).await;
    pretty_assertions::assert_eq!(catalog(pool).await, was);
}

#[tokio::test]
async fn the_policy_of_the_workers_role_goes_with_the_next_migration() {
    let (_, now) = project(BEFORE);
    // As it was until there was one list of grants.
    let mut earlier = now.clone();
    let at = earlier.objects.iter().position(|object| object.name == "tenant ON sales.tb_order").unwrap();
    let policy = sql::Object {
        name: "worker ON sales.tb_order".to_owned(),
        definition: sql::Definition::Statements {
            create: vec!["CREATE POLICY worker ON sales.tb_order TO specql_app USING (true)".to_owned()],
            drop: vec!["DROP POLICY IF EXISTS worker ON sales.tb_order".to_owned()],
            facts: sql::facts::Facts::None,
        },
        ..earlier.objects[at].clone()
    };
    earlier.objects.insert(at + 1, policy);
    let database = TestDatabase::from_sql(&earlier.render()).await.unwrap();
    migrate(database.pool(), &earlier, &now, Direction::Forward).await;
    let policies: Vec<String> =
        sqlx::query_scalar("SELECT policyname::text FROM pg_policies WHERE tablename = 'tb_order'")
            .fetch_all(database.pool())
            .await
            .unwrap();
    assert_eq!(policies, ["tenant"]);
}

/// A server where not everybody may call functions, and a project of which nothing belongs to tenants.
#[tokio::test]
async fn an_application_reads_views_and_notifications_where_nobody_may_call_functions() {
    let event = "\
entity: Event
schema: catalog
fields: {place: coordinates, length: duration, breaks: list(duration)}
actions:
  - name: announce
    input: {place: coordinates!}
    steps:
      - insert: Event
        values: {place: $input.place, length: INTERVAL '1 hour'}
      - notify: everybody(events, \"An event\")
";
    let (model, schema) = project(&format!("{event}---\nentity: Order\nschema: sales\n"));
    let closed = "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;\n";
    let database = TestDatabase::from_sql(&format!("{closed}{}", schema.render())).await.unwrap();
    assert_eq!(missing(database.pool(), &roles::grants(&model)).await, [""; 0]);
    let mut tx = database.pool().begin().await.unwrap();
    run(&mut tx, "GRANT specql_app TO CURRENT_USER; SET LOCAL ROLE specql_app").await;
    let call = r#"SELECT status FROM app.announce(NULL, NULL, '{"place": {"x": 1, "y": 2}}')"#;
    let status: String = sqlx::query_scalar(call).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(status, "success");
    let seen: String =
        sqlx::query_scalar("SELECT concat(data ->> 'length', data -> 'place' ->> 'x') FROM catalog.v_event")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    assert_eq!(seen, "PT1H1");
    // What was said in nobody's name, by who acts for nobody; and not by who acts for a tenant.
    let said = "SELECT count(*) FROM app.tb_notification";
    assert_eq!(sqlx::query_scalar::<_, i64>(said).fetch_one(&mut *tx).await.unwrap(), 1);
    run(&mut tx, "SELECT set_config('app.tenant_id', '00000000-0000-0000-0000-000000000001', true)").await;
    assert_eq!(sqlx::query_scalar::<_, i64>(said).fetch_one(&mut *tx).await.unwrap(), 0);
}
