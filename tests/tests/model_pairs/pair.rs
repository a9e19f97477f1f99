//! One pair: there and back again, with rows in the tables.

use anyhow::{Error, Result};
use specql_compiler::{model::Model, sql::ObjectKind};
use specql_tests::{
    locks::{Rules, Sin},
    migrations::{Build, apply, undo},
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    catalog,
    database::{Base, Database},
    edit::{Edit, edited, settled},
    project::Project,
    rows,
};

/// A project and what is done to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) seed: u64,
    pub(crate) before: Project,
    pub(crate) edits: Vec<Edit>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) pairs: usize,
    /// Pairs that do not differ for a database.
    pub(crate) equal: usize,
    /// Files of steps.
    pub(crate) files: usize,
    /// Tables that held rows.
    pub(crate) tables: usize,
    /// Actions that were called after the step.
    pub(crate) calls: usize,
}

/// Why a pair failed: at which point, and how.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) at: &'static str,
    pub(crate) what: String,
    /// The step from the first project to the second.
    pub(crate) step: String,
}

/// Both sides of a pair, built.
pub(crate) struct Built {
    pub(crate) after: Project,
    pub(crate) first: Build,
    pub(crate) second: Build,
}

impl Figures {
    pub(crate) const fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.equal += other.equal;
        self.files += other.files;
        self.tables += other.tables;
        self.calls += other.calls;
    }
}

impl Pair {
    pub(crate) fn of(seed: u64) -> Self {
        let (before, edits) = crate::generate::pair(seed);
        Self { seed, before, edits }
    }

    pub(crate) fn after(&self) -> Project {
        settled(&self.before, edited(&self.before, &self.edits))
    }

    /// Builds the first project, seals it, and builds the second in the same folder.
    pub(crate) fn build(&self) -> Result<Built, Failure> {
        let after = self.after();
        let mut folder = Base::of(has_queue(&self.before)).folder.clone();
        let at = |at: &'static str| move |error: Error| failed(at, "", error);
        let files = self.before.files(None);
        let first = folder.build(&files).map_err(at("the first build"))?;
        if !first.step.is_empty() {
            folder.seal(&files, &first.schema).map_err(at("the seal"))?;
        }
        let second = folder.build(&after.files(Some(&self.before))).map_err(at("the second build"))?;
        Ok(Built { after, first, second })
    }
}

impl Built {
    /// Whether every callback of the first project is one of the second.
    pub(crate) fn retires_nothing(&self) -> bool {
        let registrations = |build: &'_ Build| {
            let data = build.schema.objects.iter().filter(|object| object.kind == ObjectKind::Data);
            data.map(|object| object.name.clone()).collect::<Vec<_>>()
        };
        let after = registrations(&self.second);
        registrations(&self.first).iter().all(|name| name.starts_with("schedule ") || after.contains(name))
    }
}

/// Whether it has the queue: by a service, by a call of it, or by a schedule.
pub(crate) fn has_queue(project: &Project) -> bool {
    project.service || project.entities.iter().any(|entity| entity.schedule.is_some())
}

fn failed(at: &'static str, step: &str, error: Error) -> Failure {
    // The cause first: before it stands the whole text that the database refused.
    Failure { at, what: format!("{}\n{error:#}", error.root_cause()), step: step.to_owned() }
}

