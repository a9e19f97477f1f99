//! The model as TypeScript. So far: how its types are spelt.

mod types;

pub(crate) use types::basic;
