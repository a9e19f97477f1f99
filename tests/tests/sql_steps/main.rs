//! Each kind of step on a real server: what it does with good input and with bad, and what remains when an action fails.

mod callbacks;
mod calls;
mod failures;
mod inputs;
mod loops;
mod narrowing;
mod returns;
mod rows;
mod support;
