//! `specql migrate roles`: what the roles should have and have not.
//!
//! Migrations make the roles and grant them what they need, where they may. Where the owner may not create roles, somebody
//! else makes them later, and this gives them what the migrations could not.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use specql_compiler::internals::sql::roles::{self, Grant, Role};
use specql_runtime::database::roles::{Right, Standing, apply, existing, standings};
use sqlx::PgPool;

use crate::{commands::count, project};

pub(super) fn run(dir: &Path, print: bool, apply: bool) -> anyhow::Result<ExitCode> {
    let found = project::read_sound(dir)?;
    let model = &found.compilation.model;
    let (wanted_roles, wanted) = (roles::of_project(model).collect::<Vec<_>>(), roles::grants(model));
    let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
    let Some(url) = url.filter(|_| !print) else {
        if apply {
            bail!("`--apply` needs a database: set `DATABASE_URL`");
        }
        print_all(&wanted_roles, &wanted);
        return Ok(ExitCode::SUCCESS);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(&url, &wanted_roles, &wanted, apply))
}

/// For somebody who has no access to the project.
fn print_all(wanted_roles: &[Role], wanted: &[Grant]) {
    println!(
        "-- The roles of this project, and what they may do. To be run after its migrations, by somebody who may create"
    );
    println!("-- roles and grant rights on the project's objects; it can be run again.");
    for role in wanted_roles {
        println!("\n-- {}: {}.\n{};", role.name(), role.description(), role.statement());
        for grant in wanted.iter().filter(|grant| grant.role == *role) {
            println!("{};", grant.statement());
        }
    }
}

async fn compare(url: &str, wanted_roles: &[Role], wanted: &[Grant], applies: bool) -> anyhow::Result<ExitCode> {
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(url).await.context("the database of `DATABASE_URL` cannot be reached")?;
    if applies {
        // By themselves: who may make roles is often not the owner, and may not even look at what they are granted.
        let missing = missing_roles(&pool, wanted_roles).await?;
        let statements: Vec<String> = missing.iter().map(|role| role.statement()).collect();
        apply(&pool, &statements).await.context(
            "the roles could not be made, and nothing was applied; connect as a role that may create roles, or let somebody run \
             `specql migrate roles --print`",
        )?;
        for role in missing {
            eprintln!("made role {}", role.name());
        }
    }
    let (missing, absent) = missing(&pool, wanted_roles, wanted).await.context(
        "what the roles have cannot be looked up as this role; connect as the objects' owner or as a superuser, and run it again",
    )?;
    let not_migrated = absent == wanted.len();
    if not_migrated {
        eprintln!(
            "this database is not migrated: it has none of the project's objects. Is `DATABASE_URL` the right one? Migrations grant what \
             is missing, to roles that are there by then"
        );
    } else if absent > 0 {
        eprintln!(
            "{} on objects that this database does not have yet: the migrations that make them give them",
            count(absent, "grant is", "grants are")
        );
    }
    let ended = if not_migrated { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if missing.is_empty() {
        match absent {
            0 => println!("-- the roles have everything that they need"),
            _ if not_migrated => {}
            _ => println!("-- the roles have everything that they need on the objects that are there"),
        }
        return Ok(ended);
    }
    for statement in &missing {
        println!("{statement};");
    }
    let statements = count(missing.len(), "statement", "statements");
    if !applies {
        eprintln!("{statements} missing: `specql migrate roles --apply` runs them, as the role of `DATABASE_URL`");
        return Ok(ExitCode::FAILURE);
    }
    apply(&pool, &missing).await.context(
        "nothing was applied; connect as a role that may create roles and grant rights on the project's objects, or let \
         somebody run what is printed above",
    )?;
    let (left, _) = self::missing(&pool, wanted_roles, wanted).await?;
    if !left.is_empty() {
        bail!(
            "{} without effect, the first being `{}`: the role of `DATABASE_URL` may not grant this; connect as the objects' \
             owner or as a superuser",
            count(left.len(), "statement was", "statements were"),
            left[0]
        );
    }
    eprintln!("applied {statements}");
    Ok(ended)
}

async fn missing_roles(pool: &PgPool, wanted: &[Role]) -> anyhow::Result<Vec<Role>> {
    let there = existing(pool).await.context("the server's roles cannot be looked up")?;
    Ok(wanted.iter().copied().filter(|role| !there.iter().any(|name| name == role.name())).collect())
}

/// The statements that are missing, and how many grants are on objects that are not there.
async fn missing(pool: &PgPool, wanted_roles: &[Role], wanted: &[Grant]) -> anyhow::Result<(Vec<String>, usize)> {
    let rights: Vec<Right<'_>> = (wanted.iter())
        .map(|grant| Right {
            role: grant.role.name(),
            privilege: grant.privilege.name(),
            columns: &grant.columns,
            kind: grant.privilege.kind(),
            object: &grant.object,
        })
        .collect();
    let standings = standings(pool, &rights).await.context("the roles' rights cannot be looked up")?;
    let pairs: Vec<(&Grant, Standing)> = wanted.iter().zip(standings).collect();
    let mut statements = Vec::new();
    for role in wanted_roles {
        let of_role = || pairs.iter().filter(|(grant, _)| grant.role == *role);
        if of_role().any(|(_, standing)| !standing.role_exists) {
            statements.push(role.statement());
        }
        let missing = of_role().filter(|(_, standing)| standing.object_exists && !standing.held);
        statements.extend(missing.map(|(grant, _)| grant.statement()));
    }
    let absent = pairs.iter().filter(|(_, standing)| !standing.object_exists).count();
    Ok((statements, absent))
}
