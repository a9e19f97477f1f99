//! What the pages of `docs/` show that need nothing but a database: their YAML compiles, and their SQL answers what they say.

mod actions;
mod dates;
mod functions;
mod lists;
mod other_rows;
mod page;
mod sequences;
mod texts;
mod views;
