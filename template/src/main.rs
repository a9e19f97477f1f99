//! {{project-name}}: a guest is welcomed, a service is called, its answer is written back.

mod greeter;

use specql_runtime::{Database, Job, Worker};

specql_macros::specql!(); // modules: entities, services, actions, enqueue; and the static PROJECT

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let db = Database::open(&PROJECT).await?; // DATABASE_URL, else an embedded PostgreSQL
    db.migrate().await?;
    let worker = Worker::builder(&db).environment("dev").env("GREETER_URL", greeter::start().await?).start().await?;

    // One transaction inserts the guest and queues the call.
    let input = actions::guest::WelcomeGuest::builder().name("Ada".to_owned()).build();
    let welcomed = actions::guest::welcome_guest(input).send(&db).await?;

    // The worker calls the service; the callback writes the answer into the guest's row.
    let job = Job::<services::greeter::Greet>::from_id(welcomed.jobs[0].job_id);
    println!("the greeter answered: {}", job.outcome(&db).await?.text);

    worker.shutdown().await?;
    Ok(())
}
