//! The SpecQL service registry: what may be called, how, and under which policy.
//!
//! Shared by the compiler, which decodes and checks it from YAML, and by the runtime, which reads the
//! checked form that the compiler put into the binary. It knows nothing of YAML, SQL, Rust tokens or sockets.
//!
//! | module | holds |
//! |---|---|
//! | [`value`] | the types of the language: basic types, enums, lists, objects |
//! | [`scalars`] | the table of named scalar types (`email`, `money`, …): the one place that defines them |
//! | [`composites`] | the table of composite types (`SimpleAddress`, `MoneyAmount`, …) |
//! | [`duration`] | lengths of time, in the form of ISO 8601 |
//! | [`json`] | JSON values whose numbers keep their digits |
//! | [`schema`] | input and output schemas, and the JSON check against them |
//! | [`service`] | services, operations, limits, retries: the checked registry |
//! | [`http`] | what the HTTP runner needs of a service and an operation |
//! | [`setting`] | values that may be references to the environment or to a secret |
//! | [`template`] | `/v1/charges/{id}` and body templates |
//! | [`output_path`] | `$.data[0].id`, `$header.<name>`, `$status`: where an output field is found |
//! | [`execution_type`] | `http`, `shell`, `docker`, `serverless` and their metadata |
//! | [`failure`] | the failure classes: what each means for retries, breakers and fallbacks |
//! | [`limits`] | what holds calls back: concurrency, rates, circuit breakers |
//! | [`timing`] | when a schedule is due: cron rules and time zones |
//! | [`builtin`] | the built-in services, as YAML text |
//!
//! Invariants: everything here is plain data; iteration order is the order of the source; a value that came
//! out of the compiler has been checked and is not checked again.

pub mod builtin;
pub mod composites;
pub mod duration;
pub mod execution_type;
pub mod failure;
pub mod http;
pub mod json;
pub mod limits;
pub mod output_path;
pub mod scalars;
pub mod schema;
pub mod service;
pub mod setting;
pub mod template;
pub mod timing;
pub mod value;

pub use execution_type::ExecutionType;
pub use failure::FailureClass;
pub use json::Json;
pub use schema::{Schema, SchemaField};
pub use service::{Operation, Registry, Service};
pub use setting::Setting;
pub use value::{Basic, ValueType};
