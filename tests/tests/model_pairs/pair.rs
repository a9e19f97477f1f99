//! One pair: there and back again, with rows in the tables.

use anyhow::{Error, Result};
use specql_compiler::internals::{migrations::MigrationPart, model::Model, sql::ObjectKind};
use specql_tests::{
    locks::Rules,
    migrations::{Build, apply, undo},
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    catalog::{self, Catalog},
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
    /// What is done to the second project, which makes a third of it; of most pairs nothing.
    pub(crate) then: Vec<Edit>,
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
    /// References of rows that another target was wanted for.
    pub(crate) retargeted: usize,
    /// Pairs with a third project.
    pub(crate) thirds: usize,
    /// Which of [`SHOULD_BE_SEEN`] steps held.
    pub(crate) seen: [bool; SHOULD_BE_SEEN.len()],
}

/// What the steps of many pairs hold, or the pairs are too simple.
pub(crate) const SHOULD_BE_SEEN: [&str; 22] = [
    "-- allowed: add_column:",
    "-- allowed: add_constraint:",
    "-- allowed: change_type:",
    "-- allowed: drop_column:",
    "-- allowed: drop_schema:",
    "-- allowed: drop_table:",
    "-- allowed: set_not_null:",
    "-- allowed: unique_index:",
    "COMMENT ON SCHEMA",
    "CREATE INDEX CONCURRENTLY",
    "CREATE UNIQUE INDEX CONCURRENTLY",
    "CREATE TABLE jobs.tb_callback",
    "DROP SCHEMA jobs",
    "DISABLE ROW LEVEL SECURITY",
    "ENABLE ROW LEVEL SECURITY",
    "INSERT INTO jobs.tb_callback",
    "INSERT INTO jobs.tb_schedule",
    "RENAME COLUMN",
    "RENAME TO",
    "SET DEFAULT",
    "SET SCHEMA",
    "UPDATE jobs.tb_callback SET retired_at",
];

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
    pub(crate) third: Option<Build>,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.equal += other.equal;
        self.files += other.files;
        self.tables += other.tables;
        self.calls += other.calls;
        self.thirds += other.thirds;
        self.retargeted += other.retargeted;
        for (seen, also) in self.seen.iter_mut().zip(other.seen) {
            *seen |= also;
        }
    }
}

impl Pair {
    pub(crate) fn after(&self) -> Project {
        settled(&self.before, edited(&self.before, &self.edits))
    }

    fn third(&self) -> Option<Project> {
        let after = self.after();
        (!self.then.is_empty()).then(|| settled(&after, edited(&after, &self.then)))
    }

    /// Builds each project in the folder of the one before, which is sealed first.
    pub(crate) fn build(&self) -> Result<Built, Failure> {
        let after = self.after();
        let mut folder = Base::of(has_queue(&self.before)).folder.clone();
        let at = |at: &'static str| move |error: Error| failed(at, "", error);
        let files = self.before.files(None);
        let first = folder.build(&files).map_err(at("the first build"))?;
        if !first.step.is_empty() {
            folder.seal(&files, &first.schema).map_err(at("the seal"))?;
        }
        let files = after.files(Some(&self.before));
        let second = folder.build(&files).map_err(at("the second build"))?;
        let Some(third) = self.third() else { return Ok(Built { after, first, second, third: None }) };
        if !second.step.is_empty() {
            folder.seal(&files, &second.schema).map_err(at("the second seal"))?;
        }
        let third = folder.build(&third.files(Some(&after))).map_err(at("the third build"))?;
        Ok(Built { after, first, second, third: Some(third) })
    }
}

impl Built {
    /// The texts of the steps.
    fn told(&self) -> String {
        let steps = self.second.step.iter().chain(self.third.iter().flat_map(|third| &third.step));
        steps.map(|part| part.sql.as_str()).collect::<Vec<_>>().join("\n")
    }

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

    /// What the build's database is when it is made afresh.
    async fn fresh(&mut self, build: &Build) -> Result<Catalog> {
        self.with_queue(build.compilation.model.uses_jobs).await?.fresh(&build.schema).await
    }

