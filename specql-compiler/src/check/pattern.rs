//! Regular expressions that PostgreSQL reads as everybody else does: those of `pattern:`, and constant ones in expressions.

/// Why a regular expression is refused.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// This part of it means something else in PostgreSQL, or nothing.
    ReadOtherwise(String),
    /// It is none: why.
    NotOne(String),
}

impl Unreadable {
    /// In words.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::ReadOtherwise(part) => format!("`{part}` means something else in PostgreSQL, or nothing"),
            Self::NotOne(error) => format!("this is no regular expression: {error}"),
        }
    }
}

/// Whether PostgreSQL reads this regular expression, and as others do.
///
/// # Errors
/// It does not.
pub(crate) fn check(pattern: &str) -> Result<(), Unreadable> {
    if let Some(part) = other_in_postgresql(pattern) {
        return Err(Unreadable::ReadOtherwise(part));
    }
    // Of the rest PostgreSQL, which uses it, says the same as the reader here.
    regex_lite::Regex::new(pattern).map(drop).map_err(|error| Unreadable::NotOne(error.to_string()))
}

/// What PostgreSQL reads in another way than others do (its manual, "Regular Expression Escapes"): there `\b` is a backspace.
fn other_in_postgresql(pattern: &str) -> Option<String> {
    const ESCAPED: &str = "dDwWsSnrt.\\+*?()[]{}^$|/-";
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '(', '{']) {
        let (found, behind) = (&rest[at..], &rest[at + 1..]);
        let next = behind.chars().next();
        if found.starts_with('\\') {
            let escaped = next?;
            if !ESCAPED.contains(escaped) {
                return Some(format!("\\{escaped}"));
            }
            rest = &behind[escaped.len_utf8()..];
            continue;
        }
        if found.starts_with("(?") && !found.starts_with("(?:") {
            return Some(found.chars().take(3).collect());
        }
        let most = behind.split('}').next().unwrap_or_default();
        let numbers = most.split(',').filter_map(|digits| digits.parse::<u32>().ok());
        if found.starts_with('{') && numbers.into_iter().any(|number| number > 255) {
            return Some(format!("{{{most}}}"));
        }
        rest = behind;
    }
    // At its beginning these choose another kind of expression.
    pattern.starts_with("***").then(|| "***".to_owned())
}
