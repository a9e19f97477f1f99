//! The runner itself: validates, plans, executes.

use std::sync::Arc;

use serde_json::Value;
use specql_registry::{
    FailureClass, Json, Operation, Service, Setting,
    http::{HttpOperation, HttpService, HttpTarget},
    service::{Call, Configuration},
};

use super::{
    client::Clients,
    exchange::exchange,
    failure::failure,
    guard::{self, Chosen},
    header, plan, readiness, request,
    resolver::SystemLookup,
    usage::Usage,
};
use crate::runner::{BoxFuture, Context, Failure, Plan, Runner, RunningJob, Settings, Success};

/// Carries out jobs as HTTP requests.
pub struct HttpRunner {
    clients: Clients,
}

impl HttpRunner {
    /// A runner with its own connections.
    #[must_use]
    pub fn new() -> Self {
        Self { clients: Clients::new(Arc::new(SystemLookup)) }
    }

    async fn run(
        &self,
        plan: Plan,
        job: &RunningJob<'_>,
        context: &Context,
        usage: &mut Option<Usage>,
    ) -> Result<Json, Failure> {
        let (service, call) = http_parts(job)?;
        let Plan::Http(plan) = plan else { return Err(not_http()) };
        let now = chrono::Utc::now().timestamp();
        let request = request::build(&plan, service, &context.settings, job.id, now)?;
        let client = self
            .clients
            .get(&job.service.name, service.policy.allow_private_network)
            .map_err(|error| failure(FailureClass::NotStarted, format!("no HTTP client: {}", error.without_url())))?;
        let usage = usage.insert(Usage::start(request.body.len()));
        exchange(&client, request, job, (service, call), context, usage).await
    }
}

impl Default for HttpRunner {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HttpRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRunner").finish_non_exhaustive()
    }
}

impl Runner for HttpRunner {
    fn validate(&self, service: &Service, configuration: &Configuration) -> Result<(), String> {
        let Configuration::Http(http) = configuration else {
            return Err(format!("service `{}` is not configured for HTTP", service.name));
        };
        let at = |what: &str, why: String| format!("service `{}`: {what}: {why}", service.name);
        for name in http.headers.keys() {
            header::name(name, false).map_err(|why| at("headers", why))?;
        }
        // What stands in the environment is checked when it is resolved, at each call.
        if let Some(Setting::Literal(base)) = &http.base_url {
            guard::check(base, Chosen::ByRegistry, &http.policy, http.plaintext)
                .map_err(|failure| at("base_url", failure.message))?;
        }
        for (name, target) in &http.targets {
            if let Setting::Literal(url) = &target.url {
                guard::check(url, Chosen::ByRegistry, &http.policy, http.plaintext)
                    .map_err(|failure| at(&format!("target `{name}`"), failure.message))?;
            }
        }
        for operation in service.operations.values() {
            if let Call::Http(call) = &operation.call {
                validate_operation(http, call).map_err(|why| at(&format!("operation `{}`", operation.name), why))?;
            }
        }
        Ok(())
    }

    fn lacks(
        &self,
        _service: &Service,
        configuration: &Configuration,
        operation: &Operation,
        settings: &Settings,
    ) -> Vec<String> {
        match (configuration, &operation.call) {
            (Configuration::Http(service), Call::Http(call)) => readiness::lacks(service, call, settings),
            _ => Vec::new(),
        }
    }

    fn plan(&self, job: &RunningJob<'_>) -> Result<Plan, Failure> {
        let (service, call) = http_parts(job)?;
        Ok(Plan::Http(Box::new(plan::plan(job, service, call)?)))
    }

    fn execute<'a>(
        &'a self,
        plan: Plan,
        job: &'a RunningJob<'a>,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Success, Failure>> {
        Box::pin(async move {
            let mut usage = None;
            let result = self.run(plan, job, context, &mut usage).await;
            let usage = usage.map_or(Value::Null, |usage| usage.to_json());
            // Whatever the far side said may hold what we sent it.
            let redactor = context.settings.redactor();
            match result {
                Ok(output) => Ok(Success { output: redactor.json(output), usage }),
                Err(failure) => Err(Failure { message: redactor.text(&failure.message), usage, ..failure }),
            }
        })
    }
}

fn validate_operation(service: &HttpService, call: &HttpOperation) -> Result<(), String> {
    for (name, template) in &call.headers {
        header::name(name, template.fields().next().is_some())?;
    }
    if let Some(name) = &call.idempotency_header {
        header::name(name, false)?;
        if call.headers.keys().any(|header| header.eq_ignore_ascii_case(name)) {
            return Err(format!("`{name}` is the idempotency header and must not be under `headers` too"));
        }
    }
    match &call.target {
        HttpTarget::Path(_) if service.base_url.is_none() => Err("there is no `base_url` to append the path to".into()),
        HttpTarget::Target(_) if service.targets.is_empty() => Err("the service has no `targets`".into()),
        HttpTarget::Url(_) if service.signing_secret.is_none() => {
            Err("a URL from an input needs a `signing_secret` in runner_config".into())
        }
        HttpTarget::Url(_) if !service.policy.allow_any_public_host && service.policy.allowed_hosts.is_empty() => {
            Err("a URL from an input needs `allow_any_public_host: true` or `allowed_hosts`".into())
        }
        _ => Ok(()),
    }
}

/// The HTTP sides of a job's service and operation.
fn http_parts<'a>(job: &RunningJob<'a>) -> Result<(&'a HttpService, &'a HttpOperation), Failure> {
    match (job.configuration, &job.operation.call) {
        (Configuration::Http(service), Call::Http(call)) => Ok((service, call)),
        _ => Err(not_http()),
    }
}

fn not_http() -> Failure {
    failure(FailureClass::PolicyDenied, "the operation is not configured for HTTP")
}
