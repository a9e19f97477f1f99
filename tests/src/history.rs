//! Histories of migrations, written by hand: what a build emits, and whatever may become of it.

use std::{fs, path::Path, sync::LazyLock};

use specql_compiler::{
    Compilation,
    internals::{migrations::MigrationPart, sql},
};
use specql_runtime::{Database, DeclaredFunction, Migration, Project};
use sqlx::PgPool;

use crate::compiled;

/// A project's migrations.
#[derive(Clone, Debug, Default)]
pub struct History {
    migrations: Vec<Migration>,
    /// The functions that its binaries want to be there.
    functions: Vec<DeclaredFunction>,
}

/// The whole schema of a project with one table, `sales.tb_order (total)`, as a first migration has it.
static INIT: LazyLock<String> = LazyLock::new(|| {
    let order = "entity: Order\nschema: sales\nfields:\n  total: integer!\n";
    let project = compiled::files(&[("entities/order.yaml", order)]).expect("a project");
    sql::schema(&project.model).render()
});

impl History {
    /// One that begins with `sales.tb_order` and SpecQL's own schema.
    #[must_use]
    pub fn of_orders() -> Self {
        Self::default().sealed("init", &INIT)
    }

    /// That of a project as it was compiled, with its open step sealed.
    #[must_use]
    pub fn of(project: &Project) -> Self {
        Self { migrations: project.migrations.to_vec(), functions: project.functions.to_vec() }.seal()
    }

    /// That of a folder: everything sealed.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn of_folder(folder: &Path) -> Self {
        let mut files: Vec<_> =
            fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files.into_iter().fold(Self::default(), |history, file| {
            let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let (_, name) = stem.split_once('_').expect("a version and a name");
            history.sealed(name, &fs::read_to_string(&file).expect("a text"))
        })
    }

    /// And one more, sealed.
    #[must_use]
    pub fn sealed(self, name: &str, sql: &str) -> Self {
        self.and(name, sql, None, &[])
    }

    /// And one more file of an open step, with what undoes it.
    #[must_use]
    pub fn open(self, name: &str, sql: &str, reverse: &str) -> Self {
        self.and(name, sql, Some(reverse), &[])
    }

    /// And these, as a build has emitted them.
    #[must_use]
    pub fn emitted(self, parts: &[MigrationPart]) -> Self {
        parts.iter().fold(self, |history, part| {
            history.and(&part.description, &part.sql, part.reverse.as_deref(), &part.replaces)
        })
    }

    /// All that a build has emitted, sealed.
    #[must_use]
    pub fn with_versions(parts: &[MigrationPart]) -> Self {
        let mut history = Self::default().emitted(parts).seal();
        for (migration, part) in history.migrations.iter_mut().zip(parts) {
            migration.version = part.version;
        }
        history
    }

    /// A baseline that stands for all of `self`, with its last version.
    #[must_use]
    pub fn squashed(&self, sql: &str) -> Self {
        let mut baseline = Self::default().and("baseline", sql, None, &self.checksums());
        baseline.migrations[0].version = self.last().version;
        baseline
    }

    fn and(mut self, name: &str, sql: &str, reverse: Option<&str>, replaces: &[(i64, String)]) -> Self {
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        self.migrations.push(Migration {
            version: self.migrations.last().map_or(0, |last| last.version) + 1,
            description: leak(&name.replace('_', " ")),
            sql: leak(sql),
            open: reverse.is_some(),
            reverse: reverse.map(leak),
            replaces: Box::leak(replaces.iter().map(|(version, sha384)| (*version, leak(sha384))).collect()),
        });
        self
    }

    /// The same, of binaries of that project: they want its declared functions.
    #[must_use]
    pub fn wanting(mut self, project: &Compilation) -> Self {
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let declared = sql::function::declared(&project.model).into_iter();
        self.functions = declared
            .map(|declared| DeclaredFunction {
                shown: leak(declared.shown),
                schema: leak(declared.schema),
                name: leak(declared.name),
                arguments: declared.arguments,
                probe: leak(declared.probe),
            })
            .collect();
        self
    }

    /// The same, with its open step sealed.
    #[must_use]
    pub fn seal(mut self) -> Self {
        for migration in &mut self.migrations {
            (migration.open, migration.reverse) = (false, None);
        }
        self
    }

    /// The first so many.
    #[must_use]
    pub fn first(&self, migrations: usize) -> Self {
        Self { migrations: self.migrations[..migrations].to_vec(), functions: self.functions.clone() }
    }

    /// What they are called, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.migrations.iter().map(|migration| migration.description.to_owned()).collect()
    }

    /// The last one.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn last(&self) -> &Migration {
        self.migrations.last().expect("a migration")
    }

    /// Versions and checksums, as a baseline has them.
    #[must_use]
    pub fn checksums(&self) -> Vec<(i64, String)> {
        let hex = |sql: &'static str| {
            let migration = sqlx::migrate::Migration::new(
                0,
                "".into(),
                sqlx::migrate::MigrationType::Simple,
                sqlx::SqlSafeStr::into_sql_str(sql),
                false,
            );
            migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        self.migrations.iter().map(|migration| (migration.version, hex(migration.sql))).collect()
    }

    /// Writes its files into a folder, as a build does.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, folder: &Path) {
        for migration in &self.migrations {
            let name = format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"));
            fs::write(folder.join(name), migration.sql).expect("a file");
        }
    }

    /// A binary with these migrations, on a database of its own.
    #[must_use]
    pub fn on(&self, pool: &PgPool) -> Database {
        self.on_shared(pool).may_undo_open(true)
    }

    /// The same on a database that others may use, too.
    #[must_use]
    pub fn on_shared(&self, pool: &PgPool) -> Database {
        Database::from_pool(pool.clone(), self.project())
    }

    /// What such a binary knows of its project.
    #[must_use]
    pub fn project(&self) -> &'static Project {
        Box::leak(Box::new(Project {
            name: "history",
            root: "",
            compiler_version: "",
            migrations: Box::leak(self.migrations.clone().into_boxed_slice()),
            registry: "{\"services\":{}}",
            uses_jobs: false,
            functions: Box::leak(self.functions.clone().into_boxed_slice()),
        }))
    }
}

/// What is in schema `sales`, and what is recorded as applied: the same after any way to it.
///
/// # Panics
/// When the database does not answer.
pub async fn shape(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(SHAPE).fetch_all(pool).await.expect("a schema")
}

const SHAPE: &str = "
    SELECT format('column %s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = to_regnamespace('sales') AND c.relkind = 'r'
    UNION ALL SELECT format('index %s %s', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN 'INVALID' END)
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = to_regnamespace('sales')
    UNION ALL SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = to_regnamespace('sales')
    UNION ALL SELECT format('migration %s %s %s', version, success, encode(checksum, 'hex')) FROM _sqlx_migrations
    ORDER BY 1";
