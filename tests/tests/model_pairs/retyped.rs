//! Every type that becomes every other one: what PostgreSQL does to the values, and what the build says of it before.

use anyhow::{Context as _, Result};
use specql_compiler::internals::{
    migrations::{
        Direction, diff,
        plan::{HazardKind, Plan},
    },
    sql::{self, Schema, render::render_objects},
};
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::database::Database;

/// Types with values as PostgreSQL writes them: small ones, and such as a narrower type cannot hold.
const TYPES: &[(&str, &[&str])] = &[
    ("text", &["it's", "", "12", "1.5", "1.2345", "true", "2026-01-31", "2026-01-31 12:34:56.789012+00"]),
    ("integer", &["0", "-7", "2147483647"]),
    ("bigint", &["5", "9007199254740993", "-9223372036854775808"]),
    ("float", &["2", "1.5", "0.1", "1e+300"]),
    ("boolean", &["true", "false"]),
    ("decimal(12, 4)", &["1.0000", "1.2345", "99999999.9999"]),
    ("decimal(12, 2)", &["1.00", "1.25", "9999999999.99"]),
    ("decimal", &["1", "1.23456789012345678901", "123456789012345678901234567890"]),
    ("timestamp", &["2026-01-31 00:00:00+00", "2026-01-31 12:34:56.789012+00"]),
    ("date", &["2026-01-31"]),
    ("time", &["14:30:00", "14:30:00.5"]),
    ("duration", &["01:00:00", "1 day 00:00:01.5"]),
    ("json", &["{\"a\": [1, null]}", "12", "\"text\""]),
    ("uuid", &["018f3f6e-7b0a-7c3e-9d7e-0123456789ab"]),
    ("email", &["a@example.com"]),
    ("countryCode", &["DE"]),
    ("ipAddress", &["192.0.2.17", "192.0.2.0/24"]),
    ("enum(a, b)", &["a"]),
    ("list(text)", &["{}", "{a,\"b c\"}"]),
    ("list(integer)", &["{1,2147483647}"]),
];

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Became {
    /// The same, in the new type.
    Same,
    /// Something else, without a word.
    Other,
    /// Nothing: the step was refused.
    Refused,
}

fn schema(ty: &str) -> Result<Schema> {
    let text = format!("entity: Item\nschema: store\nfields: {{worth: \"{ty}\"}}\n");
    Ok(sql::schema(&compiled::files(&[("entities/item.yaml", &text)])?.model))
}

/// Takes a row with that value through the step.
async fn retyped(connection: &mut PgConnection, before: &str, value: &str, plan: &Plan, old: &str) -> Result<Became> {
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(before.to_owned())).execute(&mut *tx).await.context("the first schema")?;
    let insert = format!("INSERT INTO store.tb_item (worth) VALUES ('{}')", value.replace('\'', "''"));
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *tx).await.with_context(|| format!("{value} of {old}"))?;
    sqlx::raw_sql("CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT worth FROM store.tb_item")
        .execute(&mut *tx)
        .await?;
    for statement in plan.steps.iter().flat_map(|step| &step.statements) {
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *tx).await {
            let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
            anyhow::ensure!(code.starts_with("22") || code == "23514", "{statement}: {error}");
            return Ok(Became::Refused);
        }
    }
    let ty: String = sqlx::query_scalar(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attname = 'worth'",
    )
    .fetch_one(&mut *tx)
    .await?;
    let mut same = false;
    for condition in [
        "k.worth::text = i.worth::text".to_owned(),
        // What the new type says is read back by the old one.
        format!("k.worth IS NOT DISTINCT FROM i.worth::text::{ty}"),
        // 1 and 1.00
        "k.worth::text::numeric = i.worth::text::numeric".to_owned(),
        "(k.worth::text, i.worth::text) IN (('0', 'false'), ('1', 'true'), ('false', '0'), ('true', '1'))".to_owned(),
    ] {
        let mut attempt = tx.begin().await?;
        let sql = format!("SELECT coalesce({condition}, false) FROM kept AS k, store.tb_item AS i");
        // One that cannot even be asked is no answer.
        same |= sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql)).fetch_one(&mut *attempt).await.unwrap_or(false);
        attempt.rollback().await?;
    }
    Ok(if same { Became::Same } else { Became::Other })
}

#[tokio::test]
async fn a_type_that_loses_values_is_called_a_loss_and_one_that_refuses_them_a_misfit() -> Result<()> {
    let mut database = Database::new(false).await?;
    let schemas = TYPES.iter().map(|(ty, _)| schema(ty)).collect::<Result<Vec<_>>>()?;
    let (mut wrong, mut seen) = (Vec::new(), [0; 3]);
    for ((old, values), first) in TYPES.iter().zip(&schemas) {
        let before = render_objects(&database.others(first));
        for ((new, _), second) in TYPES.iter().zip(&schemas).filter(|((new, _), _)| new != old) {
            let plan = diff(first, second, Direction::Forward);
            let worst = |kind| plan.hazards.iter().any(|hazard| hazard.kind == kind);
            for value in *values {
                let became = retyped(&mut database.connection, &before, value, &plan, old).await?;
                seen[became as usize] += 1;
                let said = match became {
                    Became::Same => true,
                    Became::Other => worst(HazardKind::Loss),
                    Became::Refused => worst(HazardKind::Loss) || worst(HazardKind::Misfit),
                };
                if !said {
                    let hazards: Vec<_> = plan.hazards.iter().map(|hazard| (hazard.kind, &hazard.id)).collect();
                    wrong.push(format!("{old} -> {new}, {value}: {became:?}, and the build says {hazards:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Or the values are too tame.
    assert!(seen.iter().all(|cases| *cases >= 20), "{seen:?}");
    Ok(())
}
