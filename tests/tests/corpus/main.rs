//! The corpus: every application compiles, loads, is clean, and its actions do what `cases.yaml` says.
#![allow(clippy::unwrap_used)] // a helper that cannot go on ends its test

mod cases;
mod coverage;
mod session;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use cases::{Case, Cases};
use session::{Session, fits};
use specql_compiler::internals::model::Model;
use specql_runtime::testing::TestDatabase;
use specql_tests::{
    corpus::{App, apps},
    plpgsql_check,
};
use sqlx::Connection as _;

/// Every case of an application, each in a transaction that nobody sees; what went wrong.
async fn run(app: &App, model: &Model, database: &TestDatabase) -> Result<(usize, Vec<String>)> {
    let cases = Cases::of(app)?;
    let mut connection = database.pool().acquire().await?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (action, listed) in &cases.actions {
        let all = listed.good.iter().map(|case| (case, true)).chain(listed.bad.iter().map(|case| (case, false)));
        for (case, good) in all {
            count += 1;
            let mut transaction = connection.begin().await?;
            let mut session = Session::new(&mut transaction, model, &cases, case);
            if let Err(error) = session.run(action, case, good).await {
                wrong.push(format!("{}, {action}: {}: {error:#}", app.name, case.does));
            }
            transaction.rollback().await?;
        }
    }
    wrong.extend(missing(&cases, model).into_iter().map(|what| format!("{}: {what}", app.name)));
    Ok((count, wrong))
}

/// Actions that lack a good or a bad case, and cases of no action.
fn missing(cases: &Cases, model: &Model) -> Vec<String> {
    let actions: BTreeSet<&str> =
        model.entities.iter().flat_map(|entity| &entity.actions).map(|action| action.wrapper.as_str()).collect();
    let lacks = |action: &str, of: fn(&cases::ActionCases) -> &Vec<Case>| {
        cases.actions.get(action).is_none_or(|listed| of(listed).is_empty())
    };
    let good = actions.iter().filter(|action| lacks(action, |listed| &listed.good));
    let bad = actions.iter().filter(|action| lacks(action, |listed| &listed.bad));
    let unknown = cases.actions.keys().filter(|action| !actions.contains(action.as_str()));
    good.map(|action| format!("`{action}` has no good case"))
        .chain(bad.map(|action| format!("`{action}` has no bad case")))
        .chain(unknown.map(|action| format!("there is no action `{action}`")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_does_what_its_cases_say() -> Result<()> {
    let tasks: Vec<_> = apps()?
        .into_iter()
        .map(|app| {
            tokio::spawn(async move {
                let project = app.compile()?;
                let database = app.database(&project).await?;
                run(&app, &project.model, &database).await.with_context(|| app.name.clone())
            })
        })
        .collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for task in tasks {
        match task.await? {
            Ok((cases, mistakes)) => {
                count += cases;
                wrong.extend(mistakes);
            }
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

#[tokio::test]
async fn plpgsql_check_passes_the_corpus() -> Result<()> {
    for app in apps()? {
        let project = app.compile()?;
        let report = plpgsql_check::check(&app.database(&project).await?).await?;
        assert!(report.remarks.is_empty(), "{}: {:#?}", app.name, report.remarks);
    }
    Ok(())
}

#[test]
fn expectations_are_compared_by_their_members() {
    let found = serde_json::json!({"a": [1, {"b": null}], "c": "x"});
    for (expected, yes) in [
        (serde_json::json!({"a": [1, {"b": null}]}), true),
        (serde_json::json!({"c": "*"}), true),
        (serde_json::json!({"a": [1, {"b": "*"}]}), false),
        (serde_json::json!({"a": [1]}), false),
        (serde_json::json!({"d": null}), false),
    ] {
        assert_eq!(fits(&expected, &found), yes, "{expected}");
    }
}
