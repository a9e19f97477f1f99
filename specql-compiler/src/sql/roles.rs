//! The roles that are not the owner, and what each may do.
//!
//! One list ([`grants`]), from the model. Migrations give what is in it with the objects that it names, where the role is
//! there; `specql migrate roles` gives what is missing later.

use super::{
    object::{Need, Object, ObjectKind},
    quote::{ident, literal, qualified},
    writer::{Writer, indented, list},
};
use crate::model::{Entity, FieldType, Model};

/// A role that is not the owner. All of them are made without the right to log in: an application's own role is made a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls actions, reads views, queues jobs and asks what became of them.
    App,
    /// Takes jobs and reports what became of them. It reads and writes no table.
    Worker,
    /// Puts jobs into the queue by a plain `INSERT`, and nothing else.
    Enqueuer,
}

/// What a role may do with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub role: Role,
    /// What.
    pub privilege: Privilege,
    /// The columns of a table, where not all of it is meant.
    pub columns: Vec<String>,
    /// With what kind of object.
    pub kind: ObjectKind,
    /// With which object, as SQL names it; a function with its argument types.
    pub object: String,
}

/// A right, which says what kind of object it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// To name what is in a schema.
    Usage,
    /// To call a function.
    Execute,
    /// To read a table or a view.
    Select,
    /// To insert rows into a table.
    Insert,
}

impl Role {
    /// All, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::App, Self::Worker, Self::Enqueuer];

    /// Its name, which is the same in every database of a server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::App => "specql_app",
            Self::Worker => "specql_worker",
            Self::Enqueuer => "specql_enqueuer",
        }
    }

    /// What it is for, in a sentence without a subject.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::App => "Calls actions, reads views, queues jobs and asks what became of them",
            Self::Worker => "Takes jobs and reports what became of them; reads and writes no table",
            Self::Enqueuer => "Puts jobs into the queue by a plain INSERT, and nothing else",
        }
    }

    /// Makes it, where it is not there.
    #[must_use]
    pub fn statement(self) -> String {
        format!("DO $$\nBEGIN\n{}\nEND\n$$", indented(&self.made_where_missing()))
    }

    /// As a migration makes it: roles belong to the whole server, and an ordinary owner may not be allowed to make one.
    fn object(self) -> Object {
        let create = format!(
            "-- {}.\nDO $$\nBEGIN\n{}\nEXCEPTION\n    WHEN duplicate_object OR unique_violation THEN\n        \
             NULL; -- by another database's migration, at this moment\n    WHEN insufficient_privilege THEN\n        \
             NULL; -- said where grants are left out for it\nEND\n$$",
            self.description(),
            indented(&self.made_where_missing()),
        );
        Object::made_by(ObjectKind::Role, self.name(), vec![create])
    }

    fn made_where_missing(self) -> String {
        format!("IF NOT {} THEN\n    CREATE ROLE {} NOLOGIN;\nEND IF;", self.is_there(), ident(self.name()))
    }

    /// Whether it is there.
    fn is_there(self) -> String {
        format!("EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {})", literal(self.name()))
    }
}

impl Privilege {
    /// `INSERT`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "USAGE",
            Self::Execute => "EXECUTE",
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
        }
    }

    /// The kind of object, as it stands behind `ON`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Usage => "SCHEMA",
            Self::Execute => "FUNCTION",
            Self::Select | Self::Insert => "TABLE",
        }
    }
}

impl Grant {
    fn new(role: Role, privilege: Privilege, object: impl Into<String>) -> Self {
        let kind = match privilege {
            Privilege::Usage => ObjectKind::Schema,
            Privilege::Execute => ObjectKind::Function,
            Privilege::Select | Privilege::Insert => ObjectKind::Table,
        };
        Self { role, privilege, columns: Vec::new(), kind, object: object.into() }
    }

    /// The right as it stands before `ON`.
    fn words(&self) -> String {
        match self.columns.as_slice() {
            [] => self.privilege.name().to_owned(),
            columns => format!("{} ({})", self.privilege.name(), columns.join(", ")),
        }
    }

    /// Gives it, without a semicolon.
    #[must_use]
    pub fn statement(&self) -> String {
        let Self { role, privilege, object, .. } = self;
        format!("GRANT {} ON {} {object} TO {}", self.words(), privilege.kind(), role.name())
    }
}

