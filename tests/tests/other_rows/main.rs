//! Expressions over the rows of an entity, and loops over the first ones, on a real server: with and without rows, with NULL, with
//! deleted rows, and with those of another tenant.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use uuid::Uuid;

const TENANT: Uuid = Uuid::from_u128(10);
const OTHER: Uuid = Uuid::from_u128(11);

struct Fair {
    database: TestDatabase,
}

impl Fair {
    async fn new() -> Result<Self> {
        let files = [
            ("entities/fair.yaml", include_str!("fair.yaml")),
            ("registry/domain_registry.yaml", "domains: {fair: {multi_tenant: true}, notes: {}}\n"),
        ];
        Ok(Self { database: compiled::database(&compiled::files(&files)?).await? })
    }

    fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    async fn call(&self, tenant: Option<Uuid>, action: &str, input: &Value) -> Result<Value> {
        let sql = AssertSqlSafe(format!("SELECT to_jsonb(r) FROM app.{action}($1, NULL, $2) AS r"));
        Ok(sqlx::query_scalar(sql).bind(tenant).bind(input).fetch_one(self.pool()).await?)
    }

    /// An action that must succeed.
    async fn done(&self, tenant: Uuid, action: &str, input: &Value) -> Result<Value> {
        let result = self.call(Some(tenant), action, input).await?;
        if result["status"] != "success" {
            let log = "SELECT coalesce(jsonb_agg(error_message), '[]') FROM app.tb_mutation_audit_log";
            let log: Value = sqlx::query_scalar(log).fetch_one(self.pool()).await?;
            ensure!(false, "{action} {input}: {result} {log}");
        }
        Ok(result)
    }

    async fn event(&self, tenant: Uuid, name: &str) -> Result<Value> {
        Ok(self.done(tenant, "create_event", &json!({"name": name})).await?["id"].clone())
    }

    /// Tickets of an event: price and points.
    async fn tickets(
        &self,
        tenant: Uuid,
        event: &Value,
        tickets: &[(&str, Option<i32>, Option<&str>)],
    ) -> Result<Vec<Value>> {
        let mut ids = Vec::new();
        for (price, points, note) in tickets {
            let input = json!({"event": event, "price": price, "points": points, "note": note, "large": 9_007_199_254_740_993_i64,
                "kind": "a", "wait": "PT1H"});
            ids.push(self.done(tenant, "create_ticket", &input).await?["id"].clone());
        }
        Ok(ids)
    }

    /// A transaction in the name of a tenant.
    async fn session(&self, tenant: Uuid) -> Result<Transaction<'_, Postgres>> {
        let mut session = self.pool().begin().await?;
        let set = "SELECT set_config('app.tenant_id', $1, true)";
        sqlx::query(set).bind(tenant.to_string()).execute(&mut *session).await?;
        Ok(session)
    }

    /// What the first tenant sees.
    async fn rows(&self, select: &str) -> Result<Value> {
        let sql = AssertSqlSafe(format!("SELECT coalesce(jsonb_agg(q.*), '[]') FROM ({select}) AS q(it)"));
        let rows: Value = sqlx::query_scalar(sql).fetch_one(&mut *self.session(TENANT).await?).await?;
        Ok(rows.as_array().into_iter().flatten().map(|row| row["it"].clone()).collect())
    }
}

#[tokio::test]
async fn rows_give_together_what_sql_makes_of_the_tenants_live_ones() -> Result<()> {
    let fair = Fair::new().await?;
    let event = fair.event(TENANT, "Fair").await?;
    let told = fair.done(TENANT, "tell_all", &json!({"id": event})).await?;
    let nothing = json!({"count": 0, "dear": 0, "none": 0, "exists": false, "missing": false, "sum": null, "no_sum": null,
        "points": null, "large": null, "mean": null, "least": null, "greatest": null, "kind": null, "wait": null,
        "recent": null, "events": 1, "others": 0, "nested": 1, "by_text": 0});
    assert_eq!(told["extra_metadata"]["return"], nothing);

    let (a, b) = (("10.5", Some(3), Some("vip")), ("20", Some(4), None));
    fair.tickets(TENANT, &event, &[a, b, ("20", None, Some("Vip"))]).await?;
    let gone = fair.tickets(TENANT, &event, &[("500", Some(500), Some("vip"))]).await?;
    fair.done(TENANT, "delete_ticket", &json!({"id": gone[0]})).await?;
    // Another event, and another tenant's with the same name.
    let second = fair.event(TENANT, "Second").await?;
    fair.tickets(TENANT, &second, &[("7", Some(9), None)]).await?;
    let foreign = fair.event(OTHER, "Fair").await?;
    fair.tickets(OTHER, &foreign, &[("999", Some(999), None), ("99", None, None)]).await?;

    let told = fair.done(TENANT, "tell_all", &json!({"id": event})).await?;
    let all = json!({"count": 3, "dear": 2, "none": 0, "exists": true, "missing": false, "sum": 50.5, "no_sum": null,
        "points": 7, "large": 27_021_597_764_222_979_i64, "mean": 3.5, "least": "Vip", "greatest": 4, "kind": "a", "wait": true,
        "recent": true, "events": 2, "others": 1, "nested": 2, "by_text": 1});
    let said = &told["extra_metadata"]["return"];
    for (key, value) in all.as_object().unwrap() {
        let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let same = said[key] == *value || (number(value).is_some() && number(&said[key]) == number(value));
        assert!(same || key == "least", "{key}: {} and not {value}", said[key]);
    }
    assert!(["vip", "Vip"].contains(&said["least"].as_str().unwrap()), "by the database's collation");
    Ok(())
}

