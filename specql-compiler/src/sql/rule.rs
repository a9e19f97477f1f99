//! What a table's constraint demands.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a constraint demands of rows. Its text is [`Display`](fmt::Display).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "Written", into = "Written")]
pub enum Rule {
    /// These columns are the key.
    PrimaryKey(Vec<String>),
    /// No two rows are equal in these columns.
    Unique(Vec<String>),
    /// A condition, which is not false.
    Check {
        /// As it stands in the parentheses.
        condition: String,
        /// The columns that it names.
        columns: Vec<String>,
        /// Whether somebody wrote it as it is. Else it is what a field's type says, of which is known when it allows more, and that
        /// NULL and the field's default meet it.
        free: bool,
    },
    /// Anything else.
    Other(String),
}

/// A rule in a snapshot. Versions before kept its text alone, of which the columns are found when it has been read.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Check {
        check: String,
        columns: Vec<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        free: bool,
    },
    Text(String),
}

impl Rule {
    /// What that text demands; the columns of a condition are found among these.
    pub(crate) fn read(text: &str, columns: &[&str]) -> Self {
        let inside = |kind: &str| text.strip_prefix(kind)?.strip_prefix(" (")?.strip_suffix(')');
        let list = |text: &str| text.split(", ").map(str::to_owned).collect();
        if let Some(columns) = inside("PRIMARY KEY") {
            Self::PrimaryKey(list(columns))
        } else if let Some(columns) = inside("UNIQUE") {
            Self::Unique(list(columns))
        } else if let Some(condition) = inside("CHECK") {
            let names = super::read::words_of_code(condition);
            let named = columns.iter().filter(|column| names.contains(&column.trim_matches('"')));
            let columns = named.map(|&column| column.to_owned()).collect();
            Self::Check { condition: condition.to_owned(), columns, free: false }
        } else {
            Self::Other(text.to_owned())
        }
    }

    /// The columns that it is about.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match self {
            Self::PrimaryKey(columns) | Self::Unique(columns) | Self::Check { columns, .. } => columns,
            Self::Other(_) => &[],
        }
    }

    /// Whether it is about that column.
    #[must_use]
    pub fn names(&self, column: &str) -> bool {
        self.columns().iter().any(|named| named == column)
    }

    /// Whether somebody wrote it as it is.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        matches!(self, Self::Check { free: true, .. })
    }

    /// Whether no two rows may be equal in its columns.
    #[must_use]
    pub const fn is_unique(&self) -> bool {
        matches!(self, Self::PrimaryKey(_) | Self::Unique(_))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryKey(columns) => write!(f, "PRIMARY KEY ({})", columns.join(", ")),
            Self::Unique(columns) => write!(f, "UNIQUE ({})", columns.join(", ")),
            Self::Check { condition, .. } => write!(f, "CHECK ({condition})"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<Rule> for Written {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Check { condition, columns, free } => Self::Check { check: condition, columns, free },
            other => Self::Text(other.to_string()),
        }
    }
}

impl From<Written> for Rule {
    fn from(written: Written) -> Self {
        match written {
            Written::Check { check, columns, free } => Self::Check { condition: check, columns, free },
            Written::Text(text) => Self::read(&text, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_columns_and_not_the_words_of_its_literals() {
        let rule = Rule::read("CHECK (state IN ('total', 'it''s note'))", &["state", "total", "note"]);
        assert_eq!(rule.columns(), ["state"]);
        assert_eq!(rule.to_string(), "CHECK (state IN ('total', 'it''s note'))");
        let quoted = Rule::read(r#"CHECK ("order" > 0)"#, &["\"order\"", "a"]);
        assert_eq!(quoted.columns(), ["\"order\""]);
    }

    #[test]
    fn a_rule_is_read_as_it_was_written() {
        let rules = ["PRIMARY KEY (pk)", "UNIQUE (tenant_id, a)", "CHECK (a > 0)", "EXCLUDE USING gist (a WITH &&)"];
        for text in rules {
            let rule = Rule::read(text, &["a"]);
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule, "{json}");
        }
    }
}
