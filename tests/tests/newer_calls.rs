//! An action that tells a service the newest state of a row, called again before the service has heard of the one before.

use anyhow::Result;
use serde_json::{Value, json};
use specql_runtime::testing::TestDatabase;
use specql_tests::compiled;
use uuid::Uuid;

const CONTACT: &str = "
entity: Contact
schema: crm
fields:
  name: text!
  status: text! = lead
actions:
  - name: move_contact
    input: {id: uuid!, status: text!}
    steps:
      - update: Contact SET status = $input.status
      - call_service:
          service: mirror
          operation: put
          input: {status: $input.status, at: now(), changed: updated_at}
          unique: RULE
";

const MIRROR: &str = "
services:
  - name: mirror
    execution_type: http
    runner_config: {base_url: \"https://mirror.example.com\"}
    security_policy: {allowed_hosts: [mirror.example.com]}
    operations:
      - name: put
        input_schema: {status: text!, at: timestamp, changed: timestamp}
        output_schema: {}
        method: PUT
        path: /contacts
";

/// The entity that `docs/the-same-call.md` shows.
fn documented() -> String {
    let text = include_str!("../../docs/the-same-call.md");
    text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default().to_owned()
}

struct Crm {
    database: TestDatabase,
    contact: Uuid,
}

impl Crm {
    async fn with(rule: &str) -> Result<Self> {
        Self::of(CONTACT.replace("RULE", rule)).await
    }

    async fn of(contact: String) -> Result<Self> {
        let project = compiled::files(&[("entities/contact.yaml", &contact), ("registry/mirror.yaml", MIRROR)])?;
        let database = compiled::database(&project).await?;
        let contact = sqlx::query_scalar("INSERT INTO crm.tb_contact (name) VALUES ('Ada') RETURNING id")
            .fetch_one(database.pool())
            .await?;
        Ok(Self { database, contact })
    }

    /// Whether the call was the same as one that is under way.
    async fn move_to(&self, status: &str) -> Result<bool> {
        let (status, jobs): (String, Value) =
            sqlx::query_as("SELECT status, extra_metadata -> 'jobs' FROM app.move_contact(NULL, NULL, $1)")
                .bind(json!({"id": self.contact, "status": status}))
                .fetch_one(self.database.pool())
                .await?;
        assert_eq!(status, "success");
        Ok(jobs[0]["deduplicated"] == json!(true))
    }

    /// Carries everything out that was queued; what the service was told, in its order.
    async fn told(&self) -> Result<Vec<String>> {
        let pool = self.database.pool();
        while sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM jobs.tb_job_ready)").fetch_one(pool).await? {
            compiled::complete_one(pool).await?;
        }
        Ok(sqlx::query_scalar(
            "SELECT input_data ->> 'status' FROM jobs.v_job_run WHERE status = 'completed' ORDER BY completed_at",
        )
        .fetch_all(pool)
        .await?)
    }
}

#[tokio::test]
async fn each_state_of_a_row_is_told_once_and_in_order() -> Result<()> {
    let crm = Crm::with("in_flight").await?;
    assert!(!crm.move_to("customer").await?);
    assert!(crm.move_to("customer").await?, "the times differ, and what is asked does not");
    assert!(!crm.move_to("former").await?);
    assert!(!crm.move_to("customer").await?);
    assert_eq!(crm.told().await?, ["customer", "former", "customer"]);
    Ok(())
}

#[tokio::test]
async fn with_latest_only_the_newest_state_is_told() -> Result<()> {
    let crm = Crm::with("latest").await?;
    for status in ["customer", "former", "customer", "lost"] {
        assert!(!crm.move_to(status).await?);
    }
    assert_eq!(crm.told().await?, ["lost"]);
    Ok(())
}

#[tokio::test]
async fn the_documented_action_tells_the_newest_state() -> Result<()> {
    let crm = Crm::of(documented()).await?;
    for status in ["customer", "former"] {
        assert!(!crm.move_to(status).await?);
    }
    assert_eq!(crm.told().await?, ["former"]);
    Ok(())
}

#[tokio::test]
async fn an_idempotency_key_with_another_input_ends_the_action() -> Result<()> {
    let contact = CONTACT.replace("unique: RULE", "idempotency_key: $input.id");
    let project = compiled::files(&[("entities/contact.yaml", &contact), ("registry/mirror.yaml", MIRROR)])?;
    let database = compiled::database(&project).await?;
    let id: Uuid = sqlx::query_scalar("INSERT INTO crm.tb_contact (name) VALUES ('Ada') RETURNING id")
        .fetch_one(database.pool())
        .await?;
    let mut answers = Vec::new();
    for status in ["customer", "customer", "former"] {
        let answer: (String, Option<String>) =
            sqlx::query_as("SELECT status, message FROM app.move_contact(NULL, NULL, $1)")
                .bind(json!({"id": id, "status": status}))
                .fetch_one(database.pool())
                .await?;
        answers.push(answer);
    }
    let statuses: Vec<&str> = answers.iter().map(|(status, _)| &**status).collect();
    assert_eq!(statuses, ["success", "success", "conflict:idempotency_key"]);
    assert!(answers[2].1.as_deref().is_some_and(|words| words.contains("another input")), "{:?}", answers[2]);
    let status: String = sqlx::query_scalar("SELECT status FROM crm.tb_contact").fetch_one(database.pool()).await?;
    assert_eq!(status, "customer", "what the refused action did is undone");
    Ok(())
}
