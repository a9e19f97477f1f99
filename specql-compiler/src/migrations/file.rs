//! Names of migration files: `0002_order_add_discount.sql`.

use std::fmt;

/// The parts of a migration's file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FileName {
    /// `2`.
    pub version: i64,
    /// `order_add_discount`.
    pub name: String,
}

impl FileName {
    /// Reads `<version>_<name>.sql`, which is what sqlx takes for a migration. `None`: it is something else.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<Self> {
        let (version, name) = file_name.strip_suffix(".sql")?.split_once('_')?;
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { version: version.parse().ok()?, name: name.to_owned() })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}_{}.sql", self.version, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_is_written() {
        let name = FileName { version: 2, name: "order_add_discount".to_owned() };
        assert_eq!(name.to_string(), "0002_order_add_discount.sql");
        assert_eq!(FileName::parse("0002_order_add_discount.sql"), Some(name));
    }

    #[test]
    fn other_files_are_no_migrations() {
        for other in ["README.md", "init.sql", "0001.sql", "x1_init.sql", "_init.sql", "0001_init.sql.bak", "-1_a.sql"]
        {
            assert_eq!(FileName::parse(other), None, "{other}");
        }
    }
}
