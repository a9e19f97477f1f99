//! Random projects: each compiles, loads, is clean, and its actions answer as they should.
//!
//! `SPECQL_PROPERTY_SEED=<n>` begins with another seed, `SPECQL_PROPERTY_PROJECTS=<n>` makes more or fewer. What fails is
//! printed with its seed, cut down.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod expressions;
mod input;
mod project;
mod run;
mod shrink;
mod steps;

use std::{collections::BTreeSet, env, time::Instant};

use project::Project;
use run::{Figures, compiled, run};

/// So many projects share a database.
const BATCH: usize = 20;

fn setting(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What is told of a project that failed.
fn told(project: &Project, what: &str) -> String {
    let tenants = if project.multi_tenant { ", multi-tenant" } else { "" };
    format!("seed {}{tenants}:\n{what}\n\n{}", project.seed, project.yaml())
}

/// A project in which the compiler finds mistakes, cut down.
fn refusal(project: &Project, said: &str) -> String {
    let first = |said: &str| said.lines().next().unwrap_or_default().to_owned();
    let smallest = shrink::shrink(project, 500, |smaller| {
        compiled(std::slice::from_ref(smaller)).err().is_some_and(|other| first(&other) == first(said))
    });
    let said = compiled(std::slice::from_ref(&smallest)).err().unwrap_or_default();
    told(&smallest, &said)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_projects_compile_load_pass_plpgsql_check_and_answer() {
    let began = Instant::now();
    let base = setting("SPECQL_PROPERTY_SEED", 1);
    let count = usize::try_from(setting("SPECQL_PROPERTY_PROJECTS", 200)).unwrap();
    let all: Vec<Project> = (0..count)
        .map(|number| Project::new(base.wrapping_mul(1_000_003).wrapping_add(number as u64), number % BATCH))
        .collect();
    let refused: Vec<(&Project, String)> =
        all.iter().filter_map(|project| Some((project, compiled(std::slice::from_ref(project)).err()?))).collect();
    if let Some((project, said)) = refused.first() {
        let titles: BTreeSet<&str> =
            refused.iter().flat_map(|(_, said)| said.lines()).filter(|line| line.starts_with("error")).collect();
        let titles: Vec<&str> = titles.into_iter().take(30).collect();
        panic!(
            "{} of {count} are refused; the first:\n{}\nall:\n{}",
            refused.len(),
            refusal(project, said),
            titles.join("\n")
        );
    }

    let tasks: Vec<_> = all
        .chunks(BATCH)
        .map(|batch| {
            let batch = batch.to_vec();
            tokio::spawn(async move {
                let project = compiled(&batch).map_err(anyhow::Error::msg)?;
                let (figures, failures) = run(&batch, &project).await?;
                Ok::<_, anyhow::Error>((figures, failures, batch))
            })
        })
        .collect();
    let mut sum = Figures::default();
    let mut failed = Vec::new();
    for task in tasks {
        let (figures, failures, batch) = task.await.unwrap().unwrap();
        sum.actions += figures.actions;
        sum.good += figures.good;
        sum.succeeded += figures.succeeded;
        sum.bad += figures.bad;
        sum.callbacks += figures.callbacks;
        sum.functions += figures.functions;
        for failure in failures {
            let project = batch.iter().find(|project| project.schema == failure.schema);
            failed.push((project.cloned(), failure.what));
        }
    }
    println!("{count} projects in {:.0?}: {sum:?}", began.elapsed());
    if let Some((project, what)) = failed.first() {
        let mut kinds = BTreeSet::new();
        let others: Vec<&str> =
            failed.iter().map(|(_, what)| what.as_str()).filter(|what| kinds.insert(kind(what))).take(20).collect();
        let first = match project {
            Some(project) => told(&smallest(project, what).await, what),
            None => what.clone(),
        };
        panic!("{} failures; the first:\n{first}\nand:\n{}", failed.len(), others.join("\n"));
    }
}

/// What two failures have in common that are one: the words, without names and numbers.
fn kind(what: &str) -> String {
    let words = match what.split_once(", line ") {
        Some((_, remark)) => remark,
        None => what.rsplit_once("}: ").map_or(what, |(_, rest)| rest).trim_start_matches(|c: char| c != ':'),
    };
    words.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(40).collect()
}

/// The project cut down, while it fails in a like manner.
async fn smallest(project: &Project, what: &str) -> Project {
    let mut smallest = project.clone();
    let mut left = 60;
    'again: loop {
        for candidate in shrink::smaller(&smallest) {
            let Ok(compilation) = compiled(std::slice::from_ref(&candidate)) else { continue };
            if left == 0 {
                return smallest;
            }
            left -= 1;
            if let Ok((_, failures)) = run(std::slice::from_ref(&candidate), &compilation).await
                && failures.iter().any(|failure| kind(&failure.what) == kind(what))
            {
                smallest = candidate;
                continue 'again;
            }
        }
        return smallest;
    }
}
