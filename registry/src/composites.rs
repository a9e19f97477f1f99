//! The table of composite types: the one place that defines them. A composite is a JSON object of known members.

use std::{collections::HashMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::{Basic, Schema, SchemaField, ValueType, scalars};

mod table;

pub use table::ALL;

/// A composite type. Copy it freely: it points into [`ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Composite(&'static CompositeInfo);

/// A row of the table.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CompositeInfo {
    /// The name in YAML.
    pub name: &'static str,
    /// One line for the reference.
    pub doc: &'static str,
    /// Its members, in the order in which they are shown.
    pub members: &'static [Member],
    /// A value that fits, as JSON.
    pub example: &'static str,
    /// Values that fit, as JSON.
    pub good: &'static [&'static str],
    /// Values that do not fit, as JSON.
    pub bad: &'static [&'static str],
}

/// A member of a composite.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its type.
    pub ty: MemberType,
    /// Whether it must be there.
    pub required: bool,
    /// What it is.
    pub doc: &'static str,
}

/// The type of a member.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum MemberType {
    /// A basic type.
    Basic(Basic),
    /// A row of the table of scalars.
    Scalar(&'static str),
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Many of them.
    List(&'static MemberType),
    /// Another row of this table.
    Composite(&'static str),
}

impl MemberType {
    fn value(&self) -> ValueType {
        match self {
            Self::Basic(basic) => ValueType::Basic(*basic),
            Self::Scalar(name) => {
                ValueType::Scalar(scalars::Scalar::from_name(name).expect("a test looks up every member's type"))
            }
            Self::Enum(values) => ValueType::Enum(values.iter().map(|&value| value.to_owned()).collect()),
            Self::List(item) => ValueType::List(Box::new(item.value())),
            Self::Composite(name) => {
                ValueType::Composite(Composite::from_name(name).expect("a test looks up every member's type"))
            }
        }
    }
}

/// The members of each composite as a schema, by name.
static SCHEMAS: LazyLock<HashMap<&'static str, Schema>> = LazyLock::new(|| {
    let field = |member: &Member| SchemaField {
        ty: member.ty.value(),
        required: member.required,
        default: None,
        description: Some(member.doc.to_owned()),
    };
    let schema = |info: &CompositeInfo| Schema {
        fields: info.members.iter().map(|member| (member.name.to_owned(), field(member))).collect(),
    };
    ALL.iter().map(|info| (info.name, schema(info))).collect()
});

impl Composite {
    /// The composite of that name, exactly as it is written in YAML.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|info| info.name == name).map(Self)
    }

    /// Its row of the table.
    #[must_use]
    pub const fn info(self) -> &'static CompositeInfo {
        self.0
    }

    /// Its members as a schema.
    ///
    /// # Panics
    /// Never: every row has one.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        SCHEMAS.get(self.0.name).expect("made of the same table")
    }
}

impl Serialize for Composite {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Composite {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format!("unknown composite type `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_composite_takes_its_good_values_and_refuses_its_bad_ones() {
        for info in ALL {
            let ty = ValueType::Composite(Composite::from_name(info.name).unwrap());
            let check = |json: &str| ty.check_input(&serde_json::from_str(json).unwrap());
            assert!(info.good.contains(&info.example), "{}", info.name);
            for good in info.good {
                check(good).unwrap();
            }
            for bad in info.bad {
                assert!(check(bad).is_err(), "{}: {bad}", info.name);
            }
        }
    }
}
