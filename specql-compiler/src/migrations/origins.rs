//! Comments that say which YAML line a statement came from. They help a reader; that a line has moved is no change.

/// Whether two texts of SQL differ in such comments at most.
#[must_use]
pub fn same_apart(before: &str, after: &str) -> bool {
    without_origins(before).eq(without_origins(after))
}

fn without_origins(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !is_origin(line.trim()))
}

/// `-- entities/order.yaml:12: insert Order`
fn is_origin(line: &str) -> bool {
    let Some(comment) = line.strip_prefix("-- ") else { return false };
    [".yaml:", ".yml:"].iter().filter_map(|extension| comment.split_once(extension)).any(|(path, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = rest.get(digits..).unwrap_or_default();
        !path.contains(' ') && digits > 0 && (after.is_empty() || after.starts_with(": "))
    })
}