    /// Whether the step from one build to the next keeps anybody waiting.
    fn judge(&mut self, before: &Build, build: &Build) -> Result<()> {
        let texts: Vec<&str> = build.step.iter().map(|part| part.sql.as_str()).collect();
        let sins = self.rules.sins(&before.schema, &texts).map_err(Error::msg)?;
        let said: Vec<String> = sins.iter().map(|sin| format!("{}: {}", sin.rule, sin.statement)).collect();
        anyhow::ensure!(sins.is_empty(), "{}", said.join("\n"));
        Ok(())
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

    async fn try_built(&mut self, pair: &Pair, built: &Built) -> Result<Figures, Failure> {
        let Built { after, first, second, third } = built;
        let step = built.told();
        let at = |at: &'static str| {
            let step = step.clone();
            move |error: Error| failed(at, &step, error)
        };
        let mut steps = vec![(first, second)];
        steps.extend(third.iter().map(|third| (second, third)));
        for (before, build) in steps {
            self.judge(before, build).map_err(at("the locks"))?;
        }
        let fresh = self.fresh(second).await.map_err(at("the second project afresh"))?;
        let fresh_third = match third {
            Some(third) => Some((third, self.fresh(third).await.map_err(at("the third project afresh"))?)),
            None => None,
        };
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
        let retargeted = rows::retargeted(&pair.before, after, &filled);
        let refused = second.allowed.iter().filter(|id| id.starts_with("change_target:")).count();
        same(if refused < retargeted { "a reference changes its target, and nobody was asked" } else { "" })
            .map_err(at("the references"))?;
        let kept = rows::read(connection, other, &pair.before, &filled).await.map_err(at("the rows after the step"))?;
        same_values(&kept, &values).map_err(at("the rows after the step"))?;
        let calls = in_vain(connection, &second.compilation.model, after).await.map_err(at("the actions"))?;
        let lossy = rows::is_lossy(&pair.before, after, &filled);
        if lossy {
            undone_in_vain(connection, &second.step)
                .await
                .map_err(at("the reverse over rows that it has no values for"))?;
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
        if let Some((third, fresh)) = fresh_third {
            rows::empty(connection, &first.compilation.model).await.map_err(at("the rows"))?;
            apply(connection, &second.step).await.map_err(at("the step once more"))?;
            apply(connection, &third.step).await.map_err(at("the third step"))?;
            let last = catalog::read(connection).await.map_err(at("the third catalog"))?;
            same(&last.differences(&fresh)).map_err(at("the third step's result"))?;
            undo(connection, &third.step).await.map_err(at("the third step's reverse"))?;
            let again = catalog::read(connection).await.map_err(at("the second catalog"))?;
            same(&again.differences(&now)).map_err(at("the third step's reverse"))?;
            undo(connection, &second.step).await.map_err(at("the reverse once more"))?;
        }
        undo(connection, &first.step).await.map_err(at("the first migration's reverse"))?;
        let nothing = catalog::read(connection).await.map_err(at("the empty catalog"))?;
        same(&nothing.differences(&empty)).map_err(at("the first migration's reverse"))?;
        Ok(Figures {
            pairs: 1,
            equal: usize::from(second.step.is_empty()),
            files: second.step.len(),
            thirds: usize::from(third.is_some()),
            retargeted,
            seen: SHOULD_BE_SEEN.map(|text| step.contains(text)),
            tables: filled.len(),
            calls,
        })
    }
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

/// Undoes a step in a transaction that nobody sees: that it can be done is all that is asked.
async fn undone_in_vain(connection: &mut PgConnection, step: &[MigrationPart]) -> Result<()> {
    let mut transaction = connection.begin().await?;
    undo(&mut transaction, step).await?;
    Ok(transaction.rollback().await?)
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
            "seed {}: {}: {}\n\nedits: {:#?}\nthen: {:#?}\nservice: {} → {}, multi-tenant: {:?} → {:?}\n\n--- before\n{}\n--- after\n{}\n--- then\n{}\n--- the steps\n{}",
            pair.seed,
            self.at,
            self.what,
            pair.edits,
            pair.then,
            pair.before.service,
            after.service,
            pair.before.multi_tenant,
            after.multi_tenant,
            pair.before.yaml(None),
            after.yaml(Some(&pair.before)),
            pair.third().map(|third| third.yaml(Some(&after))).unwrap_or_default(),
            self.step,
        )
    }
}
