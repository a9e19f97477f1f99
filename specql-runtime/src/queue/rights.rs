//! Whether a worker may call what it calls.

use std::fmt;

use sqlx::{FromRow, Row, postgres::PgRow, query_as};

use super::{Link, QueueError};

/// The functions of `jobs` that a worker calls: the test below compares them with its statements.
pub const CALLED: [&str; 28] = [
    "abandon_probe",
    "announce_worker",
    "bind",
    "breaking_migration",
    "claim",
    "close_breaker",
    "complete",
    "fail",
    "heartbeat",
    "maintain",
    "make_ranges",
    "move_to_lanes",
    "next_due",
    "open_breaker",
    "promote",
    "register_operations",
    "register_worker",
    "release",
    "rescue",
    "run_callbacks",
    "run_for_tenant",
    "run_schedule",
    "scheduled_tenants",
    "schedules",
    "schedules_for_tenants",
    "trim_shares",
    "unheard_leases",
    "unregister_worker",
];

/// What a worker's role lacks. Its text says which command makes up for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lacking {
    /// As whom the worker has connected.
    pub role: String,
    /// Whether `specql_worker` is there.
    pub worker_role_exists: bool,
    /// Whether the worker's role is a member of `specql_worker`.
    pub is_worker: bool,
    /// Whether it has the rights of the roles that it is a member of.
    pub inherits: bool,
    /// Whether it may not even name what is in schema `jobs`.
    pub lacks_schema: bool,
    /// The functions of `jobs` that it may not call.
    pub functions: Vec<String>,
}

impl FromRow<'_, PgRow> for Lacking {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            role: row.try_get("role")?,
            worker_role_exists: row.try_get("worker_role_exists")?,
            is_worker: row.try_get("is_worker")?,
            inherits: row.try_get("inherits")?,
            lacks_schema: row.try_get("lacks_schema")?,
            functions: row.try_get("functions")?,
        })
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = &self.role;
        write!(f, "role `{role}` may not work on the queue: it lacks ")?;
        match (self.lacks_schema, self.functions.as_slice()) {
            (true, _) => write!(f, "USAGE on schema `jobs`")?,
            (false, [only]) => write!(f, "EXECUTE on `jobs.{only}`")?,
            (false, [first, others @ ..]) => {
                write!(f, "EXECUTE on `jobs.{first}` and {} more of a worker's functions", others.len())?;
            }
            (false, []) => write!(f, "nothing")?,
        }
        let grant = format!("`GRANT specql_worker TO \"{}\"`", role.replace('"', "\"\""));
        let apply = "run `specql migrate roles --apply` as a role that may grant it";
        match (self.worker_role_exists, self.is_worker) {
            (false, _) => write!(f, ", and there is no role `specql_worker`, which has it; {apply}, then {grant}"),
            (true, false) => {
                write!(f, ", and is no member of `specql_worker`; {grant}, and if that is not enough {apply}")
            }
            (true, true) if !self.inherits => write!(
                f,
                ", and does not inherit what `specql_worker` has; `ALTER ROLE \"{0}\" INHERIT; GRANT specql_worker TO \"{0}\"`",
                role.replace('"', "\"\"")
            ),
            (true, true) => write!(f, ", as `specql_worker` does; {apply}"),
        }
    }
}

impl Link {
    /// What the role that this connects as lacks to do a worker's work. `None`: nothing, or there is no queue.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn lacking_rights(&mut self) -> Result<Option<Lacking>, QueueError> {
        // Of the catalogs alone: who may not use the schema may not ask a function of it either. An older binary may go on
        // with an older form of a function.
        let query = query_as(
            "SELECT current_user::text AS role,
                w.oid IS NOT NULL AS worker_role_exists,
                coalesce(pg_catalog.pg_has_role(w.oid, 'MEMBER'), false) AS is_worker,
                coalesce(pg_catalog.pg_has_role(w.oid, 'USAGE'), false) AS inherits,
                NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS lacks_schema,
                ARRAY(SELECT p.proname::text FROM pg_catalog.pg_proc AS p
                    WHERE p.pronamespace = n.oid AND p.proname = ANY ($1)
                    GROUP BY p.proname
                    HAVING NOT pg_catalog.bool_or(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                    ORDER BY p.proname) AS functions
             FROM pg_catalog.pg_namespace AS n
             LEFT JOIN pg_catalog.pg_roles AS w ON w.rolname = 'specql_worker'
             WHERE n.nspname = 'jobs'",
        )
        .bind(CALLED.map(str::to_owned).to_vec());
        let rows: Vec<Lacking> = self.rows("the rights of a worker", query).await?;
        Ok(rows.into_iter().find(|lacking| lacking.lacks_schema || !lacking.functions.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// A function that is called and not in the list would be missed at its first call, and not at the start.
    #[test]
    fn the_list_is_what_the_workers_statements_call() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue");
        let mut called = BTreeSet::new();
        for file in ["finish.rs", "lease.rs", "limits.rs", "periodic.rs", "registration.rs", "upkeep.rs"] {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (place, _) in product.match_indices("jobs.") {
                // In a statement: others name a vector of Rust.
                let is_sql = product[..place].ends_with("FROM ") || product[..place].ends_with("SELECT ");
                let name: String =
                    product[place + 5..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if is_sql && product[place + 5 + name.len()..].starts_with('(') {
                    called.insert(name);
                }
            }
        }
        assert_eq!(CALLED.map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), called);
    }

    #[test]
    fn what_is_missing_is_said_with_the_command_that_makes_up_for_it() {
        let lacking = |worker_role_exists, is_worker, lacks_schema, functions: &[&str]| {
            let functions = functions.iter().map(|&name| name.to_owned()).collect();
            let role = "shop".to_owned();
            Lacking { role, worker_role_exists, is_worker, inherits: is_worker, lacks_schema, functions }
        };
        let member = lacking(true, true, false, &["claim"]);
        let said = Lacking { inherits: false, ..member }.to_string();
        assert!(said.ends_with("and does not inherit what `specql_worker` has; `ALTER ROLE \"shop\" INHERIT; GRANT specql_worker TO \"shop\"`"), "{said}");
        let lacking = |worker_role_exists, is_worker, lacks_schema, functions: &[&str]| {
            lacking(worker_role_exists, is_worker, lacks_schema, functions).to_string()
        };
        assert_eq!(
            lacking(false, false, true, &[]),
            "role `shop` may not work on the queue: it lacks USAGE on schema `jobs`, and there is no role `specql_worker`, \
             which has it; run `specql migrate roles --apply` as a role that may grant it, then \
             `GRANT specql_worker TO \"shop\"`"
        );
        assert_eq!(
            lacking(true, false, false, &["claim", "fail"]),
            "role `shop` may not work on the queue: it lacks EXECUTE on `jobs.claim` and 1 more of a worker's functions, and is \
             no member of `specql_worker`; `GRANT specql_worker TO \"shop\"`, and if that is not enough run \
             `specql migrate roles --apply` as a role that may grant it"
        );
        assert_eq!(
            lacking(true, true, false, &["claim"]),
            "role `shop` may not work on the queue: it lacks EXECUTE on `jobs.claim`, as `specql_worker` does; run \
             `specql migrate roles --apply` as a role that may grant it"
        );
    }
}