#[tokio::test]
async fn conditions_of_statements_ask_for_other_rows() -> Result<()> {
    let fair = Fair::new().await?;
    let event = fair.event(TENANT, "Fair").await?;
    assert_eq!(fair.call(Some(TENANT), "best_of", &json!({"id": event})).await?["status"], "not_found");
    fair.tickets(TENANT, &event, &[("10", Some(3), None), ("20", Some(4), None), ("30", Some(5), None)]).await?;
    let foreign = fair.event(OTHER, "Fair").await?;
    fair.tickets(OTHER, &foreign, &[("999", Some(1), None)]).await?;
    let done = fair.done(TENANT, "best_of", &json!({"id": event})).await?;
    assert_eq!(done["object_data"]["seats"], 5);
    let best = fair.rows("SELECT price::int FROM fair.tb_ticket WHERE note = 'best' ORDER BY 1").await?;
    assert_eq!(best, json!([20, 30]));
    let live = fair.rows("SELECT price::int FROM fair.tb_ticket WHERE deleted_at IS NULL ORDER BY 1").await?;
    assert_eq!(live, json!([20, 30]));
    let foreign = "SELECT price::int FROM fair.tb_ticket WHERE deleted_at IS NULL AND note IS NULL";
    let foreign: i32 = sqlx::query_scalar(foreign).fetch_one(&mut *fair.session(OTHER).await?).await?;
    assert_eq!(foreign, 999, "another tenant's is left alone");
    Ok(())
}

#[tokio::test]
async fn a_row_that_is_given_must_be_there_even_where_no_row_is_counted() -> Result<()> {
    let fair = Fair::new().await?;
    let nobody = json!({"event": Uuid::from_u128(1)});
    assert_eq!(fair.call(Some(TENANT), "count_given", &nobody).await?["status"], "validation:unknown_event");
    let event = fair.event(TENANT, "Fair").await?;
    let of_another = fair.call(Some(OTHER), "count_given", &json!({"event": event})).await?;
    assert_eq!(of_another["status"], "validation:unknown_event");
    let count = |result: Value| result["extra_metadata"]["return"].clone();
    assert_eq!(count(fair.done(TENANT, "count_given", &json!({"event": event})).await?), "0");
    assert_eq!(count(fair.done(TENANT, "count_given", &json!({})).await?), "0", "NULL equals nothing");
    fair.tickets(TENANT, &event, &[("10", None, None)]).await?;
    assert_eq!(count(fair.done(TENANT, "count_given", &json!({"event": event, "least": "10"})).await?), "1");
    assert_eq!(count(fair.done(TENANT, "count_given", &json!({"event": event, "least": "11"})).await?), "0");
    Ok(())
}

#[tokio::test]
async fn an_action_that_only_counts_a_tenants_rows_needs_the_tenant() -> Result<()> {
    let fair = Fair::new().await?;
    fair.event(TENANT, "Fair").await?;
    assert_eq!(fair.call(None, "count_events", &json!({})).await?["status"], "validation:missing_tenant");
    assert_eq!(fair.done(TENANT, "count_events", &json!({})).await?["extra_metadata"]["return"], "1");
    assert_eq!(fair.done(OTHER, "count_events", &json!({})).await?["extra_metadata"]["return"], "0");
    Ok(())
}

#[tokio::test]
async fn a_round_counts_what_the_rounds_before_have_done() -> Result<()> {
    let fair = Fair::new().await?;
    let event = fair.event(TENANT, "Fair").await?;
    fair.tickets(TENANT, &event, &[("10", None, None), ("30", None, None), ("20", None, None)]).await?;
    fair.done(TENANT, "number_tickets", &json!({"id": event})).await?;
    let places =
        fair.rows("SELECT jsonb_build_array(price::int, place) FROM fair.tb_ticket ORDER BY price DESC").await?;
    assert_eq!(places, json!([[30, 1], [20, 2], [10, null]]));
    let rounds = fair.rows("SELECT words FROM notes.tb_log ORDER BY pk_log").await?;
    assert_eq!(rounds, json!(["30.0000", "20.0000", "10.0000"]), "in the order that is said");
    Ok(())
}

