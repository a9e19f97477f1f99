//! The commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

/// YAML entities and services to PostgreSQL, typed Rust and a job queue.
#[derive(Debug, Parser)]
#[command(name = "specql", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a project and show what is wrong, without writing anything.
    Check {
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Fail on warnings too.
        #[arg(long)]
        deny_warnings: bool,
        /// How to say what is wrong: with excerpts on standard error, or for programs on standard output.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
    /// Print what a build generates.
    Emit {
        /// What to print.
        what: Emitted,
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Look at the services that jobs may call.
    #[command(subcommand)]
    Services(Services),
    /// Look at jobs in the database; retry, cancel and hold them back.
    Jobs {
        #[command(subcommand)]
        command: Jobs,
        /// The project's folder: it says which embedded database, where `DATABASE_URL` is not set.
        #[arg(long, global = true, default_value = ".")]
        dir: PathBuf,
    },
    /// Look at the migrations, write one by hand, seal, allow, squash and verify them; give roles their rights.
    Migrate {
        #[command(subcommand)]
        command: Migrate,
        /// The project's folder.
        #[arg(long, global = true, default_value = ".")]
        dir: PathBuf,
    },
    /// Print the JSON Schema of a file format, for editors.
    Schema {
        /// Which files.
        format: Format,
        /// Where to write it, instead of printing it.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Explain an error code.
    Explain {
        /// `SQ0102`, or the rule's name; all codes without it.
        code: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people: excerpts, on standard error.
    Text,
    /// One JSON document.
    Json,
    /// Workflow commands of GitHub Actions, which become annotations.
    Github,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Emitted {
    /// The whole schema, as for an empty database.
    Sql,
    /// The Rust module that `specql!()` expands to.
    Rust,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Entity files.
    Entity,
    /// Registry files.
    Registry,
    /// The domain registry.
    Domains,
    /// `specql.toml`.
    Settings,
}

impl Format {
    /// The name in the compiler's table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::Registry => "registry",
            Self::Domains => "domains",
            Self::Settings => "settings",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Services {
    /// List the services.
    List {
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Show a service's operations, what they take and what they answer.
    Show {
        /// The service.
        name: String,
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// List the latest jobs, newest first.
    List {
        /// Only jobs in this status.
        #[arg(long)]
        status: Option<Status>,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show a job and what happened to it.
    Show {
        /// The job's id.
        id: Uuid,
    },
    /// Queue a failed job again, or all that have something in common: the same jobs, with the same idempotency keys.
    Retry {
        /// The job's id.
        #[arg(required_unless_present = "which", conflicts_with = "which")]
        id: Option<Uuid>,
        #[command(flatten)]
        which: Which,
        /// At most so many, the oldest first.
        #[arg(long, requires = "which", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Cancel a job that is not finished.
    Cancel {
        /// The job's id.
        id: Uuid,
    },
    /// Start no jobs that fit all that is given, until `resume` with the same words. What runs goes on.
    Pause {
        #[command(flatten)]
        held: Held,
        /// Why, for `jobs.v_pause`.
        #[arg(long)]
        reason: Option<String>,
    },
    /// End the pause that was made with the same words.
    Resume {
        #[command(flatten)]
        held: Held,
    },
    /// Act on circuit breakers.
    #[command(subcommand)]
    Breaker(Breaker),
}

/// Which jobs a pause holds back.
#[derive(Debug, Args)]
#[group(id = "held", required = true, multiple = true)]
pub(crate) struct Held {
    /// Those of this service.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Those of this operation.
    #[arg(long, requires = "service")]
    pub(crate) operation: Option<String>,
    /// Those of this execution type: `http`, `shell`, …
    #[arg(long = "type")]
    pub(crate) execution_type: Option<String>,
    /// Those of this tenant.
    #[arg(long)]
    pub(crate) tenant: Option<Uuid>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Breaker {
    /// Close the breaker of an operation, or those of all of a service's: its jobs are called again at once.
    Close {
        /// The service.
        service: String,
        /// Its operation.
        operation: Option<String>,
    },
}

/// Failed jobs, by what they have in common.
#[derive(Debug, Args)]
#[group(id = "which", multiple = true)]
pub(crate) struct Which {
    /// All failed jobs.
    #[arg(long, conflicts_with_all = ["service", "operation", "class", "tenant", "since", "until"])]
    all: bool,
    /// Those of this service.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Those of this operation.
    #[arg(long, requires = "service")]
    pub(crate) operation: Option<String>,
    /// Those that failed so: `ambiguous`, `timeout`, …
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// Those of this tenant.
    #[arg(long)]
    pub(crate) tenant: Option<Uuid>,
    /// Those that failed at this time or later: `2026-01-31 12:00`, `yesterday`.
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Those that failed before this time.
    #[arg(long)]
    pub(crate) until: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    Pending,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    /// The name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// List the migrations, and say what the next build would write.
    Status,
    /// Print the SQL of the open step and its reverse, and what it would do to the data. Writes nothing.
    Plan {
        /// The reverse too: what undoes it in development.
        #[arg(long)]
        reverse: bool,
    },
    /// Begin a migration of your own SQL: a file for you to write. No build touches it, and it is applied once it is sealed. A file of
    /// that name and of the next number that is there already is taken as it is.
    New {
        /// Its name: lower-case letters, digits and `_`.
        name: String,
    },
    /// Seal the open migration: from then on it never changes, and the next change begins a new one.
    Seal {
        /// A name for it, in place of the derived one.
        name: Option<String>,
    },
    /// Let the open migration drop data, demand something of rows that are there, or lock a table for long.
    Allow {
        /// The hazards' ids, as the build and `migrate plan` print them.
        #[arg(required = true)]
        hazards: Vec<String>,
    },
    /// Put one migration, which makes the whole schema, in the place of all sealed ones that builds wrote. SQL of your own stays, behind
    /// it; then both histories are run first, and nothing is squashed unless they make the same database.
    Squash {
        /// A name for it.
        #[arg(default_value = "baseline")]
        name: String,
    },
    /// Compare what the roles `specql_app`, `specql_worker` and `specql_enqueuer` may do with what they need, and print the
    /// missing statements. Fails when something is missing.
    Roles {
        /// Print all statements, as a script for somebody who may create roles. So it is without `DATABASE_URL`.
        #[arg(long, conflicts_with = "apply")]
        print: bool,
        /// Run the missing statements in the database of `DATABASE_URL`.
        #[arg(long)]
        apply: bool,
    },
    /// Check the history: its files and their chain, and that they make the very database that the entities ask for.
    Verify,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
