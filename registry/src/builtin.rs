//! The built-in services, as YAML text. The compiler decodes and checks them like a project's own.

/// File name (for diagnostics) and text of each built-in registry file.
pub static FILES: &[(&str, &str)] = &[];
