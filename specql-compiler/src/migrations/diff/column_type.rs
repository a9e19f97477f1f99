//! What it means for a table when a column's type changes.

use crate::migrations::plan::HazardKind;

/// Types of whole numbers and what holds all of their values, from narrow to wide.
const WIDER: &[&[&str]] = &[&["SMALLINT", "INTEGER", "BIGINT", "NUMERIC"], &["REAL", "DOUBLE PRECISION"]];

/// What stands against changing a column from one type to the other. `None`: the rows stay as they are.
pub(super) fn hazard(old: &str, new: &str) -> Option<HazardKind> {
    if keeps_rows(old, new) {
        return None;
    }
    if loses(old, new) {
        return Some(HazardKind::Loss);
    }
    let wider = WIDER.iter().any(|types| {
        let place = |ty: &str| types.iter().position(|known| *known == ty);
        matches!((place(old), place(new)), (Some(old), Some(new)) if old < new)
    });
    // Everything can be written as text.
    Some(if wider || new == "TEXT" { HazardKind::Lock } else { HazardKind::Misfit })
}

/// Whether PostgreSQL makes values of the new type that are no longer what they were, and says nothing: what it rounds, and what it
/// cuts off.
fn loses(old: &str, new: &str) -> bool {
    let is_text = old == "TEXT" || old.starts_with("VARCHAR(");
    if let Some((_, scale)) = sized(new, "NUMERIC") {
        return is_text || decimals(old).is_some_and(|decimals| decimals > scale);
    }
    match new {
        "SMALLINT" | "INTEGER" | "BIGINT" => decimals(old).is_some_and(|decimals| decimals > 0),
        // What they hold exactly has 24 and 53 bits.
        "REAL" => is_text || (decimals(old).is_some() && old != "SMALLINT"),
        "DOUBLE PRECISION" => is_text || (decimals(old).is_some() && !matches!(old, "SMALLINT" | "INTEGER" | "REAL")),
        "DATE" | "TIME" => is_text || old.starts_with("TIMESTAMP"),
        // What has no time zone gets the session's.
        "TIMESTAMPTZ" => is_text,
        // A number is read as so many seconds.
        "INTERVAL" => is_text || decimals(old).is_some() || old == "JSONB",
        _ => false,
    }
}

/// How many digits behind the point a number of that type may have.
fn decimals(ty: &str) -> Option<u32> {
    match ty {
        "SMALLINT" | "INTEGER" | "BIGINT" => Some(0),
        "NUMERIC" | "REAL" | "DOUBLE PRECISION" => Some(u32::MAX),
        _ => sized(ty, "NUMERIC").map(|(_, scale)| scale),
    }
}

/// How each row's value becomes one of the new type. Any type reads what another one prints, if it can be read at all.
pub(super) fn using(column: &str, old: &str, new: &str) -> String {
    let numeric = |ty: &str| WIDER.iter().any(|types| types.contains(&ty)) || ty.starts_with("NUMERIC(");
    if sized(new, "VARCHAR").is_some() {
        // An explicit cast would cut what is too long; an assignment refuses it.
        format!("{column}::text")
    } else if (old, new) == ("INET", "TEXT") {
        // A cast would write the length of the netmask behind every address.
        format!("abbrev({column})")
    } else if keeps_rows(old, new) || (numeric(old) && numeric(new)) || new == "TEXT" {
        format!("{column}::{new}")
    } else {
        format!("{column}::text::{new}")
    }
}

/// Whether PostgreSQL changes the type without a look at the rows: `VARCHAR` and `NUMERIC` with more room.
fn keeps_rows(old: &str, new: &str) -> bool {
    match (sized(old, "VARCHAR"), sized(new, "VARCHAR"), sized(old, "NUMERIC"), sized(new, "NUMERIC")) {
        (Some(_), None, ..) if new == "TEXT" => true,
        (Some(old), Some(new), ..) => old <= new,
        (_, _, Some(_), None) if new == "NUMERIC" => true,
        // Another scale means another rounding, and all rows are written anew.
        (_, _, Some((old, old_scale)), Some((new, new_scale))) => old <= new && old_scale == new_scale,
        _ => false,
    }
}

