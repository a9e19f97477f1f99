//! Steps of several files as a build emits them, through `db.migrate()` and sqlx-cli.

use specql_runtime::testing::TestDatabase;
use specql_tests::{
    history::{History, shape},
    migrations::{Folder, file},
};

use crate::{
    sqlx_cli::succeeds,
    support::{execute, migrated},
};

/// Orders of customers, which may lack much, until a team demands more of them.
fn project(order: &str) -> [specql_compiler::SourceFile; 2] {
    [
        file("entities/customer.yaml", "entity: Customer\nschema: sales\nfields:\n  name: text!\n"),
        file("entities/order.yaml", format!("entity: Order\nschema: sales\nfields:\n  total: integer!\n{order}")),
    ]
}

const FIRST: &str = "  code: text\n  note: text\n";
const SECOND: &str = "  code: {type: text, unique: true}\n  note: text!\n  customer: ref(Customer)\n";
/// What the second becomes while it is open.
const OTHER: &str = "  code: {type: text, unique: true}\n  note: text\n  total_paid: integer = 0\n";

/// The first state, sealed, and a step behind it that is open.
fn history(step: &str) -> History {
    let mut folder = Folder::default();
    let first = project(FIRST);
    let built = folder.build(&first).unwrap();
    let history = History::default().emitted(&built.step);
    folder.seal(&first, &built.schema).unwrap();
    history.seal().emitted(&folder.build(&project(step)).unwrap().step)
}

const ROWS: &str =
    "INSERT INTO sales.tb_order (total, code, note) SELECT n, 'A' || n, 'x' FROM generate_series(1, 20) AS n";

#[tokio::test]
async fn an_open_step_of_several_files_follows_the_model_back_and_forth() {
    let (second, other) = (history(SECOND), history(OTHER));
    let database = migrated(&second.first(2)).await;
    let pool = database.pool();
    execute(pool, ROWS).await;
    second.on(pool).migrate().await.unwrap();
    let recorded: Vec<(i64, bool)> =
        sqlx::query_as("SELECT version, reverse_sql <> '' FROM app.tb_open_migration ORDER BY 1")
            .fetch_all(pool)
            .await
            .unwrap();
    assert!(recorded.len() > 2 && recorded[0] == (3, true), "{recorded:?}");
    assert!(recorded[1..].iter().all(|(_, reverse)| !reverse), "{recorded:?}");
    for to in [&other, &second, &second.first(2), &second] {
        to.on(pool).migrate().await.unwrap();
        assert_eq!(shape(pool).await, shape(migrated(to).await.pool()).await);
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sales.tb_order WHERE note = 'x'").fetch_one(pool).await.unwrap();
    assert_eq!(rows, 20);
}

#[tokio::test]
async fn both_tools_apply_what_a_build_emits_and_each_goes_on_where_the_other_stopped() {
    let second = history(SECOND).seal();
    let complete = shape(migrated(&second).await.pool()).await;
    let files = usize::try_from(second.last().version).unwrap();
    assert!(files > 3, "{files}");
    for half in 2..files {
        let theirs_first = TestDatabase::from_sql("").await.unwrap();
        succeeds("run", &second.first(half), &theirs_first);
        second.on(theirs_first.pool()).migrate().await.unwrap();
        assert_eq!(shape(theirs_first.pool()).await, complete);

        let ours_first = migrated(&second.first(half)).await;
        execute(ours_first.pool(), ROWS).await;
        succeeds("run", &second, &ours_first);
        assert_eq!(shape(ours_first.pool()).await, complete);
        second.on(ours_first.pool()).migrate().await.unwrap();
    }
}
