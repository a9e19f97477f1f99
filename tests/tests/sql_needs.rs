//! What an object of a project is said to need is what PostgreSQL notes of it in `pg_depend`: nothing less, for a migration takes
//! away first what cannot stand without something that changes; and of what is made from the model, nothing more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use specql_compiler::internals::sql::{self, Object, ObjectKind};
use specql_tests::compiled;
use sqlx::PgPool;

/// Kind and name without argument types.
type Named = (ObjectKind, String);

/// All dependencies between objects of the project's schemas, as PostgreSQL describes the two sides.
const DEPENDENCIES: &str = "
    SELECT o.type, o.identity, r.identity
    FROM pg_catalog.pg_depend AS d
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS o
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.refclassid, d.refobjid, 0) AS r
    WHERE r.type IN ('function', 'table', 'view', 'type', 'composite type')
        AND coalesce(r.schema, '') NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND o.type IN ('function', 'table', 'view', 'composite type', 'rule', 'default value', 'table constraint',
            'policy', 'trigger', 'index')";

/// The object to which a part of it belongs, as our schema names it.
fn owner(kind: &str, identity: &str, references: &BTreeSet<String>) -> Option<Named> {
    let base = |text: &str| text.split('(').next().unwrap_or(text).to_owned();
    let on = || identity.split_once(" on ");
    Some(match kind {
        "function" => (ObjectKind::Function, base(identity)),
        "table" => (ObjectKind::Table, identity.to_owned()),
        "view" => (ObjectKind::View, identity.to_owned()),
        "index" => (ObjectKind::Index, identity.to_owned()),
        "composite type" => (ObjectKind::Type, identity.to_owned()),
        "rule" => (ObjectKind::View, on()?.1.to_owned()),
        "default value" => (ObjectKind::Table, identity.strip_prefix("for ")?.rsplit_once('.')?.0.to_owned()),
        "policy" => (ObjectKind::Policy, identity.replacen(" on ", " ON ", 1)),
        "trigger" => (ObjectKind::Trigger, identity.replacen(" on ", " ON ", 1)),
        "table constraint" => {
            let name = identity.replacen(" on ", " ON ", 1);
            match references.contains(&name) {
                true => (ObjectKind::Constraint, name),
                false => (ObjectKind::Table, on()?.1.to_owned()),
            }
        }
        _ => return None,
    })
}

async fn dependencies(pool: &PgPool, schema: &sql::Schema) -> Result<BTreeMap<Named, BTreeSet<String>>> {
    let references: BTreeSet<String> = (schema.objects.iter())
        .filter(|object| object.kind == ObjectKind::Constraint)
        .map(|object| object.name.clone())
        .collect();
    let rows: Vec<(String, String, String)> = sqlx::query_as(DEPENDENCIES).fetch_all(pool).await?;
    let mut found: BTreeMap<Named, BTreeSet<String>> = BTreeMap::new();
    for (kind, identity, needed) in rows {
        let owner = owner(&kind, &identity, &references).with_context(|| format!("{kind} {identity}"))?;
        let needed = needed.split('(').next().unwrap_or_default().trim_end_matches("[]").to_owned();
        if needed != owner.1 {
            found.entry(owner).or_default().insert(needed);
        }
    }
    Ok(found)
}

fn needs(object: &Object) -> BTreeSet<String> {
    let objects = object.needs.iter().filter(|need| need.kind != ObjectKind::Schema);
    objects.map(|need| need.name.split('(').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_an_object_needs_is_what_postgresql_notes_of_it() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let (mut checked, mut kinds) = (0, BTreeSet::new());
    for entry in fs::read_dir(corpus)? {
        let folder = entry?.path();
        if !folder.join("entities").is_dir() {
            continue;
        }
        let project = compiled::folder(&folder)?;
        let schema = sql::schema(&project.model);
        let database = compiled::database(&project).await?;
        let found = dependencies(database.pool(), &schema).await?;
        for object in &schema.objects {
            let name = object.name.split('(').next().unwrap_or_default().to_owned();
            let said = needs(object);
            let overloads = schema.objects.iter().filter(|other| {
                other.kind == object.kind && other.name.split('(').next() == object.name.split('(').next()
            });
            // `pg_depend` is asked by name: functions of one name are taken together.
            let all_said: BTreeSet<String> = overloads.flat_map(needs).collect();
            let noted = found.get(&(object.kind, name)).cloned().unwrap_or_default();
            let missing: Vec<_> = noted.difference(&all_said).collect();
            assert!(missing.is_empty(), "{} does not say that it needs {missing:?}", object.name);
            // To PostgreSQL, grants, rows and the switch of row level security are no objects.
            let is_switch = object.name.starts_with("row level security ON ");
            let is_none = is_switch || matches!(object.kind, ObjectKind::Grant | ObjectKind::Data);
            let from_model = object.origin.is_some() && !is_none;
            let invented: Vec<_> = said.difference(&noted).filter(|_| from_model).collect();
            assert!(invented.is_empty(), "{} says that it needs {invented:?}", object.name);
            checked += noted.len();
            if !noted.is_empty() {
                kinds.insert(object.kind.name());
            }
        }
    }
    assert!(checked > 1_000, "{checked}");
    let expected = ["constraint", "function", "index", "policy", "table", "trigger", "view"];
    assert_eq!(kinds, BTreeSet::from(expected));
    Ok(())
}

/// What is needed is made before what needs it.
#[test]
fn objects_stand_behind_what_they_need() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for domain in ["shop", "treasury"] {
        let schema = sql::schema(&compiled::folder(&corpus.join(domain))?.model);
        let mut made: BTreeSet<(ObjectKind, &str)> = BTreeSet::new();
        for object in &schema.objects {
            for need in &object.needs {
                assert!(made.contains(&(need.kind, &need.name)), "{} needs {need:?}", object.name);
            }
            made.insert((object.kind, &object.name));
        }
    }
    Ok(())
}
