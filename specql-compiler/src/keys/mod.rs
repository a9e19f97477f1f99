//! Tables of keys: what may stand in a mapping, what it takes, what happens without it, and what it does.
//!
//! Each table stands in the file that reads its mapping, and every key that is read, refused or warned about is a row of
//! one. From them come the checks for unknown keys, and in [`crate::reference`] the reference (`docs/reference/keys.md`), the
//! JSON Schemas that editors use, and the test that no key is without effect: a new key is a new row, and nothing else needs
//! to be told.
//!
//! | module | holds |
//! |---|---|
//! | [`shape`] | what a value may be, for people and for JSON Schema |

pub mod shape;

pub use shape::Shape;

/// What may stand in one kind of mapping.
#[derive(Debug)]
pub struct Table {
    /// What the mapping is, in messages: `an entity`.
    pub what: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Further keys, that it has in common with another kind of mapping.
    pub shared: &'static [Key],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// What holds without it, for people.
    pub default: Option<&'static str>,
    /// What it does: a phrase for people, without a full stop.
    pub effect: &'static str,
    /// What becomes of it.
    pub standing: Standing,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is read and may be left out.
    Optional,
    /// It is read and must be there.
    Required,
    /// It is known, and refused until this compiler can do what it says.
    Refused,
    /// It is one of the original SpecQL; it has no effect, which is said.
    Warned,
}

impl Table {
    /// A table of these keys.
    #[must_use]
    pub const fn new(what: &'static str, keys: &'static [Key]) -> Self {
        Self { what, keys, shared: &[] }
    }

    /// With further keys, that it has in common with another kind of mapping.
    #[must_use]
    pub const fn with(self, shared: &'static [Key]) -> Self {
        Self { shared, ..self }
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().chain(self.shared)
    }

    /// The key of that name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// The names of the keys that may be written: what a misspelt one is compared with.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let written = |key: &&Key| matches!(key.standing, Standing::Optional | Standing::Required);
        self.keys().filter(written).map(|key| key.name)
    }
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape, effect: &'static str) -> Self {
        Self { name, shape, default: None, effect, standing: Standing::Optional }
    }

    /// With what holds where it is left out.
    #[must_use]
    pub const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// That must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { standing: Standing::Required, ..self }
    }

    /// That is refused until it is supported.
    #[must_use]
    pub const fn refused(self) -> Self {
        Self { standing: Standing::Refused, ..self }
    }

    /// That has no effect, which is said.
    #[must_use]
    pub const fn warned(self) -> Self {
        Self { standing: Standing::Warned, ..self }
    }
}
