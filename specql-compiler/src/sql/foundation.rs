//! The static parts of the schema: `app/*.sql` and `jobs/*.sql`, cut into objects.
//!
//! An object starts at a line `-- object: <kind> <name>`; an optional next line `-- drop: <statement>` says how it is
//! unmade. What follows, up to the next header, makes it. Text before a file's first header is a comment on the file.

use std::sync::LazyLock;

use super::{
    object::{Object, ObjectKind},
    read,
};

const OBJECT: &str = "-- object: ";
const DROP: &str = "-- drop: ";

/// Schema `app`: what every project has.
const APP: &[&str] = &[
    include_str!("app/schema.sql"),
    include_str!("app/roles.sql"),
    include_str!("app/input.sql"),
    include_str!("app/scalars.sql"),
    include_str!("app/shape.sql"),
    include_str!("app/result.sql"),
    include_str!("app/json.sql"),
    include_str!("app/money.sql"),
    include_str!("app/notification.sql"),
    include_str!("app/sequence.sql"),
];

/// Schema `jobs`: the queue.
const JOBS: &[&str] = &[
    include_str!("jobs/01_schema.sql"),
    include_str!("jobs/02_registry_tables.sql"),
    include_str!("jobs/03_job_tables.sql"),
    include_str!("jobs/04_id.sql"),
    include_str!("jobs/04_key.sql"),
    include_str!("jobs/04_limit_tables.sql"),
    include_str!("jobs/04_state_tables.sql"),
    include_str!("jobs/05_input.sql"),
    include_str!("jobs/05_enqueue.sql"),
    include_str!("jobs/06_enqueue_many.sql"),
    include_str!("jobs/06_watermark.sql"),
    include_str!("jobs/07_breakers.sql"),
    include_str!("jobs/07_claim.sql"),
    include_str!("jobs/07_fallback.sql"),
    include_str!("jobs/07_lanes.sql"),
    include_str!("jobs/07_limits.sql"),
    include_str!("jobs/08_complete.sql"),
    include_str!("jobs/09_callbacks.sql"),
    include_str!("jobs/10_fail.sql"),
    include_str!("jobs/11_lease.sql"),
    include_str!("jobs/12_schedule.sql"),
    include_str!("jobs/13_assign_lanes.sql"),
    include_str!("jobs/13_operations.sql"),
    include_str!("jobs/13_registries.sql"),
    include_str!("jobs/14_worker.sql"),
    include_str!("jobs/15_cancel_retry.sql"),
    include_str!("jobs/15_pause.sql"),
    include_str!("jobs/15_retry_many.sql"),
    include_str!("jobs/16_wait.sql"),
    include_str!("jobs/17_maintain.sql"),
    include_str!("jobs/17_ranges.sql"),
    include_str!("jobs/17_ranges_default.sql"),
    include_str!("jobs/17_retention.sql"),
    include_str!("jobs/18_readiness.sql"),
    include_str!("jobs/18_single_job.sql"),
    include_str!("jobs/18_waits_for.sql"),
    include_str!("jobs/19_views.sql"),
    include_str!("jobs/20_attempt_view.sql"),
    include_str!("jobs/20_limit_views.sql"),
    include_str!("jobs/20_operator_views.sql"),
    include_str!("jobs/21_periodic.sql"),
    include_str!("jobs/22_grants.sql"),
    include_str!("jobs/23_tenants.sql"),
];

/// The objects of schema `app`.
pub(super) fn app() -> Vec<Object> {
    OWN.0.clone()
}

/// The objects of schema `jobs`.
pub(super) fn jobs() -> Vec<Object> {
    OWN.1.clone()
}

/// Read once: they are always the same.
static OWN: LazyLock<(Vec<Object>, Vec<Object>)> = LazyLock::new(|| {
    let (mut app, mut jobs) = (objects(APP), objects(JOBS));
    read::resolve(&mut app, &[]);
    read::resolve(&mut jobs, &app);
    (app, jobs)
});

fn objects(files: &[&str]) -> Vec<Object> {
    files.iter().flat_map(|text| cut(text)).collect()
}

/// The objects of one file. A header of an unknown kind makes none; the tests below refuse such a file.
fn cut(text: &str) -> Vec<Object> {
    let mut out = Vec::new();
    for part in format!("\n{text}").split(&format!("\n{OBJECT}")).skip(1) {
        let (header, rest) = part.split_once('\n').unwrap_or((part, ""));
        let Some((kind, name)) = header.trim().split_once(' ') else { continue };
        let Some(kind) = ObjectKind::named(kind) else { continue };
        let (drop, create) = match rest.strip_prefix(DROP) {
            Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
            None => ("", rest),
        };
        let drop = statement(drop).map(str::to_owned).into_iter().collect();
        let create: Vec<String> = statement(create).map(str::to_owned).into_iter().collect();
        out.push(read::object(kind, name.trim(), create).unmade_by(drop));
    }
    out
}

/// Text without its last semicolon; several statements stay together.
fn statement(text: &str) -> Option<&str> {
    let text = text.trim();
    let text = text.strip_suffix(';').unwrap_or(text).trim_end();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_its_headers() {
        let objects =
            cut("-- About the file.\n\n-- object: table a.b\n-- drop: DROP TABLE a.b;\nCREATE TABLE a.b ();\n\
                           COMMENT ON TABLE a.b IS ';';\n\n-- object: grant a\nGRANT x;\n");
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0].name, "a.b");
        assert_eq!(objects[0].create(), ["CREATE TABLE a.b ();\nCOMMENT ON TABLE a.b IS ';'"]);
        assert_eq!(objects[0].unmake(), ["DROP TABLE a.b"]);
        assert_eq!(objects[1].kind, ObjectKind::Grant);
        assert!(objects[1].unmake().is_empty());
    }

    #[test]
    fn every_header_of_the_static_files_names_an_object() {
        for text in APP.iter().chain(JOBS) {
            let headers = text.lines().filter(|line| line.starts_with("-- object:")).count();
            let objects = cut(text);
            assert_eq!(objects.len(), headers, "in the file that begins {:?}", text.lines().next());
            assert!(headers > 0);
            for object in objects {
                assert!(!object.create().is_empty(), "{} makes nothing", object.name);
            }
        }
    }

    #[test]
    fn a_function_is_named_with_its_parameters_everywhere() {
        // So that another version of it may stand beside it while a project is upgraded.
        for text in APP.iter().chain(JOBS) {
            for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
                let named = ["COMMENT ON FUNCTION ", "ON FUNCTION "].iter().find_map(|words| line.split_once(words));
                let Some((_, name)) = named.filter(|(_, name)| !name.is_empty()) else { continue };
                let bare = name.split([' ', ',']).next().unwrap_or_default();
                assert!(bare.contains('('), "{line}");
            }
        }
    }

    #[test]
    fn every_static_file_is_included() {
        for (folder, included) in [("app", APP), ("jobs", JOBS)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql").join(folder);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(included.contains(&text.as_str()), "{} is not in the list", path.display());
            }
        }
    }

    #[test]
    fn names_are_unique_within_a_kind() {
        let mut names: Vec<_> = app().into_iter().chain(jobs()).map(|object| (object.kind, object.name)).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
