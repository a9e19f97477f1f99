//! What a database's history means for a binary: what it has to apply, whether it may run at all.

use super::{MigrateError, applied::Applied, compatible, index::ConcurrentIndex};
use crate::Migration;

/// How a binary stands to a database.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    /// These are missing, in this order; none where the database is up to date.
    Behind(Vec<&'a Migration>),
    /// The database has all of the binary's and newer ones, and the binary may run beside these.
    Ahead {
        /// The newest one that was applied.
        newest: i64,
    },
}

/// How a binary with these migrations stands to a database with that history.
pub(super) fn standing<'a>(applied: &Applied, migrations: &'a [Migration]) -> Result<Standing<'a>, MigrateError> {
    let known = |version: i64| migrations.iter().find(|migration| migration.version == version);
    for (&version, row) in &applied.rows {
        // What one statement can have left behind is known; anything else is for a person to look at.
        let mendable = known(version).is_some_and(|migration| ConcurrentIndex::of(migration.sql).is_some());
        if !row.success && !mendable {
            return Err(MigrateError::Dirty { version, table: applied.table.clone() });
        }
    }
    let mut missing = Vec::new();
    for migration in migrations {
        let (version, description) = (migration.version, migration.description.to_owned());
        let theirs = applied.rows.get(&version).map(|row| &row.description).filter(|theirs| **theirs != description);
        match (applied.is_unchanged(migration), theirs) {
            (Some(true), _) => {}
            (Some(false), Some(theirs)) => {
                let (theirs, open) = (theirs.clone(), migration.open);
                return Err(MigrateError::OtherBranch { version, description, theirs, open });
            }
            (Some(false), None) if migration.open => return Err(MigrateError::ChangedOpen { version, description }),
            (Some(false), None) => return Err(MigrateError::Changed { version, description }),
            (None, _) => missing.push(migration),
        }
    }
    let done = applied.rows.iter().filter(|(_, row)| row.success).map(|(&version, _)| version);
    let newest = done.max().unwrap_or_default();
    let newest_known = compatible::newest(migrations);
    let unknown = applied.rows.keys().copied().find(|&version| known(version).is_none());
    if let Some(version) = unknown.filter(|&version| version < newest_known) {
        return Err(MigrateError::Unknown { version });
    }
    if let Some(first) = missing.first().filter(|first| first.version < newest) {
        let description = first.description.to_owned();
        return Err(MigrateError::Gap { version: first.version, description, later: newest });
    }
    if unknown.is_some() {
        compatible::check(migrations, applied.breaking.clone())?;
        return Ok(Standing::Ahead { newest });
    }
    Ok(Standing::Behind(missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::migrate::{
        applied::{Row, checksum_of},
        compatible::Breaking,
    };

    /// Migrations 1, 2, 3, of which the last two are an index and what is open.
    const MIGRATIONS: [Migration; 3] = [
        migration(1, "SELECT 1;", false),
        migration(2, "-- no-transaction\nCREATE INDEX CONCURRENTLY ix_a ON app.tb_a (a);", false),
        migration(3, "SELECT 3;", true),
    ];

    const fn migration(version: i64, sql: &'static str, open: bool) -> Migration {
        Migration { version, description: "", sql, open, reverse: None, replaces: &[] }
    }

    fn row(checksum: Vec<u8>) -> Row {
        Row { description: String::new(), checksum, success: true }
    }

    fn applied(versions: &[i64]) -> Applied {
        let checksum =
            |version: i64| MIGRATIONS.iter().find(|one| one.version == version).map_or_else(|| vec![0], checksum_of);
        let rows = versions.iter().map(|&version| (version, row(checksum(version))));
        Applied { rows: rows.collect(), ..Applied::default() }
    }

    fn missing(applied: &Applied) -> Vec<i64> {
        match standing(applied, &MIGRATIONS).unwrap() {
            Standing::Behind(missing) => missing.iter().map(|migration| migration.version).collect(),
            Standing::Ahead { newest } => panic!("ahead with {newest}"),
        }
    }

    fn refused(applied: &Applied) -> MigrateError {
        standing(applied, &MIGRATIONS).unwrap_err()
    }

    #[test]
    fn what_is_not_applied_is_missing() {
        assert_eq!(missing(&applied(&[])), [1, 2, 3]);
        assert_eq!(missing(&applied(&[1])), [2, 3]);
        assert_eq!(missing(&applied(&[1, 2, 3])), Vec::<i64>::new());
    }

    #[test]
    fn a_database_with_newer_migrations_is_ahead() {
        let standing = standing(&applied(&[1, 2, 3, 4, 5]), &MIGRATIONS).unwrap();
        assert!(matches!(standing, Standing::Ahead { newest: 5 }), "{standing:?}");
    }

    #[test]
    fn one_that_broke_with_older_binaries_lets_newer_ones_run() {
        let mut applied = applied(&[1, 2, 3, 4, 5]);
        applied.breaking = Some(Breaking { version: 3, reason: String::new() });
        assert!(standing(&applied, &MIGRATIONS).is_ok());
        applied.breaking = Some(Breaking { version: 4, reason: "column sales.tb_order.total is gone".to_owned() });
        assert_eq!(
            refused(&applied).to_string(),
            "this binary ends with migration 3, and the database has migration 4, which took away what older binaries need: \
             column sales.tb_order.total is gone; deploy a version of the project that has migration 4"
        );
    }

    #[test]
    fn another_history_is_refused() {
        let unknown = standing(&applied(&[1, 2]), &[MIGRATIONS[0], MIGRATIONS[2]]).unwrap_err();
        assert!(matches!(unknown, MigrateError::Unknown { version: 2 }), "{unknown}");
        for (there, missing, latest) in [(vec![1, 3], 2, 3), (vec![1, 2, 4], 3, 4)] {
            let gap = refused(&applied(&there));
            let MigrateError::Gap { version, later, .. } = gap else { panic!("{gap}") };
            assert_eq!((version, later), (missing, latest));
        }
    }

    #[test]
    fn another_form_of_a_migration_is_refused() {
        let mut one = applied(&[1, 2, 3]);
        one.rows.get_mut(&3).unwrap().checksum = vec![0];
        assert!(matches!(refused(&one), MigrateError::ChangedOpen { version: 3, .. }));
        one.rows.get_mut(&1).unwrap().checksum = vec![0];
        assert!(matches!(refused(&one), MigrateError::Changed { version: 1, .. }));
    }

    #[test]
    fn another_branchs_migration_is_told_by_its_name() {
        let mut applied = applied(&[1, 2]);
        applied.rows.insert(3, Row { description: "order add region".to_owned(), ..row(vec![0]) });
        let ours =
            [MIGRATIONS[0], MIGRATIONS[1], Migration { description: "order add one", open: false, ..MIGRATIONS[2] }];
        let said = standing(&applied, &ours).unwrap_err().to_string();
        let names =
            "the database has another migration 3 than this binary: `order add region`, and not `order add one`";
        assert!(said.starts_with(names) && !said.contains("fresh"), "{said}");
    }

    #[test]
    fn what_a_baseline_stands_for_counts_as_applied() {
        let mut squashed = applied(&[]);
        squashed.rows.insert(3, row(vec![0]));
        squashed.replaced = MIGRATIONS.iter().map(|one| (one.version, checksum_of(one))).collect();
        assert_eq!(missing(&squashed), Vec::<i64>::new());
    }

    #[test]
    fn an_interrupted_index_is_built_again_and_anything_else_is_for_a_person() {
        let mut dirty = applied(&[1, 2]);
        dirty.rows.get_mut(&2).unwrap().success = false;
        assert_eq!(missing(&dirty), [2, 3]);
        dirty.rows.get_mut(&1).unwrap().success = false;
        assert!(matches!(refused(&dirty), MigrateError::Dirty { version: 1, .. }));
    }
}
