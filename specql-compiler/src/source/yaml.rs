//! The bounded YAML reader.
