//! Entity files as they are written: every key read or refused, every value with its place, no name resolved.
//!
//! | module | holds |
//! |---|---|
//! | [`entity`] | documents: entities and their fields |
//! | [`function`] | SQL functions that an entity declares |
//! | [`action`] | actions and their inputs |
//! | [`schedule`] | schedules |
//! | [`step`] | the steps but `call_service` |
//! | [`call_service`] | `call_service` and its callbacks |
//! | [`value`] | a YAML value where an expression may stand |
//! | [`expr`] | expressions: text to a tree |
//! | [`types`] | types as they are written: `enum(a, b)! = a` |
//! | [`keys`] | reading a mapping whose keys are known |
//! | [`names`] | what may be a name |

pub mod action;
pub mod call_service;
pub mod entity;
pub mod expr;
pub mod function;
pub mod keys;
pub mod names;
pub mod row_rule;
pub mod schedule;
pub mod step;
pub mod types;
pub mod value;