/// The numbers of `VARCHAR(20)` or `NUMERIC(12, 2)`.
fn sized(ty: &str, name: &str) -> Option<(u32, u32)> {
    let inside = ty.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
    let (first, second) = inside.split_once(',').unwrap_or((inside, "0"));
    Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_room_leaves_the_rows_alone() {
        for (old, new) in [
            ("VARCHAR(10)", "VARCHAR(20)"),
            ("VARCHAR(10)", "TEXT"),
            ("NUMERIC(10,2)", "NUMERIC(12, 2)"),
            ("NUMERIC(10,2)", "NUMERIC"),
        ] {
            assert_eq!(hazard(old, new), None, "{old} → {new}");
        }
    }

    #[test]
    fn a_wider_type_locks_the_table_while_its_rows_are_written_anew() {
        for (old, new) in [("INTEGER", "BIGINT"), ("BIGINT", "NUMERIC"), ("UUID", "TEXT"), ("REAL", "DOUBLE PRECISION")]
        {
            assert_eq!(hazard(old, new), Some(HazardKind::Lock), "{old} → {new}");
        }
    }

    #[test]
    fn what_not_every_value_fits_is_a_misfit() {
        for (old, new) in [
            ("VARCHAR(20)", "VARCHAR(10)"),
            ("TEXT", "VARCHAR(10)"),
            ("NUMERIC(12,2)", "NUMERIC(10,2)"),
            ("NUMERIC(12,2)", "NUMERIC(12,4)"),
            ("BIGINT", "INTEGER"),
            ("NUMERIC(12,0)", "INTEGER"),
            ("TEXT", "INTEGER"),
            ("BOOLEAN", "DATE"),
        ] {
            assert_eq!(hazard(old, new), Some(HazardKind::Misfit), "{old} → {new}");
        }
    }

    #[test]
    fn what_would_be_rounded_or_cut_without_a_word_is_a_loss() {
        for (old, new) in [
            ("NUMERIC(12,4)", "NUMERIC(12,2)"),
            ("NUMERIC", "NUMERIC(12,2)"),
            ("TEXT", "NUMERIC(12,2)"),
            ("DOUBLE PRECISION", "NUMERIC(12,2)"),
            ("DOUBLE PRECISION", "INTEGER"),
            ("NUMERIC(12,2)", "BIGINT"),
            ("NUMERIC(12,2)", "DOUBLE PRECISION"),
            ("DOUBLE PRECISION", "REAL"),
            ("BIGINT", "DOUBLE PRECISION"),
            ("INTEGER", "REAL"),
            ("TEXT", "DOUBLE PRECISION"),
            ("TIMESTAMPTZ", "DATE"),
            ("TIMESTAMPTZ", "TIME"),
            ("TEXT", "DATE"),
            ("TEXT", "TIMESTAMPTZ"),
            ("INTEGER", "INTERVAL"),
        ] {
            assert_eq!(hazard(old, new), Some(HazardKind::Loss), "{old} → {new}");
        }
        assert_eq!(hazard("INTEGER", "DOUBLE PRECISION"), Some(HazardKind::Misfit));
    }

    #[test]
    fn a_value_is_read_from_its_text_where_there_is_no_cast() {
        assert_eq!(using("a", "BIGINT", "INTEGER"), "a::INTEGER");
        assert_eq!(using("a", "BOOLEAN", "DATE"), "a::text::DATE");
        assert_eq!(using("a", "INET", "TEXT"), "abbrev(a)");
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        assert_eq!(using("a", "TEXT", "VARCHAR(10)"), "a::text");
    }
}
