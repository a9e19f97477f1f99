//! What `docs/credentials.md` and `docs/deploying.md` show is true.

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::json;
use specql_tests::{app::repository, compiled};

use crate::project::{NEW, PLAIN, Queue, mailer};

/// The samples of a language on a page.
fn samples(page: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs").join(page)).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_page_about_credentials_compiles_and_says_what_the_worker_says() {
    let queue = Queue::new().await;
    let registries = samples("credentials.md", "yaml");
    assert_eq!(registries.len(), 2);
    let secrets = tempfile::tempdir().unwrap();
    let worker = queue
        .version(&registries[0])
        .silent_worker()
        .env("BILLING_URL", "https://billing.example.eu")
        .env("SPECQL_SECRETS_DIR", secrets.path().to_str().unwrap())
        .start()
        .await
        .unwrap();
    let reason = queue.text("SELECT reason FROM jobs.v_not_ready").await;
    let page = samples("credentials.md", "text").concat().replace('\n', " ");
    assert!(page.contains(&reason), "{reason}");
    let statements = samples("credentials.md", "sql");
    assert_eq!(statements.len(), 1);
    queue.execute(statements.concat().leak()).await;
    worker.shutdown().await.unwrap();
}

/// The service of the page, and a stub of it that wants the token.
#[tokio::test]
async fn the_service_of_the_page_about_credentials_is_called_at_a_stub_in_development() {
    let stub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", stub.local_addr().unwrap());
    let asked = |headers: &HeaderMap| headers.get("authorization").is_some_and(|token| token == "Bearer stub");
    let places = get(async move |headers: HeaderMap| match asked(&headers) {
        true => (StatusCode::OK, Json(json!({"latitude": "52.52", "longitude": "13.40"}))),
        false => (StatusCode::UNAUTHORIZED, Json(json!({}))),
    })
    .post(async move |headers: HeaderMap| match asked(&headers) && headers.contains_key("idempotency-key") {
        true => (StatusCode::OK, Json(json!({"id": "place_1"}))),
        false => (StatusCode::UNAUTHORIZED, Json(json!({}))),
    });
    tokio::spawn(async move { axum::serve(stub, Router::new().route("/places", places)).await });

    let queue = Queue::new().await;
    let version = queue.version(&samples("credentials.md", "yaml")[1]);
    let worker = version
        .silent_worker()
        .environment("dev")
        .env("GEOCODER_TOKEN", "stub")
        .env("GEOCODER_URL", url)
        .start()
        .await
        .unwrap();
    let found = queue.enqueue("geocoder.locate", json!({"address": "Unter den Linden 1"})).await;
    let place = json!({"address": "Unter den Linden 1", "latitude": "52.52", "longitude": "13.40"});
    let told = queue.enqueue("geocoder.report_place", place).await;
    for job in [found, told] {
        assert_eq!(queue.outcome(job).await, "completed after 1");
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_page_about_deploying_shows_versions_as_they_are() {
    let queue = Queue::new().await;
    queue.version(&mailer(NEW, PLAIN)).announce().await;
    let [of_an_error, of_roles, of_other_projects, of_versions] = samples("deploying.md", "sql").try_into().unwrap();
    let rows = sqlx::query(sqlx::AssertSqlSafe(of_versions)).fetch_all(queue.pool()).await.unwrap();
    assert_eq!(rows.len(), 1);
    // The audit log is a project's; this one has had no error.
    let shop = compiled::database(&compiled::folder(&repository().join("examples/shop")).unwrap()).await.unwrap();
    let rows = sqlx::query(sqlx::AssertSqlSafe(of_an_error)).fetch_all(shop.pool()).await.unwrap();
    assert!(rows.is_empty());
    // Not committed: roles belong to the server.
    let mut tx = shop.begin().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(of_roles)).execute(&mut *tx).await.unwrap();
    let of_other_projects = of_other_projects.replace("DATABASE shop", &format!("DATABASE {}", shop.name()));
    sqlx::raw_sql(sqlx::AssertSqlSafe(of_other_projects)).execute(&mut *tx).await.unwrap();
    let may: bool = sqlx::query_scalar(
        "SELECT has_function_privilege('shop_web', 'app.place_order(uuid, uuid, jsonb)', 'EXECUTE')
            AND has_function_privilege('shop_worker', 'jobs.rescue()', 'EXECUTE')
            AND has_database_privilege('shop_worker', current_database(), 'CONNECT')",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    // PostgreSQL 18 drops no database whose rights a transaction has changed and not ended.
    tx.rollback().await.unwrap();
    assert!(may);
}
