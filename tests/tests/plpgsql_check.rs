//! `plpgsql_check` has nothing to say of any generated function.

use std::path::PathBuf;

use anyhow::Result;
use specql_compiler::{Compilation, internals::model::function::FUNCTIONS};
use specql_registry::scalars;
use specql_runtime::testing::TestDatabase;
use specql_tests::{app::repository, compiled, plpgsql_check};

fn everything() -> Result<Compilation> {
    compiled::files(&[
        ("entities/everything.yaml", include_str!("plpgsql_check/everything.yaml")),
        ("registry/service_registry.yaml", include_str!("plpgsql_check/services.yaml")),
    ])
}

/// Makes the project's database; every function of it is read, and nothing is said.
async fn nothing_is_said_of(project: &Compilation) -> Result<()> {
    nothing_is_said_with(project, "").await
}

/// The same, where the project calls functions that somebody made elsewhere.
async fn nothing_is_said_with(project: &Compilation, functions: &'static str) -> Result<()> {
    let database = compiled::database(project).await?;
    sqlx::raw_sql(functions).execute(database.pool()).await?;
    let report = plpgsql_check::check(&database).await?;
    assert!(report.remarks.is_empty(), "{:#?}", report.remarks);
    let actions: usize = project.model.entities.iter().map(|entity| entity.actions.len()).sum();
    assert!(report.functions > 20 + 2 * actions, "`app`, `jobs` and the actions are more than {}", report.functions);
    Ok(())
}

/// The shop, and every further example: all folders with entities.
#[tokio::test]
async fn plpgsql_check_passes_the_examples() -> Result<()> {
    let mut examples: Vec<PathBuf> = std::fs::read_dir(repository().join("examples"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    examples.retain(|folder| folder.join("entities").exists());
    examples.sort();
    assert!(examples.iter().any(|folder| folder.ends_with("shop")), "{examples:?}");
    for example in examples {
        nothing_is_said_of(&compiled::folder(&example)?).await?;
    }
    Ok(())
}

#[tokio::test]
async fn plpgsql_check_passes_the_template() -> Result<()> {
    nothing_is_said_of(&compiled::folder(&repository().join("template"))?).await
}

#[tokio::test]
async fn plpgsql_check_passes_the_entities_of_these_tests() -> Result<()> {
    let order = compiled::files(&[("entities/order.yaml", include_str!("sql_actions/order.yaml"))])?;
    nothing_is_said_of(&order).await
}

/// Every kind of step in every place, for one owner and for tenants.
#[tokio::test]
async fn plpgsql_check_passes_the_steps_of_the_depot() -> Result<()> {
    let mut depot = compiled::files(&[("entities/depot.yaml", include_str!("sql_steps/depot.yaml"))])?;
    let written = format!("{:?}", depot.model);
    for kind in [
        "Find {",
        "Foreach(",
        "Values {",
        "Rows {",
        "CallAction(",
        "CallFunction {",
        "Notify {",
        "Return(",
        "hard: true",
    ] {
        assert!(written.contains(kind), "the fixture lacks `{kind}`");
    }
    nothing_is_said_with(&depot, include_str!("sql_steps/functions.sql")).await?;
    depot.model.entities.iter_mut().for_each(|entity| entity.multi_tenant = true);
    nothing_is_said_with(&depot, include_str!("sql_steps/functions.sql")).await
}

#[tokio::test]
async fn plpgsql_check_passes_every_step_and_expression() -> Result<()> {
    let everything = everything()?;
    // The model's own words: what is missing here is not in the fixture.
    let written = format!("{:?}", everything.model);
    let kinds = [
        "Validate {",
        "Insert {",
        "Update {",
        "Delete {",
        "If {",
        "Reject {",
        "CallService(",
        "VarColumn {",
        "Column {",
        "Row(VarId",
        "Where(Expr",
        "Follow {",
        "PublicId(",
        "KeyOf {",
        "Input(",
        "JobId(",
        "Job(",
        "Output(",
        "Error(",
        "Unary(",
        "Binary(",
        "In {",
        "Like {",
        "Between {",
        "IsNull {",
        "Case {",
        "Delay(",
        "At(Expr",
        "negated: true",
        "Literal(Null",
        "Boolean(",
        "Integer(",
        "Decimal(",
        "Text(",
        "Json(",
        "wait: true",
        "UserCall {",
        "language: Sql",
        "language: Plpgsql",
    ];
    let functions = FUNCTIONS.iter().map(|function| format!("function: {:?}", function.name));
    for kind in kinds.iter().map(ToString::to_string).chain(functions) {
        assert!(written.contains(&kind), "the fixture lacks `{kind}`");
    }
    nothing_is_said_of(&everything).await
}

#[tokio::test]
async fn plpgsql_check_passes_every_type() -> Result<()> {
    let types = compiled::folder(&repository().join("tests/tests/types"))?;
    let written = format!("{:?}", types.model);
    for scalar in scalars::ALL {
        assert!(written.contains(&format!("name: {:?}, rust:", scalar.name)), "the fixture lacks `{}`", scalar.name);
    }
    nothing_is_said_of(&types).await
}

#[tokio::test]
async fn plpgsql_check_passes_every_step_with_tenants() -> Result<()> {
    let mut everything = everything()?;
    everything.model.entities.iter_mut().for_each(|entity| entity.multi_tenant = true);
    nothing_is_said_of(&everything).await
}

/// Loading the library by its path finds as much as the installed extension.
#[tokio::test]
async fn plpgsql_check_can_be_loaded_from_an_unpacked_package() -> Result<()> {
    let everything = everything()?;
    let by_path = plpgsql_check::check_by_path(&compiled::database(&everything).await?).await?;
    let installed = plpgsql_check::check(&compiled::database(&everything).await?).await?;
    assert!(by_path.remarks.is_empty(), "{:#?}", by_path.remarks);
    assert_eq!(by_path.functions, installed.functions);
    Ok(())
}

/// A check that cannot fail proves nothing.
#[tokio::test]
async fn plpgsql_check_sees_what_is_broken() -> Result<()> {
    let broken = "
        CREATE TABLE t (n integer);
        CREATE FUNCTION column_missing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET gone = 1; END $$;
        CREATE FUNCTION never_read(extra integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
        CREATE FUNCTION allowed(input integer) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN NULL; END $$;
        CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM n.gone FROM fresh AS n; RETURN NULL; END $$;
        CREATE TRIGGER tr AFTER INSERT ON t REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION on_change();
        CREATE FUNCTION untied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;";
    let database = TestDatabase::from_sql(broken).await?;
    let report = plpgsql_check::check(&database).await?;
    assert_eq!(report.functions, 5);
    for (function, words) in [
        ("column_missing()", "column \"gone\" of relation \"t\" does not exist"),
        ("never_read(integer)", "unused parameter \"extra\""),
        ("on_change()", "column n.gone does not exist"),
        ("untied()", "no trigger uses it"),
    ] {
        let found = |remark: &&String| remark.starts_with(function) && remark.contains(words);
        assert_eq!(report.remarks.iter().filter(found).count(), 1, "{function}: {:#?}", report.remarks);
    }
    assert!(!report.remarks.iter().any(|remark| remark.starts_with("allowed")), "{:#?}", report.remarks);
    Ok(())
}
