//! What the whole-system tests share.
//!
//! | module | holds |
//! |---|---|
//! | [`payments`] | real stand-ins for Stripe, from PyPI and npm, as child processes |
//! | [`process`] | child processes that end with their test |
//! | [`proxy`] | a network that fails: half open, slow, reset, cut |
//! | [`pooler`] | PgBouncer, of two versions |
//! | [`server`] | a PostgreSQL of one test's own, which it may stop, kill and starve |
//! | [`work`] | a queue whose jobs do as they are told, and workers of it in this process or in others |
//! | [`chaos`] | everything goes wrong at once |
//! | [`change`] | mistakes made on purpose in the queue's functions |
//! | [`app`] | applications of a user, built by Cargo in a folder of their own |
//! | [`compiled`] | projects compiled in the test's own process, and databases made of them |
//! | [`history`] | histories of migrations, written by hand |
//! | [`corpus`] | applications as a team would write them |
//! | [`dump`] | `pg_dump`: what it says of a database's schema |
//! | [`grammar`] | PostgreSQL's own grammar: which statements a text really is |
//! | [`logged`] | what a test has logged |
//! | [`locks`] | which statements of a migration would lock a table that holds rows for long |
//! | [`migrations`] | a project's migrations folder in memory, and its steps on a database |
//! | [`random`] | random choices that a seed settles |
//! | [`tool`] | the programs that `cargo xtask test` installs |
//! | [`plpgsql_check`] | the extension of that name over every function of a database |

pub mod app;
pub mod change;
pub mod chaos;
pub mod compiled;
pub mod corpus;
pub mod dump;
pub mod grammar;
pub mod history;
pub mod locks;
pub mod logged;
pub mod migrations;
pub mod payments;
pub mod plpgsql_check;
pub mod pooler;
pub mod process;
pub mod proxy;
pub mod random;
pub mod server;
pub mod tool;
pub mod work;
