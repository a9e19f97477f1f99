//! Databases on which pair after pair is tried: each goes back to what it was.

use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use specql_compiler::internals::sql::{Object, Schema, render::render_objects};
use specql_runtime::testing::TestDatabase;
use specql_tests::migrations::Folder;
use sqlx::{AssertSqlSafe, Connection as _, pool::PoolConnection};

use crate::{
    catalog::{self, Catalog},
    project::Project,
};

/// What every project begins with: SpecQL's own objects, without the queue and with it, as a sealed first migration.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) folder: Folder,
    pub(crate) schema: Schema,
}

static BASES: LazyLock<[Base; 2]> = LazyLock::new(|| [false, true].map(Base::new));

impl Base {
    /// That of projects which have the queue, or have it not.
    pub(crate) fn of(queue: bool) -> &'static Self {
        &BASES[usize::from(queue)]
    }

    fn new(queue: bool) -> Self {
        let empty = Project { service: queue, ..Project::default() };
        let (files, mut folder) = (empty.files(None), Folder::default());
        let build = folder.build(&files).expect("a project without entities compiles");
        folder.seal(&files, &build.schema).expect("its migration is sealed");
        Self { folder, schema: build.schema }
    }

    /// What a schema has besides.
    fn others(&self, schema: &Schema) -> Vec<Object> {
        let is_base = |object: &&Object| {
            !self.schema.objects.iter().any(|known| (known.kind, &known.name) == (object.kind, &object.name))
        };
        schema.objects.iter().filter(is_base).cloned().collect()
    }
}

/// A database that holds a base and nothing else.
#[derive(Debug)]
pub(crate) struct Database {
    base: &'static Base,
    pub(crate) test: TestDatabase,
    pub(crate) connection: PoolConnection<sqlx::Postgres>,
    /// What it consists of between two pairs.
    pub(crate) catalog: Catalog,
}

impl Database {
    pub(crate) async fn new(queue: bool) -> Result<Self> {
        let base = Base::of(queue);
        Self::made_by(base, &base.schema.render()).await
    }

    /// One that holds nothing at all.
    pub(crate) async fn empty() -> Result<Self> {
        Self::made_by(Base::of(false), "").await
    }

    /// One that was made afresh for this schema.
    pub(crate) async fn of(schema: &Schema) -> Result<Self> {
        Self::made_by(Base::of(false), &schema.render()).await
    }

    async fn made_by(base: &'static Base, sql: &str) -> Result<Self> {
        let test = TestDatabase::from_sql(sql).await?;
        let mut connection = test.pool().acquire().await?;
        let catalog = catalog::read(&mut connection).await?;
        Ok(Self { base, test, connection, catalog })
    }

    /// What a schema has besides the base.
    pub(crate) fn others(&self, schema: &Schema) -> Vec<Object> {
        self.base.others(schema)
    }

    /// What this schema consists of when it is made afresh. Nothing remains of it.
    pub(crate) async fn fresh(&mut self, schema: &Schema) -> Result<Catalog> {
        let sql = render_objects(&self.base.others(schema));
        let mut transaction = self.connection.begin().await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.context("the fresh schema")?;
        let catalog = catalog::read(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(catalog)
    }
}
