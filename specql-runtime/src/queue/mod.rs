//! The protocol of `jobs`: all SQL of the worker and the client.

pub(crate) mod client;