/// What a worker calls, in Rust or in another language.
const WORKER: [&str; 32] = [
    "jobs.register_operations(jsonb)",
    "jobs.operations()",
    "jobs.breaking_migration()",
    "jobs.register_worker(uuid, text, text, jsonb, integer)",
    "jobs.announce_worker(uuid, text, text, jsonb, integer)",
    "jobs.unregister_worker(uuid)",
    "jobs.claim(uuid, integer[], integer, boolean, integer[], integer[])",
    "jobs.heartbeat(uuid, bigint[], integer[])",
    "jobs.complete(uuid, bigint[], integer[], jsonb[], jsonb[], boolean)",
    "jobs.fail(uuid, bigint[], integer[], text[], text[], bigint[], boolean[], jsonb[], boolean, boolean[])",
    "jobs.trim_shares(uuid, integer[], integer[])",
    "jobs.open_breaker(uuid, integer, bigint, bigint, text)",
    "jobs.close_breaker(uuid, integer)",
    "jobs.abandon_probe(uuid, integer)",
    "jobs.bind(uuid, bigint, integer, integer)",
    "jobs.release(uuid, bigint[], integer[], boolean)",
    "jobs.unheard_leases(uuid, bigint[], integer[])",
    "jobs.promote(integer)",
    "jobs.move_to_lanes(integer)",
    "jobs.next_due()",
    "jobs.run_callbacks(integer)",
    "jobs.rescue()",
    "jobs.make_ranges()",
    "jobs.maintain()",
    "jobs.schedules()",
    "jobs.run_schedule(text, text, text, timestamptz, timestamptz, integer, boolean)",
    "jobs.schedules_for_tenants()",
    "jobs.scheduled_tenants(text, uuid, integer)",
    "jobs.run_for_tenant(uuid, text, uuid, timestamptz)",
    "jobs.mark_job_started(uuid)",
    "jobs.complete_job_successfully(uuid, jsonb)",
    "jobs.fail_job(uuid, text)",
];

/// What views call to print a value: PostgreSQL asks whether their reader may. Not every server lets everybody call functions.
const PRINTERS: [&str; 4] = [
    "app.duration_text(interval)",
    "app.duration_texts(interval[])",
    "app.point_json(point)",
    "app.point_list_json(point[])",
];

/// What an application asks of the queue: it queues jobs, looks where they stand, waits for them and cancels them.
const CLIENT: [&str; 6] = [
    "jobs.enqueue(text, text, jsonb, text, text, uuid, uuid, text, integer, timestamptz, integer, integer, text)",
    "jobs.enqueue_many(text, text, jsonb[], text[], text[], text, uuid, uuid, integer, timestamptz)",
    "jobs.standing(uuid)",
    "jobs.watch(uuid)",
    "jobs.wait(uuid, interval)",
    "jobs.cancel(uuid)",
];

/// Tenant, row and callbacks are for the functions to set.
const ENQUEUED: &[&str] =
    &["service_name", "operation", "input_data", "idempotency_key", "correlation_id", "priority", "run_at"];

/// Grants that stand in one object of a migration.
struct Group {
    name: String,
    role: Role,
    origin: Option<String>,
    grants: Vec<Grant>,
}

/// The roles that a project has.
pub fn of_project(model: &Model) -> impl Iterator<Item = Role> {
    let queue = model.uses_jobs;
    Role::ALL.into_iter().filter(move |role| queue || *role == Role::App)
}

/// All that the project's roles should be granted.
#[must_use]
pub fn grants(model: &Model) -> Vec<Grant> {
    own(model).into_iter().chain(of_entities(model)).flat_map(|group| group.grants).collect()
}

/// The roles as objects.
pub(super) fn roles(model: &Model) -> Vec<Object> {
    of_project(model).map(Role::object).collect()
}

/// The grants on SpecQL's own schemas.
pub(super) fn grants_of_own(model: &Model) -> Vec<Object> {
    own(model).into_iter().map(Group::object).collect()
}

/// The grants on what entities and actions become.
pub(super) fn grants_of_model(model: &Model) -> Vec<Object> {
    of_entities(model).into_iter().map(Group::object).collect()
}

fn own(model: &Model) -> Vec<Group> {
    let group = |role: Role, of: &str, grants: Vec<(Privilege, &str)>| Group {
        name: format!("{}{of}", role.name()),
        role,
        origin: None,
        grants: grants.into_iter().map(|(privilege, object)| Grant::new(role, privilege, object)).collect(),
    };
    // Row level security shows it the notifications of the tenant for which it acts.
    let of_app = [(Privilege::Usage, "app"), (Privilege::Select, "app.tb_notification")];
    let printers = PRINTERS.map(|function| (Privilege::Execute, function));
    let mut out = vec![group(Role::App, " ON app", of_app.into_iter().chain(printers).collect())];
    if model.uses_jobs {
        let calls = |functions: &[&'static str]| -> Vec<(Privilege, &'static str)> {
            let functions = functions.iter().map(|function| (Privilege::Execute, *function));
            [(Privilege::Usage, "jobs")].into_iter().chain(functions).collect()
        };
        out.push(group(Role::App, " ON jobs", calls(&CLIENT)));
        out.push(group(Role::Worker, "", calls(&WORKER)));
        let inserts = vec![(Privilege::Usage, "jobs"), (Privilege::Insert, "jobs.tb_job_run")];
        let mut inserts = group(Role::Enqueuer, "", inserts);
        inserts.grants[1].columns = ENQUEUED.iter().map(|&column| column.to_owned()).collect();
        out.push(inserts);
    }
    out
}

