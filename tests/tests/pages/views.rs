//! What `docs/views.md` shows, and that an index is used as it says.

use specql_tests::compiled;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::page::Page;

#[tokio::test]
async fn rows_are_read_and_paged_as_the_page_says() -> anyhow::Result<()> {
    let page = Page::read("views.md")?;
    let database = compiled::database(&page.project()?).await?;
    let mut session = database.pool().acquire().await?;
    assert_eq!(page.run(&mut session).await?, 6);
    Ok(())
}

const NOTES: &str = "\
entity: Note
schema: desk
fields: {body: text!}
indexes: [[created_at, id]]
actions: [{name: create_note}]
";

/// How PostgreSQL reads the page after the first, of those which `tenant` may see.
async fn plan(session: &mut PgConnection, tenant: Option<Uuid>) -> anyhow::Result<String> {
    let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    sqlx::query("SELECT set_config('app.tenant_id', $1, false)").bind(tenant).execute(&mut *session).await?;
    let explain = "EXPLAIN SELECT data FROM desk.v_note
        WHERE (created_at, id) > ('2026-01-02 00:00:00+00', '00000000-0000-0000-0000-000000000000')
        ORDER BY created_at, id LIMIT 20";
    let lines: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut *session).await?;
    Ok(lines.join("\n"))
}

#[tokio::test]
async fn a_page_is_read_from_the_index_and_nothing_is_sorted() -> anyhow::Result<()> {
    let tenants = [Uuid::from_u128(1), Uuid::from_u128(2)];
    for domain in ["{}", "{multi_tenant: true}"] {
        let domains = format!("domains: {{desk: {domain}}}\n");
        let project = compiled::files(&[("entities/note.yaml", NOTES), ("registry/domain_registry.yaml", &domains)])?;
        let database = compiled::database(&project).await?;
        let mut session = database.pool().acquire().await?;
        let tenants: &[Uuid] = if domain == "{}" { &tenants[..1] } else { &tenants };
        for tenant in tenants {
            let (column, value) = if domain == "{}" { ("", "") } else { ("tenant_id, ", "$1, ") };
            let rows = format!(
                "INSERT INTO desk.tb_note ({column}body, created_at)
                 SELECT {value}'x', '2026-01-01 00:00:00+00'::timestamptz + n * INTERVAL '1 minute'
                 FROM generate_series(1, 5000) AS n WHERE $1::uuid IS NOT NULL"
            );
            sqlx::query("SELECT set_config('app.tenant_id', $1::uuid::text, false)")
                .bind(tenant)
                .execute(&mut *session)
                .await?;
            sqlx::query(AssertSqlSafe(rows)).bind(tenant).execute(&mut *session).await?;
        }
        sqlx::query("ANALYZE desk.tb_note").execute(&mut *session).await?;
        let tenant = (domain != "{}").then_some(tenants[0]);
        let plan = plan(&mut session, tenant).await?;
        assert!(plan.contains("idx_note__created_at__id") && !plan.contains("Sort"), "{domain}: {plan}");
    }
    Ok(())
}
