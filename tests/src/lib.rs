//! What the whole-system tests share.
//!
//! | module | holds |
//! |---|---|
//! | [`payments`] | real stand-ins for Stripe, from PyPI and npm, as child processes |
//! | [`process`] | child processes that end with their test |
//! | [`app`] | applications of a user, built by Cargo in a folder of their own |

pub mod app;
pub mod payments;
pub mod process;