fn of_entities(model: &Model) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    let mut add = |of: &str, entity: &Entity, grants: Vec<Grant>| {
        let name = format!("{} ON {of}", Role::App.name());
        if out.iter().all(|group| group.name != name) {
            out.push(Group { name, role: Role::App, origin: Some(entity.origin.to_string()), grants });
        }
    };
    let grant = |privilege, object: &str| Grant::new(Role::App, privilege, object);
    for entity in &model.entities {
        // Everybody may use `public`, and it is seldom the owner's.
        if entity.schema != "public" {
            let schema = ident(&entity.schema);
            add(&format!("SCHEMA {schema}"), entity, vec![grant(Privilege::Usage, &schema)]);
        }
        let table = qualified(&entity.schema, &entity.table());
        if is_read_by_reader(model, entity) {
            // Of rows that all share, a tenant's view wants the key and the id: the rest is seen through their own view.
            let columns = if entity.multi_tenant { Vec::new() } else { vec![ident(&entity.pk()), "id".to_owned()] };
            add(&table, entity, vec![Grant { columns, ..grant(Privilege::Select, &table) }]);
        }
        let view = qualified(&entity.schema, &entity.view());
        let wrapper = |name: &str| format!("{}(uuid, uuid, jsonb)", qualified("app", name));
        let mut grants = vec![Grant { kind: ObjectKind::View, ..grant(Privilege::Select, &view) }];
        grants.extend(entity.actions.iter().map(|action| grant(Privilege::Execute, &wrapper(&action.wrapper))));
        add(&view, entity, grants);
    }
    out
}

/// Whether a view reads the entity's table with the rights of whoever reads the view: its own, where it is multi-tenant, or
/// that of an entity that refers to it.
fn is_read_by_reader(model: &Model, entity: &Entity) -> bool {
    let refers = |other: &Entity| {
        other.fields.iter().any(|field| match &field.ty {
            FieldType::Ref { target, .. } => std::ptr::eq(model.entity(*target), entity),
            FieldType::Value(_) => false,
        })
    };
    entity.multi_tenant || model.entities.iter().any(|other| other.multi_tenant && refers(other))
}

impl Group {
    fn object(self) -> Object {
        let role = self.role.name();
        let only_if_there = |statements: Vec<String>, otherwise: Option<String>| {
            let mut w = Writer::default();
            w.line("DO $$");
            w.line("BEGIN");
            w.indent(|w| {
                w.line(format!("IF {} THEN", self.role.is_there()));
                statements.iter().for_each(|statement| w.line(indented(statement)));
                if let Some(otherwise) = otherwise {
                    w.line("ELSE");
                    w.line(indented(&otherwise));
                }
                w.line("END IF;");
            });
            w.line("END");
            w.line("$$");
            w.finish()
        };
        let given = |grants: &[Grant], first: &Grant| {
            let objects: Vec<&str> = grants.iter().map(|grant| &*grant.object).collect();
            let (words, kind) = (first.words(), first.privilege.kind());
            list(&format!("GRANT {words} ON {kind} "), &objects, &format!(" TO {role};"))
        };
        let taken = |grants: &[Grant], first: &Grant| {
            let objects: Vec<&str> = grants.iter().map(|grant| &*grant.object).collect();
            list(&format!("REVOKE ALL ON {} ", first.privilege.kind()), &objects, &format!(" FROM {role};"))
        };
        let each = |print: &dyn Fn(&[Grant], &Grant) -> String| -> Vec<String> {
            let alike =
                self.grants.chunk_by(|one, next| (one.privilege, &one.columns) == (next.privilege, &next.columns));
            alike.filter_map(|grants| Some(print(grants, grants.first()?))).collect()
        };
        let otherwise = match self.role {
            Role::App => format!("PERFORM app.warn_of_missing_role({});", literal(role)),
            // The queue may be without schema `app`.
            Role::Worker | Role::Enqueuer => format!(
                "RAISE WARNING 'role {role} is not there, and % may not create it: it is granted nothing; \
                 `specql migrate roles --apply`, run as a role that may create roles, makes up for it', current_user;"
            ),
        };
        let create = only_if_there(each(&given), Some(otherwise));
        let drop = only_if_there(each(&taken), None);
        let needs = self.grants.iter().map(|grant| Need::new(grant.kind, &*grant.object));
        let object = Object::made_by(ObjectKind::Grant, self.name, vec![create]).unmade_by(vec![drop]);
        Object { origin: self.origin, ..object.that_needs(needs) }
    }
}