#[tokio::test]
async fn callbacks_and_calls_count_the_rows_of_their_tenant() -> Result<()> {
    let fair = Fair::new().await?;
    let foreign = fair.event(OTHER, "Fair").await?;
    fair.tickets(OTHER, &foreign, &[("1", None, None)]).await?;
    let event = fair.event(TENANT, "Fair").await?;
    fair.tickets(TENANT, &event, &[("10", Some(3), None), ("20", Some(4), None)]).await?;
    fair.done(TENANT, "ask_service", &json!({"id": event})).await?;
    assert_eq!(fair.rows("SELECT message FROM app.tb_notification").await?, json!(["there are 2"]));
    let input = fair.rows("SELECT input_data ->> 'text' FROM jobs.tb_job_run").await?;
    assert_eq!(input, json!(["2 tickets"]));
    fair.tickets(TENANT, &event, &[("30", None, None)]).await?;
    assert_eq!(compiled::complete(fair.pool(), &json!({"ok": true})).await?, "completed");
    let words = fair.rows("SELECT words FROM notes.tb_log ORDER BY pk_log").await?;
    assert_eq!(words, json!(["called 2", "after 3"]));

    fair.done(TENANT, "ask_service", &json!({"id": event})).await?;
    assert_eq!(compiled::fail(fair.pool(), "no").await?, "failed");
    assert_eq!(fair.rows("SELECT told FROM fair.tb_event WHERE told IS NOT NULL").await?, json!([{"left": 3}]));
    Ok(())
}

#[tokio::test]
async fn a_loop_with_a_limit_takes_the_first_rows_of_its_order() -> Result<()> {
    let fair = Fair::new().await?;
    let event = fair.event(TENANT, "Fair").await?;
    let tickets = [("10", Some(1), None), ("20", None, None), ("30", Some(5), None), ("40", Some(5), None)];
    fair.tickets(TENANT, &event, &tickets).await?;
    for (most, places) in [
        (json!(0), json!([[10, null], [20, null], [30, null], [40, null]])),
        (json!(-1), json!([[10, null], [20, null], [30, null], [40, null]])),
        (json!(3), json!([[10, 3], [20, null], [30, 1], [40, 2]])),
        (json!(100), json!([[10, 3], [20, 4], [30, 1], [40, 2]])),
    ] {
        fair.done(TENANT, "first_ones", &json!({"id": event, "most": most})).await?;
        let found = "SELECT jsonb_build_array(price::int, place) FROM fair.tb_ticket ORDER BY price";
        assert_eq!(fair.rows(found).await?, places, "{most}");
    }
    let missing = fair.call(Some(TENANT), "first_ones", &json!({"id": event})).await?;
    assert_eq!(missing["status"], "validation:missing_most");

    // Nothing reads the row, so only the number of rounds matters.
    let mut session = fair.session(TENANT).await?;
    sqlx::query("UPDATE fair.tb_ticket SET place = NULL").execute(&mut *session).await?;
    session.commit().await?;
    fair.done(TENANT, "first_two", &json!({"id": event})).await?;
    assert_eq!(fair.rows("SELECT words FROM notes.tb_log").await?, json!(["a round", "a round"]));
    Ok(())
}

/// Another transaction has one of the chosen rows. When it lets go, the row is asked again: it is left out if it no longer meets the
/// condition, and the others are taken in the order that is said.
#[tokio::test]
async fn a_chosen_row_that_changes_meanwhile_is_asked_again() -> Result<()> {
    let fair = Fair::new().await?;
    let event = fair.event(TENANT, "Fair").await?;
    let tickets = [("10", Some(3), None), ("20", Some(2), None), ("30", Some(1), None)];
    fair.tickets(TENANT, &event, &tickets).await?;
    let mut other = fair.session(TENANT).await?;
    sqlx::query("UPDATE fair.tb_ticket SET place = 77 WHERE price = 10").execute(&mut *other).await?;
    let input = json!({"id": event, "most": 2});
    let waits = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        for _ in 0..200 {
            if sqlx::query_scalar::<_, i64>(waiting).fetch_one(fair.pool()).await? > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        other.commit().await?;
        anyhow::Ok(())
    };
    let (done, waited) = tokio::join!(fair.done(TENANT, "first_ones", &input), waits);
    done?;
    waited?;
    let found = "SELECT jsonb_build_array(price::int, place) FROM fair.tb_ticket ORDER BY price";
    assert_eq!(fair.rows(found).await?, json!([[10, 77], [20, 2], [30, null]]), "the third is there for the next call");
    Ok(())
}
