//! What the enums of generated code share.

/// A text that is none of an enum's values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {name} {text:?}: expected one of {}", .expected.join(", "))]
#[non_exhaustive]
pub struct UnknownValue {
    /// The enum.
    pub name: &'static str,
    /// What was given.
    pub text: String,
    /// Its values.
    pub expected: Vec<&'static str>,
}

impl UnknownValue {
    /// `text` is none of the values of the enum `name`.
    #[must_use]
    pub fn new(name: &'static str, text: &str, expected: impl IntoIterator<Item = &'static str>) -> Self {
        Self { name, text: text.to_owned(), expected: expected.into_iter().collect() }
    }
}
