//! What the pages of `docs/` show that need nothing but a database: their YAML compiles, and their SQL answers what they say.

mod actions;
mod dates;
mod lists;
mod page;
mod texts;
mod views;
