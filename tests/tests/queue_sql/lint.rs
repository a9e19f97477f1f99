//! plpgsql_check over every function of the queue.

use anyhow::Result;

use crate::support::Queue;

#[tokio::test]
async fn plpgsql_check_has_nothing_to_say() -> Result<()> {
    let queue = Queue::new().await?;
    let Some(mut superuser) = queue.db.superuser().await? else {
        eprintln!("skipped: plpgsql_check needs TEST_DATABASE_SUPERUSER_URL");
        return Ok(());
    };
    let available: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'plpgsql_check')")
            .fetch_one(&mut superuser)
            .await?;
    if !available {
        eprintln!("skipped: this server has no plpgsql_check");
        return Ok(());
    }
    sqlx::query("CREATE EXTENSION plpgsql_check").execute(&mut superuser).await?;
    let remarks: Vec<String> = sqlx::query_scalar(
        "SELECT format('%s: %s', p.oid::regprocedure, remark.text)
        FROM pg_proc AS p
        JOIN pg_language AS l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
        CROSS JOIN LATERAL plpgsql_check_function(
            p.oid, CASE WHEN p.prorettype = 'trigger'::regtype THEN 'jobs.tb_job_run'::regclass ELSE 0 END,
            newtable => CASE WHEN p.prorettype = 'trigger'::regtype THEN 'new_jobs' END::name, all_warnings => true) AS remark (text)
        WHERE p.pronamespace = 'jobs'::regnamespace",
    )
    .fetch_all(&mut superuser)
    .await?;
    assert!(remarks.is_empty(), "{}", remarks.join("\n"));
    Ok(())
}
