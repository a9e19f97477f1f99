//! "did you mean": the nearest known name.

use std::collections::HashSet;

/// The candidate nearest to `name`, if it is near enough to be a slip of the keyboard.
///
/// Case and `_`/`-` do not count, so that `createCharge` finds `create_charge`. Of equally near candidates the first.
#[must_use]
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// What is longer is no slip of anything, and would take its time.
    const LONGEST: usize = 100;

    if name.len() > LONGEST {
        return None;
    }
    let plain = normalise(name);
    let length = plain.chars().count();
    let allowed = (length / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = normalise(candidate);
            // Each letter more or less is a slip of its own.
            let near = other.chars().count().abs_diff(length) <= allowed;
            near.then(|| (strsim::osa_distance(&plain, &other), candidate))
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ``did you mean `create_charge`?``, or a list of all there is where nothing is near.
#[must_use]
pub fn help_for<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const MOST: usize = 12;
    let mut seen = HashSet::new();
    let candidates: Vec<&str> = candidates.into_iter().filter(|candidate| seen.insert(*candidate)).collect();
    if let Some(near) = suggest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let shown: Vec<String> = candidates.iter().take(MOST).map(|candidate| format!("`{candidate}`")).collect();
    match candidates.len() {
        0 => None,
        n if n > MOST => Some(format!("known are {} and {} more", shown.join(", "), n - MOST)),
        _ => Some(format!("known: {}", shown.join(", "))),
    }
}

fn normalise(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_have_is_listed_once() {
        assert_eq!(help_for("bill", ["act", "other", "act"]).as_deref(), Some("known: `act`, `other`"));
    }

    #[test]
    fn a_transposition_a_case_and_an_underscore_are_slips() {
        let known = ["create_charge", "create_customer", "create_refund"];
        assert_eq!(suggest("create_chrage", known), Some("create_charge"));
        assert_eq!(suggest("createCharge", known), Some("create_charge"));
        assert_eq!(suggest("creat-customer", known), Some("create_customer"));
    }

    #[test]
    fn something_else_altogether_suggests_nothing() {
        assert_eq!(suggest("send_mail", ["create_charge"]), None);
        assert_eq!(suggest("a", ["xyz"]), None);
    }

    #[test]
    fn where_nothing_is_near_all_candidates_are_listed() {
        assert_eq!(help_for("zzz", ["one", "two"]).as_deref(), Some("known: `one`, `two`"));
        assert_eq!(help_for("zzz", []), None);
    }
}
