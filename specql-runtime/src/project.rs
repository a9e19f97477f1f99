//! What the generated code says about a project.

/// A compiled project: the static `PROJECT` that `specql!` makes.
#[derive(Clone, Copy, Debug)]
pub struct Project {
    /// The package's name; names the embedded database's folder.
    pub name: &'static str,
    /// The package's folder when it was built: two projects of one name do not share an embedded database. Empty: not known.
    pub root: &'static str,
    /// Version of the compiler that made it.
    pub compiler_version: &'static str,
    /// All migrations, by version.
    pub migrations: &'static [Migration],
    /// The checked registry, as JSON ([`specql_registry::Registry`]).
    pub registry: &'static str,
    /// Whether there is a job queue at all.
    pub uses_jobs: bool,
    /// The functions that its steps call and somebody else makes.
    pub functions: &'static [DeclaredFunction],
}

/// A function that an entity declares under `functions:` without a body.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredFunction {
    /// For people: `sales.tax(amount numeric) returns numeric`.
    pub shown: &'static str,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How many arguments it is given.
    pub arguments: usize,
    /// A query that calls it as steps do. It is never run: PostgreSQL says whether it could be.
    pub probe: &'static str,
}

/// A migration that was in the project's folder when it was built.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `1` of `0001_init.sql`.
    pub version: i64,
    /// `init` of `0001_init.sql`, with spaces for underscores, as sqlx has it.
    pub description: &'static str,
    /// The text of the file.
    pub sql: &'static str,
    /// Not sealed yet: applied in development only.
    pub open: bool,
    /// Undoes an open step: all of it in its first file, nothing in the others.
    pub reverse: Option<&'static str>,
    /// The sealed migrations that this one, a baseline, stands for since they were squashed: version and SHA-384 in hex.
    pub replaces: &'static [(i64, &'static str)],
}