/// What one task tries its pairs with.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Without the queue and with it, made when they are wanted.
    databases: [Option<Database>; 2],
    rules: Rules,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { databases: [None, None], rules: Rules::start() }
    }

    async fn with_queue(&mut self, queue: bool) -> Result<&mut Database> {
        let database = &mut self.databases[usize::from(queue)];
        if database.is_none() {
            *database = Some(Database::new(queue).await?);
        }
        Ok(database.as_mut().expect("it was just made"))
    }

    /// Tries the pair.
    pub(crate) async fn run(&mut self, pair: &Pair) -> Result<Figures, Failure> {
        let built = pair.build()?;
        let outcome = self.try_built(pair, &built).await;
        if outcome.is_err() {
            // Whatever it left behind.
            self.databases = [None, None];
        }
        outcome
    }

    async fn try_built(&mut self, pair: &Pair, Built { after, first, second }: &Built) -> Result<Figures, Failure> {
        let texts: Vec<&str> = second.step.iter().map(|part| part.sql.as_str()).collect();
        let step = texts.join("\n");
        let at = |at: &'static str| {
            let step = step.clone();
            move |error: Error| failed(at, &step, error)
        };
        let sins = self.rules.sins(&first.schema, &texts).map_err(Error::msg).map_err(at("the grammar"))?;
        none(&sins).map_err(at("the locks"))?;
        let fresh = async {
            let queue = second.compilation.model.uses_jobs;
            self.with_queue(queue).await?.fresh(&second.schema).await
        };
        let fresh = fresh.await.map_err(at("the second project afresh"))?;
        let database = self.with_queue(has_queue(&pair.before)).await.map_err(at("a database"))?;
        let empty = database.catalog.clone();
        let connection = &mut *database.connection;

        apply(connection, &first.step).await.map_err(at("the first migration"))?;
        let before = catalog::read(connection).await.map_err(at("the first catalog"))?;
        let (one, other) = ((&pair.before, &first.compilation.model), (after, &second.compilation.model));
        let filled = rows::filled(&pair.before, after);
        rows::act_for(connection, true).await.map_err(at("the tenant"))?;
        rows::insert(connection, one, after, &filled).await.map_err(at("the rows"))?;
        let values = rows::read(connection, one, after, &filled).await.map_err(at("the rows"))?;
        rows::act_for(connection, false).await.map_err(at("the tenant"))?;

        apply(connection, &second.step).await.map_err(at("the step"))?;
        let now = catalog::read(connection).await.map_err(at("the second catalog"))?;
        same(&now.differences(&fresh)).map_err(at("the step's result"))?;
        rows::act_for(connection, true).await.map_err(at("the tenant"))?;
        let kept = rows::read(connection, other, &pair.before, &filled).await.map_err(at("the rows after the step"))?;
        same_values(&kept, &values).map_err(at("the rows after the step"))?;
        let calls = in_vain(connection, &second.compilation.model, after).await.map_err(at("the actions"))?;
        let lossy = rows::is_lossy(&pair.before, after, &filled);
        if lossy {
            rows::empty(connection, &second.compilation.model).await.map_err(at("the rows"))?;
        }
        rows::act_for(connection, false).await.map_err(at("the tenant"))?;

        undo(connection, &second.step).await.map_err(at("the reverse"))?;
        let again = catalog::read(connection).await.map_err(at("the first catalog"))?;
        same(&again.differences(&before)).map_err(at("the reverse's result"))?;
        if !lossy {
            rows::act_for(connection, true).await.map_err(at("the tenant"))?;
            let kept: Vec<usize> = filled.iter().copied().filter(|key| after.entity(*key).is_some()).collect();
            let back = rows::read(connection, one, after, &kept).await.map_err(at("the rows after the reverse"))?;
            let values = values.into_iter().filter(|(key, _)| kept.contains(key)).collect();
            same_values(&back, &values).map_err(at("the rows after the reverse"))?;
            rows::act_for(connection, false).await.map_err(at("the tenant"))?;
        }
        undo(connection, &first.step).await.map_err(at("the first migration's reverse"))?;
        let nothing = catalog::read(connection).await.map_err(at("the empty catalog"))?;
        same(&nothing.differences(&empty)).map_err(at("the first migration's reverse"))?;
        Ok(Figures {
            pairs: 1,
            equal: usize::from(second.step.is_empty()),
            files: second.step.len(),
            tables: filled.len(),
            calls,
        })
    }
}

fn none(sins: &[Sin]) -> Result<()> {
    let said: Vec<String> = sins.iter().map(|sin| format!("{}: {}", sin.rule, sin.statement)).collect();
    anyhow::ensure!(sins.is_empty(), "{}", said.join("\n"));
    Ok(())
}

fn same(differences: &str) -> Result<()> {
    anyhow::ensure!(differences.is_empty(), "{differences}");
    Ok(())
}

/// Rows of entities that are gone are gone with them.
fn same_values(now: &rows::Values, before: &rows::Values) -> Result<()> {
    for (key, rows) in now {
        anyhow::ensure!(before.get(key) == Some(rows), "entity {key} held {:?} and holds {rows:?}", before.get(key));
    }
    Ok(())
}

/// Calls actions in a transaction that nobody sees.
async fn in_vain(connection: &mut PgConnection, model: &Model, project: &Project) -> Result<usize> {
    let mut transaction = connection.begin().await?;
    let called = rows::create(&mut transaction, project, model).await?;
    transaction.rollback().await?;
    Ok(called)
}

impl Failure {
    pub(crate) fn in_a_line(&self, pair: &Pair) -> String {
        let words: String = self.what.lines().next().unwrap_or_default().chars().take(200).collect();
        format!("seed {}: {}: {words}", pair.seed, self.at)
    }

    /// For people.
    pub(crate) fn told(&self, pair: &Pair) -> String {
        let after = pair.after();
        format!(
            "seed {}: {}: {}\n\nedits: {:#?}\nservice: {} → {}, multi-tenant: {:?} → {:?}\n\n--- before\n{}\n--- after\n{}\n--- the step\n{}",
            pair.seed,
            self.at,
            self.what,
            pair.edits,
            pair.before.service,
            after.service,
            pair.before.multi_tenant,
            after.multi_tenant,
            pair.before.yaml(None),
            after.yaml(Some(&pair.before)),
            self.step,
        )
    }
}
