//! The scalar types in PostgreSQL: columns take what the table of scalars calls good, and nothing that it calls bad.

use serde_json::{Value, json};
use specql_compiler::internals::sql::scalar_base_type;
use specql_registry::scalars::{ALL, ScalarBase, ScalarInfo};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool};

/// An entity with a field of every scalar type, and one with a list of each.
fn project() -> String {
    let fields = |wrap: fn(&str) -> String| -> String {
        ALL.iter().map(|info| format!("  f_{}: {}\n", info.name.to_lowercase(), wrap(info.name))).collect()
    };
    format!(
        "entity: One\nschema: s\nfields:\n{}actions:\n  - name: create_one\n---\nentity: Many\nschema: s\nfields:\n{}\
         actions:\n  - name: create_many\n",
        fields(str::to_owned),
        fields(|name| format!("list({name})")),
    )
}

fn field(info: &ScalarInfo) -> String {
    format!("f_{}", info.name.to_lowercase())
}

fn value(info: &ScalarInfo, text: &str) -> Value {
    match info.base {
        ScalarBase::Point => serde_json::from_str(text).expect("JSON"),
        _ => json!(text),
    }
}

async fn call(pool: &PgPool, wrapper: &str, input: Value) -> anyhow::Result<(String, Option<Value>)> {
    let sql = AssertSqlSafe(format!("SELECT status, object_data FROM app.{wrapper}(NULL, NULL, $1)"));
    Ok(sqlx::query_as(sql).bind(input).fetch_one(pool).await?)
}

#[tokio::test]
async fn both_engines_agree_about_every_value_of_the_scalar_table() -> anyhow::Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/all.yaml", &project())])?).await?;
    let pool = database.pool();
    for info in ALL {
        let name = field(info);
        for good in info.good {
            let (status, row) = call(pool, "create_one", json!({&name: value(info, good)})).await?;
            assert_eq!(status, "success", "{}: {good:?}", info.name);
            let row = row.unwrap();
            // What a view prints is what an action reads.
            let again = call(pool, "create_one", json!({&name: row[&name]})).await?.1.unwrap();
            assert_eq!(again[&name], row[&name], "{}: {good:?}", info.name);
            if info.base == ScalarBase::Text {
                assert_eq!(row[&name], json!(good));
            }
        }
        let all: Vec<Value> = info.good.iter().map(|good| value(info, good)).collect();
        let (status, row) = call(pool, "create_many", json!({&name: &all})).await?;
        assert_eq!((status.as_str(), row.unwrap()[&name].as_array().unwrap().len()), ("success", all.len()), "{name}");

        for bad in info.bad {
            let invalid = format!("validation:invalid_{name}");
            let bad_value = value(info, bad);
            assert_eq!(call(pool, "create_one", json!({&name: bad_value})).await?.0, invalid, "{bad:?}");
            let list = json!([all[0], bad_value]);
            assert_eq!(call(pool, "create_many", json!({&name: list})).await?.0, invalid, "[{bad:?}]");
        }
        assert_eq!(
            call(pool, "create_many", json!({&name: [all[0], null]})).await?.0,
            format!("validation:invalid_{name}")
        );
        assert_eq!(call(pool, "create_many", json!({&name: []})).await?.1.unwrap()[&name], json!([]), "{name}");
        assert_eq!(call(pool, "create_one", json!({&name: null})).await?.1.unwrap()[&name], json!(null), "{name}");
    }
    let good: usize = ALL.iter().map(|info| info.good.len()).sum();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM s.tb_one").fetch_one(pool).await?;
    assert_eq!(usize::try_from(rows)?, 2 * good + ALL.len(), "a refused value left a row");
    Ok(())
}

#[tokio::test]
async fn the_checks_hold_for_plain_sql_too() -> anyhow::Result<()> {
    let database = compiled::database(&compiled::files(&[("entities/all.yaml", &project())])?).await?;
    let pool = database.pool();
    for info in ALL.iter().filter(|info| info.base != ScalarBase::Point) {
        for good in info.good {
            assert!(inserts(pool, info, good).await, "{}: {good:?}", info.name);
        }
        // The texts of other types may be ones that PostgreSQL itself reads, or rounds.
        for bad in info.bad.iter().filter(|_| info.pattern.is_some()) {
            assert!(!inserts(pool, info, bad).await, "{}: {bad:?}", info.name);
        }
    }
    for (column, bad) in [
        ("f_date", "'infinity'"),
        ("f_date", "'44 BC-03-15'"),
        ("f_time", "'24:00:00'"),
        ("f_percentage", "'NaN'"),
        ("f_percentage", "101"),
        ("f_money", "-1"),
        ("f_latitude", "90.5"),
        ("f_longitude", "-180.5"),
        ("f_exchangerate", "-1"),
        ("f_money", "'NaN'"),
    ] {
        let sql = format!("INSERT INTO s.tb_one ({column}) VALUES ({bad})");
        assert!(sqlx::query(AssertSqlSafe(sql)).execute(pool).await.is_err(), "{column} {bad}");
    }
    Ok(())
}

/// Whether the value can be inserted; with a list it must be the same.
async fn inserts(pool: &PgPool, info: &ScalarInfo, text: &str) -> bool {
    let (column, ty) = (field(info), scalar_base_type(info.base));
    let one = format!("INSERT INTO s.tb_one ({column}) SELECT ($1::text)::{ty}");
    let list = format!("INSERT INTO s.tb_many ({column}) SELECT ARRAY[$1::text, '{}']::{ty}[]", info.example);
    let one = sqlx::query(AssertSqlSafe(one)).bind(text).execute(pool).await;
    let list = sqlx::query(AssertSqlSafe(list)).bind(text).execute(pool).await;
    assert_eq!(one.is_ok(), list.is_ok(), "{}: {text:?}", info.name);
    one.is_ok()
}
