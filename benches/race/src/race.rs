//! The race: rounds, with the order rotated, a fresh database for each measurement.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, ensure};

use crate::{
    child::{Order, Step},
    cli::Plan,
    contender::{Entrant, Library},
    docs,
    report::Report,
    server::{Server, Template},
    workload::{Budget, Sample, Workload},
};

/// By contender and workload, a sample or the reason why there is none, one a round.
pub(crate) type Results = BTreeMap<(Entrant, Workload), Vec<Result<Sample, String>>>;

pub(crate) async fn run(plan: &Plan) -> anyhow::Result<()> {
    let mut budget = if plan.quick { Budget::QUICK } else { Budget::FULL };
    if let Some(jobs) = plan.jobs {
        (budget.jobs, budget.callback_jobs) = (jobs, budget.callback_jobs.min(jobs));
    }
    budget.rounds = plan.rounds.unwrap_or(budget.rounds);
    // Whole: a child's program is not looked for in the PATH.
    let before = plan.before.as_deref().map(Path::canonicalize).transpose().context("--before")?;
    let entrants = if plan.only.is_empty() {
        Entrant::all().into_iter().chain(before.is_some().then_some(Entrant::BEFORE)).collect()
    } else {
        plan.only.clone()
    };
    ensure!(before.is_some() || !entrants.contains(&Entrant::BEFORE), "{} needs --before", Entrant::BEFORE);
    let all = <Workload as clap::ValueEnum>::value_variants();
    let workloads = if plan.workloads.is_empty() { all } else { plan.workloads.as_slice() };

    let server = Server::open().await?;
    let facts = server.facts().await?;
    println!("{facts}\n{} jobs a drain, {} round(s)", budget.jobs, budget.rounds);
    let started = Instant::now();
    let mut results = Results::new();
    let mut templates = Templates { before, ..Templates::default() };
    for round in 0..budget.rounds {
        for &workload in workloads {
            let mut order: Vec<Entrant> = entrants.iter().copied().filter(|&entrant| workload.takes(entrant)).collect();
            // Whoever comes after a checkpoint, or finds the disk busy, is another one in each round.
            let turn = order.len().min(1) * round % order.len().max(1);
            order.rotate_left(turn);
            for entrant in order {
                let program = templates.program(entrant);
                let sample = match templates.of(&server, entrant, workload.limit()).await {
                    Ok(installed) => workload.measure(&server, installed, entrant, program, &budget).await,
                    Err(error) => Err(error),
                };
                let sample = sample.map_err(|error| format!("{error:#}"));
                println!("{:>6.0?} round {} {}", started.elapsed(), round + 1, line(entrant, workload, &sample));
                results.entry((entrant, workload)).or_default().push(sample);
            }
        }
    }
    for template in templates.made.into_values() {
        server.forget(template).await?;
    }
    let report = Report { facts, budget: &budget, results: &results };
    println!("\n{}", report.markdown());
    if plan.write {
        docs::write(&report)?;
    }
    let ours = results.iter().filter(|((entrant, _), _)| entrant.is_ours());
    ensure!(ours.flat_map(|(_, samples)| samples).all(Result::is_ok), "our own worker failed");
    Ok(())
}

/// Each library's tables are made once, and copied: awa alone takes seconds to make its own.
#[derive(Default)]
struct Templates {
    made: BTreeMap<(Library, bool, Option<u32>), Template>,
    /// The build from before, which makes its own.
    before: Option<PathBuf>,
}

impl Templates {
    /// What runs an entrant, where that is not this program.
    fn program(&self, entrant: Entrant) -> Option<PathBuf> {
        self.before.clone().filter(|_| entrant.before)
    }

    async fn of(&mut self, server: &Server, entrant: Entrant, limit: Option<u32>) -> anyhow::Result<&Template> {
        let program = self.program(entrant);
        match self.made.entry((entrant.library, entrant.before, limit)) {
            Entry::Occupied(installed) => Ok(installed.into_mut()),
            Entry::Vacant(place) => {
                let scratch = server.scratch(None).await?;
                let install = Order {
                    entrant,
                    step: Step::Install,
                    url: scratch.url.clone(),
                    jobs: 0,
                    seconds: 0.0,
                    limit,
                    program,
                };
                match install.spawn().await {
                    Ok(_) => Ok(place.insert(Server::keep(scratch).await)),
                    Err(error) => {
                        server.drop(scratch).await?;
                        Err(error)
                    }
                }
            }
        }
    }
}

fn line(entrant: Entrant, workload: Workload, sample: &Result<Sample, String>) -> String {
    let name = format!("{workload:?} {entrant}");
    match sample {
        Err(reason) => format!("{name}: failed: {reason}"),
        Ok(Sample { measured, fill }) => {
            let mut words =
                vec![format!("{} jobs in {:.1} s, {:.0} jobs/s", measured.jobs, measured.seconds, measured.rate())];
            if measured.cut {
                words.push("cut".into());
            }
            if let Some(fill) = fill {
                words.push(format!("enqueued {:.0} jobs/s", fill.rate()));
            }
            for (what, value) in [
                ("p50 ms", measured.p50_ms),
                ("p99 ms", measured.p99_ms),
                ("CPU %", measured.cpu_percent),
                ("peak MiB", measured.peak_mib),
                ("WAL bytes a job", measured.wal),
            ] {
                words.extend(value.map(|value| format!("{what} {value:.2}")));
            }
            format!("{name}: {}", words.join(", "))
        }
    }
}
