//! What the pages of `docs/` show that need nothing but a database: their YAML compiles, and their SQL answers what they say.

mod actions;
mod dates;
mod functions;
mod page;
mod texts;
