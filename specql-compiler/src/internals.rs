//! The compiler's modules, for SpecQL's own crates. No part of the API: everything here may change in any version, and a crate
//! that uses it depends on exactly this one (`specql-compiler = "=…"`).

/// `build`, whole.
pub mod build {
    pub use crate::build::*;
}

/// `diagnostics`, whole.
pub mod diagnostics {
    pub use crate::diagnostics::*;
}

/// `keys`, whole.
pub mod keys {
    pub use crate::keys::*;
}

/// `migrations`, whole.
pub mod migrations {
    pub use crate::migrations::*;
}

/// `model`, whole.
pub mod model {
    pub use crate::model::*;
}

/// `outputs`, whole.
pub mod outputs {
    pub use crate::outputs::*;
}

/// `reference`, whole.
pub mod reference {
    pub use crate::reference::*;
}

/// `registry`, whole.
pub mod registry {
    pub use crate::registry::*;
}

/// `rust`, whole.
pub mod rust {
    pub use crate::rust::*;
}

/// `source`, whole.
pub mod source {
    pub use crate::source::*;
}

/// `sql`, whole.
pub mod sql {
    pub use crate::sql::*;
}

/// `syntax`, whole.
pub mod syntax {
    pub use crate::syntax::*;
}
