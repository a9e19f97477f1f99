//! What this worker can serve: the operations of its own registry that it has a runner for.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use specql_registry::{
    ExecutionType, Operation, Registry, Service,
    service::{Call, Configuration, policy_hash},
};

use super::StartError;
use crate::{queue::registration::Registered, runner::Runner};

/// An operation with everything that a job of it needs. Nothing in it comes from a job's row.
pub(crate) struct Served {
    pub(crate) service: Arc<Service>,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) operation: Operation,
    pub(crate) policy_hash: String,
    pub(crate) runner: Arc<dyn Runner>,
}

impl Served {
    /// `service.operation`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.service.name, self.operation.name)
    }
}

/// The runners that a worker was given.
pub(crate) struct Runners {
    /// By execution type.
    pub(crate) by_type: HashMap<ExecutionType, Arc<dyn Runner>>,
    /// Handlers, by service and operation. They come first.
    pub(crate) handlers: HashMap<(&'static str, &'static str), Arc<dyn Runner>>,
    /// What another worker serves, by service and operation.
    pub(crate) elsewhere: HashSet<(&'static str, &'static str)>,
}

impl Runners {
    /// The runners that this build has.
    pub(crate) fn built_in() -> Self {
        let by_type: [(ExecutionType, Arc<dyn Runner>); _] = [
            #[cfg(feature = "http")]
            (ExecutionType::Http, Arc::new(crate::runner::http::HttpRunner::new())),
        ];
        Self { by_type: by_type.into(), handlers: HashMap::new(), elsewhere: HashSet::new() }
    }

    fn runner_for(&self, service: &Service, operation: &Operation) -> Option<Arc<dyn Runner>> {
        if let Some(handler) = self.handlers.get(&(service.name.as_str(), operation.name.as_str())) {
            return Some(Arc::clone(handler));
        }
        match operation.call {
            Call::Handler => None,
            Call::Http(_) => self.by_type.get(&service.execution_type).cloned(),
        }
    }
}

/// All operations that this worker can serve, by the database's codes.
#[derive(Default)]
pub(crate) struct Catalog {
    by_code: HashMap<i32, Arc<Served>>,
    codes: Vec<i32>,
    /// Operation → the one that takes over.
    fallbacks: HashMap<i32, i32>,
    /// Operation → the limit of its service.
    limit_of: HashMap<i32, i32>,
    limits: Vec<i32>,
}

impl Catalog {
    pub(crate) fn get(&self, code: i32) -> Option<&Arc<Served>> {
        self.by_code.get(&code)
    }

    /// The operation that takes over from another, where this worker serves it.
    pub(crate) fn fallback(&self, code: i32) -> Option<(i32, &Arc<Served>)> {
        let code = *self.fallbacks.get(&code)?;
        Some((code, self.by_code.get(&code)?))
    }

    /// The limit under which an operation's jobs run.
    pub(crate) fn limit_of(&self, code: i32) -> Option<i32> {
        self.limit_of.get(&code).copied()
    }

    /// All limits under which this worker's jobs run.
    pub(crate) fn limits(&self) -> &[i32] {
        &self.limits
    }

    /// Everything that this worker can serve; what it serves now, [`super::readiness`] says.
    pub(crate) fn codes(&self) -> &[i32] {
        &self.codes
    }

    /// Takes up what was [`resolve`]d, under the codes that the database gave.
    pub(crate) fn new(served: Vec<Served>, registered: Vec<Registered>) -> Result<Self, StartError> {
        let mut known: HashMap<(String, String), Registered> = HashMap::new();
        for one in registered {
            known.insert((one.service.clone(), one.operation.clone()), one);
        }
        let mut catalog = Self::default();
        for one in served {
            let name = (one.service.name.clone(), one.operation.name.clone());
            let Some(registered) = known.get(&name) else {
                return Err(StartError::Unregistered { service: name.0, operation: name.1 });
            };
            let code = registered.code;
            if let Some(limit) = registered.limit_code {
                catalog.limit_of.insert(code, limit);
                if !catalog.limits.contains(&limit) {
                    catalog.limits.push(limit);
                }
            }
            if let Some(fallback) = &one.service.fallback
                && let Some(other) = known.get(&(fallback.clone(), name.1))
            {
                catalog.fallbacks.insert(code, other.code);
            }
            catalog.codes.push(code);
            catalog.by_code.insert(code, Arc::new(one));
        }
        Ok(catalog)
    }
}

/// Checks the registry in `environment` and finds each operation's runner. Also answers the operations without one.
pub(crate) fn resolve(
    registry: &Registry,
    environment: Option<&str>,
    runners: &Runners,
) -> Result<(Vec<Served>, Vec<String>), StartError> {
    for (service, operation) in sorted(runners.handlers.keys().chain(&runners.elsewhere)) {
        if registry.operation(service, operation).is_none() {
            return Err(StartError::UnknownHandler { service: service.into(), operation: operation.into() });
        }
    }
    let without = without_handler(registry, runners);
    if !without.is_empty() {
        return Err(StartError::NoHandler { operations: without });
    }
    let (mut served, mut unserved) = (Vec::new(), Vec::new());
    for service in registry.services.values() {
        let Some(configuration) = service.configuration(environment) else {
            return Err(StartError::UnknownEnvironment {
                service: service.name.clone(),
                environment: environment.unwrap_or_default().into(),
                known: service.environments.keys().cloned().collect::<Vec<_>>().join("`, `"),
            });
        };
        let shared = Arc::new(service.clone());
        let shared_configuration = Arc::new(configuration.clone());
        for operation in service.operations.values() {
            let Some(runner) = runners.runner_for(service, operation) else {
                unserved.push(format!("{}.{}", service.name, operation.name));
                continue;
            };
            runner
                .validate(service, configuration)
                .map_err(|reason| StartError::Refused { service: service.name.clone(), reason })?;
            served.push(Served {
                service: Arc::clone(&shared),
                configuration: Arc::clone(&shared_configuration),
                policy_hash: policy_hash(configuration, operation),
                operation: operation.clone(),
                runner,
            });
        }
    }
    Ok((served, unserved))
}

/// The operations that a handler serves, and for which there is none: `service.operation`.
fn without_handler(registry: &Registry, runners: &Runners) -> Vec<String> {
    let in_code = registry.services.values().filter(|service| service.handled_in_code);
    let names =
        in_code.flat_map(|service| service.operations.keys().map(|name| (service.name.as_str(), name.as_str())));
    let known = |name: &(&str, &str)| runners.handlers.contains_key(name) || runners.elsewhere.contains(name);
    names.filter(|name| !known(name)).map(|(service, operation)| format!("{service}.{operation}")).collect()
}

/// In order, so that the same mistake gives the same message each time.
fn sorted<'a>(
    names: impl Iterator<Item = &'a (&'static str, &'static str)>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut names: Vec<_> = names.copied().collect();
    names.sort_unstable();
    names.into_iter()
}
