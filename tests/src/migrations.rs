//! A project's migrations folder in memory, and its steps on a database.

use anyhow::{Context as _, Result, bail, ensure};
use specql_compiler::{
    Compilation, Diagnostic, Mode, SourceFile, SourceKind, Sources, compile,
    internals::{
        migrations::{MigrationPart, allow, history, seal, squash},
        outputs::Edit,
        sql::{self, Schema},
    },
    render,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const MIGRATIONS: &str = "migrations";

/// What lies in `migrations/`.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    files: Vec<SourceFile>,
}

/// A project as it was built beside such a folder.
#[derive(Debug)]
pub struct Build {
    /// The project.
    pub compilation: Compilation,
    /// Its database.
    pub schema: Schema,
    /// Ids of the hazards that had to be allowed.
    pub allowed: Vec<String>,
    /// The files of the open step: none where nothing has changed.
    pub step: Vec<MigrationPart>,
}

impl Folder {
    /// Compiles the project of these files and lets its build write here. All that can be allowed is allowed.
    ///
    /// # Errors
    /// When the project has mistakes, or its change cannot be worked out.
    pub fn build(&mut self, project: &[SourceFile]) -> Result<Build> {
        let sources = self.sources(project);
        let compilation = compile(&sources);
        if compilation.has_errors() {
            bail!("the project does not compile:\n{}", said(&compilation.diagnostics, &sources));
        }
        let schema = sql::schema(&compilation.model);
        let build = |sources: &Sources| history(sources, MIGRATIONS, Some(&schema), &Mode::Write);
        let mut found = build(&sources);
        if !found.diagnostics.is_empty() {
            let ids: Vec<&str> = found.hazards.iter().map(|hazard| hazard.id.as_str()).collect();
            let refused = || said(&found.diagnostics, &sources);
            let edits =
                allow(&sources, MIGRATIONS, &found.hazards, &ids).map_err(anyhow::Error::msg).with_context(refused)?;
            self.apply(&edits);
            let sources = self.sources(project);
            found = build(&sources);
            ensure!(found.diagnostics.is_empty(), "all is allowed: {}", said(&found.diagnostics, &sources));
        }
        self.apply(&found.edits);
        let step = found.migrations.into_iter().filter(|migration| migration.open).collect();
        Ok(Build { compilation, schema, allowed: found.allowed, step })
    }

    /// Seals the open step of a project that was built here.
    ///
    /// # Errors
    /// When nothing is open.
    pub fn seal(&mut self, project: &[SourceFile], schema: &Schema) -> Result<()> {
        let (_, edits) = seal(&self.sources(project), MIGRATIONS, schema, None).map_err(anyhow::Error::msg)?;
        self.apply(&edits);
        Ok(())
    }

    /// Squashes what is sealed into a baseline.
    ///
    /// # Errors
    /// When there is nothing to squash.
    pub fn squash(&mut self, project: &[SourceFile], schema: &Schema) -> Result<()> {
        let (_, edits) = squash(&self.sources(project), MIGRATIONS, schema, None).map_err(anyhow::Error::msg)?;
        self.apply(&edits);
        Ok(())
    }

    /// All migrations, as a binary that is built now has them.
    #[must_use]
    pub fn migrations(&self, project: &[SourceFile], schema: &Schema) -> Vec<MigrationPart> {
        history(&self.sources(project), MIGRATIONS, Some(schema), &Mode::Write).migrations
    }

    fn sources(&self, project: &[SourceFile]) -> Sources {
        Sources::new(self.files.iter().chain(project).cloned().collect())
    }

    fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            let (Edit::Write { path: changed, .. } | Edit::Remove { path: changed }) = edit;
            self.files.retain(|file| file.path != *changed);
            if let Edit::Write { path, text } = edit {
                let kind = if path.ends_with("lock") { SourceKind::Lock } else { SourceKind::Migration };
                self.files.push(SourceFile::new(path, text, kind));
            }
        }
    }
}

/// An entity file (`entities/….yaml`) or a registry file (`registry/….yaml`).
#[must_use]
pub fn file(path: &str, text: impl Into<String>) -> SourceFile {
    let kind = match path {
        _ if path.starts_with("registry/") => SourceKind::Registry,
        _ if path.ends_with(".sql") => SourceKind::Body,
        _ => SourceKind::Entities,
    };
    SourceFile::new(path, text, kind)
}

fn said(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    diagnostics.iter().map(|found| render(found, sources, false)).collect::<Vec<_>>().join("\n")
}

/// Carries out a step, as sqlx does: each file is a transaction, unless it says that it wants none.
///
/// # Errors
/// When the database refuses a file, which is shown.
pub async fn apply(connection: &mut PgConnection, step: &[MigrationPart]) -> Result<()> {
    for part in step {
        let file = || format!("{:04}_{}.sql:\n{}", part.version, part.description.replace(' ', "_"), part.sql);
        if part.sql.starts_with("-- no-transaction") {
            sqlx::raw_sql(AssertSqlSafe(part.sql.clone())).execute(&mut *connection).await.with_context(file)?;
        } else {
            in_transaction(connection, &part.sql).await.with_context(file)?;
        }
    }
    Ok(())
}

/// Undoes a step, as `Database::migrate` does in development: in one transaction.
///
/// # Errors
/// When the database refuses it.
pub async fn undo(connection: &mut PgConnection, step: &[MigrationPart]) -> Result<()> {
    let reverses: Vec<&str> = step.iter().filter_map(|part| part.reverse.as_deref()).collect();
    let sql = reverses.join("\n");
    in_transaction(connection, &sql).await.with_context(|| format!("the reverse:\n{sql}"))
}

async fn in_transaction(connection: &mut PgConnection, sql: &str) -> Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}
