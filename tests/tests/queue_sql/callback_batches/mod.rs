//! A callback over a batch of jobs does what it does job by job.

mod world;

use anyhow::{Context as _, Result, ensure};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use self::world::{Job, contents, fill, project};
use specql_tests::{compiled, plpgsql_check, random::Random};

const PROJECTS: u64 = 4;
const BATCHES: usize = 12;

/// What a batch came to: the answers, and everything that is stored.
type Outcome = (Vec<String>, Vec<(String, Value)>);

/// Queues and claims the jobs of a batch in the connection's transaction.
async fn claim(connection: &mut PgConnection, batch: &[Job]) -> Result<(Uuid, Vec<i64>, Vec<i32>)> {
    for (number, job) in batch.iter().enumerate() {
        job.enqueue(connection, number).await?;
    }
    let worker = Uuid::new_v4();
    let claimed: Vec<(i64, i32)> = sqlx::query_as(
        "SELECT pk_job_run, epoch FROM jobs.claim($1, ARRAY(SELECT code FROM jobs.tb_operation), 1000, true)
        ORDER BY pk_job_run",
    )
    .bind(worker)
    .fetch_all(connection)
    .await?;
    ensure!(claimed.len() == batch.len(), "{} jobs of {} were claimed", claimed.len(), batch.len());
    let (pks, epochs) = claimed.into_iter().unzip();
    Ok((worker, pks, epochs))
}

/// Ends the jobs; what they came to.
async fn finish(
    connection: &mut PgConnection,
    batch: &[Job],
    (worker, pks, epochs): &(Uuid, Vec<i64>, Vec<i32>),
) -> Result<Outcome> {
    let pick = |succeeded: bool| -> Vec<usize> {
        (0..batch.len()).filter(|index| batch[*index].output.is_some() == succeeded).collect()
    };
    let arrays = |indices: &[usize]| -> (Vec<i64>, Vec<i32>) {
        indices.iter().map(|index| (pks[*index], epochs[*index])).unzip()
    };
    let succeeded = pick(true);
    let (done, done_epochs) = arrays(&succeeded);
    let outputs: Vec<Value> = succeeded.iter().filter_map(|index| batch[*index].output.clone()).collect();
    let mut results: Vec<String> = sqlx::query_scalar("SELECT result FROM jobs.complete($1, $2, $3, $4, $5)")
        .bind(worker)
        .bind(&done)
        .bind(done_epochs)
        .bind(&outputs)
        .bind(vec![json!({}); outputs.len()])
        .fetch_all(&mut *connection)
        .await?;
    let failed = pick(false);
    let (over, over_epochs) = arrays(&failed);
    let answers: Vec<String> = sqlx::query_scalar(
        "SELECT result FROM jobs.fail($1, $2, $3, array_fill('permanent_reported'::text, ARRAY[$4]),
            array_fill('declined'::text, ARRAY[$4]), array_fill(NULL::bigint, ARRAY[$4]), array_fill(true, ARRAY[$4]), NULL)",
    )
    .bind(worker)
    .bind(&over)
    .bind(over_epochs)
    .bind(i32::try_from(over.len())?)
    .fetch_all(&mut *connection)
    .await?;
    results.extend(answers);
    Ok((results, contents(connection).await?))
}

/// The same batch through both forms, each from the same state.
async fn both(connection: &mut PgConnection, batch: &[Job]) -> Result<(Outcome, Outcome)> {
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
    let claimed = claim(connection, batch).await?;
    sqlx::raw_sql("SAVEPOINT claimed; UPDATE jobs.tb_callback SET batch_function = NULL")
        .execute(&mut *connection)
        .await?;
    let each = finish(connection, batch, &claimed).await?;
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT claimed").execute(&mut *connection).await?;
    let together = finish(connection, batch, &claimed).await?;
    sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    Ok((each, together))
}

/// Random callbacks and batches: several jobs of a row, two tenants, rows of the wrong tenant, rows that are missing,
/// deleted or locked by somebody, outputs that cannot be read, and values that break a constraint.
#[tokio::test]
async fn plpgsql_check_and_a_batch_agree_with_callbacks_that_run_job_by_job() -> Result<()> {
    let (mut settled, mut set_aside) = (0, 0);
    for seed in 1..=PROJECTS {
        let mut random = Random::new(seed);
        let project = project(&mut random)?;
        let db = compiled::database(&project).await?;
        let report = plpgsql_check::check(&db).await?;
        ensure!(report.remarks.is_empty(), "{:#?}", report.remarks);
        // Row level security is forced upon the owner, and the comparison must see all.
        let mut connection = db.superuser().await?.context("a superuser is needed")?;
        fill(&mut connection).await?;
        let mut user = db.superuser().await?.context("a superuser is needed")?;
        for number in 0..BATCHES {
            let faults = *random.pick(&[0, 0, 5, 20]);
            let batch: Vec<Job> = (0..=random.below(14)).map(|_| Job::new(&mut random, faults)).collect();
            let mut blocked = user.begin().await?;
            if number == 0 {
                sqlx::query("SELECT FROM desk.tb_ticket WHERE pk_ticket = 1 FOR UPDATE").execute(&mut *blocked).await?;
            }
            let (each, together) = both(&mut connection, &batch).await?;
            blocked.rollback().await?;
            assert_eq!(each, together, "seed {seed}, batch {number}: {batch:#?}");
            set_aside += each.0.iter().filter(|result| *result == "callback_waiting").count();
            settled += each.0.iter().filter(|result| *result != "callback_waiting").count();
        }
    }
    assert!(settled > 150 && set_aside > 20, "{settled} callbacks succeeded, {set_aside} were set aside");
    Ok(())
}

/// A batch that runs in one statement or not at all: the functions for one job are taken away.
async fn together_or_not_at_all(preparation: &'static str) -> Result<(Vec<String>, Vec<String>)> {
    let mut random = Random::new(1);
    let project = project(&mut random)?;
    let db = compiled::database(&project).await?;
    let mut connection = db.superuser().await?.context("a superuser is needed")?;
    fill(&mut connection).await?;
    sqlx::raw_sql(preparation).execute(&mut connection).await?;
    let batch: Vec<Job> = (0..20).map(|_| Job::new(&mut random, 0)).collect();
    let claimed = claim(&mut connection, &batch).await?;
    let without = finish(&mut connection, &batch, &claimed).await?.0;
    let errors = sqlx::query_scalar("SELECT DISTINCT last_error FROM jobs.tb_job_callback").fetch_all(&mut connection);
    Ok((without, errors.await?))
}

#[tokio::test]
async fn a_batch_needs_no_call_of_the_function_for_one_job() -> Result<()> {
    let (results, errors) = together_or_not_at_all("UPDATE jobs.tb_callback SET function_name = 'gone'").await?;
    assert!(results.iter().all(|result| result == "completed" || result == "failed"), "{results:?}: {errors:?}");
    Ok(())
}

#[tokio::test]
async fn a_batch_that_was_in_a_deadlock_is_repeated() -> Result<()> {
    let (results, errors) = together_or_not_at_all(
        "UPDATE jobs.tb_callback SET function_name = 'gone';
        CREATE SEQUENCE public.tries;
        CREATE FUNCTION public.be_in_a_deadlock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF nextval('public.tries') IN (3, 6) THEN
                RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER tr_order BEFORE UPDATE ON sales.tb_order FOR EACH ROW EXECUTE FUNCTION public.be_in_a_deadlock();",
    )
    .await?;
    assert!(results.iter().all(|result| result == "completed" || result == "failed"), "{results:?}: {errors:?}");
    Ok(())
}
