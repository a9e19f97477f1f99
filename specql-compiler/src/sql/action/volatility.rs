//! What PostgreSQL may assume of a function: a function that writes nothing says so.

use crate::model::function::Volatility;

impl Volatility {
    /// The line in `CREATE FUNCTION`; the default needs none.
    pub(in super::super) const fn clause(self) -> &'static str {
        match self {
            Self::Immutable => "IMMUTABLE\n",
            Self::Stable => "STABLE\n",
            Self::Volatile => "",
        }
    }
}
