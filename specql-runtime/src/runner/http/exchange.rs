//! One request, one answer: sent once, bounded by the deadline, given up when the job is cancelled.

use std::{future::Future, time::Instant};

use reqwest::{Client, StatusCode};
use specql_registry::{
    FailureClass, Json,
    http::{HttpOperation, HttpService},
};
use tokio_util::sync::CancellationToken;

use super::{
    body,
    failure::{failure, of_request, of_status},
    output::{self, Answer},
    request::Request,
    usage::Usage,
};
use crate::runner::{Context, Failure, RunningJob};

/// Most of an error's body that is read: enough for its words.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// Sends the request and makes the operation's output of the answer.
pub(super) async fn exchange(
    client: &Client,
    request: Request,
    job: &RunningJob<'_>,
    (service, call): (&HttpService, &HttpOperation),
    context: &Context,
    usage: &mut Usage,
) -> Result<Json, Failure> {
    let host = request.url.host_str().unwrap_or_default().to_owned();
    let limits = Limits { cancel: &context.cancel, deadline: context.deadline };
    let builder = client.request(request.method, request.url).headers(request.headers);
    let builder = if request.body.is_empty() { builder } else { builder.body(request.body) };

    let response = match limits.run(builder.send()).await {
        Ok(sent) => sent.map_err(|error| of_request(&error, &host))?,
        Err(Stop::Cancelled) => {
            let message = format!("stopped waiting for `{host}`, which may still act on the call");
            return Err(failure(FailureClass::Ambiguous, message));
        }
        Err(Stop::Deadline) => {
            let message = format!("no answer from `{host}` within {:.1} s", usage.elapsed().as_secs_f64());
            return Err(failure(FailureClass::Ambiguous, message));
        }
    };
    usage.answered(&response);
    let (status, headers) = (response.status(), response.headers().clone());

    if !is_success(status, call) {
        // The status has said what happened; a body that cannot be read only leaves its words out.
        let body = match limits.run(body::read(response, MAX_ERROR_BODY, usage)).await {
            Ok(body) => body.unwrap_or_default(),
            Err(Stop::Cancelled | Stop::Deadline) => Vec::new(),
        };
        let answer = Answer { status, headers, body };
        return Err(of_status(&answer, &job.service.name, call, job.operation.idempotent));
    }
    let lost = |why: String| {
        let message = format!("`{}` answered {}, but the answer is unusable: {why}", job.service.name, status.as_u16());
        failure(FailureClass::EffectResultLost, message)
    };
    let body = match limits.run(body::read(response, service.max_response_bytes, usage)).await {
        Ok(body) => body.map_err(|error| lost(error.to_string()))?,
        Err(Stop::Cancelled) => return Err(lost("the job was cancelled while it was read".into())),
        Err(Stop::Deadline) => return Err(lost("the time was over before it was read".into())),
    };
    output::output(job.operation, call, &Answer { status, headers, body }).map_err(lost)
}

fn is_success(status: StatusCode, call: &HttpOperation) -> bool {
    if call.success.is_empty() { status.is_success() } else { call.success.contains(&status.as_u16()) }
}

/// What ends a wait.
struct Limits<'a> {
    cancel: &'a CancellationToken,
    deadline: Instant,
}

enum Stop {
    Cancelled,
    Deadline,
}

impl Limits<'_> {
    async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Stop::Cancelled),
            done = tokio::time::timeout_at(self.deadline.into(), work) => done.map_err(|_| Stop::Deadline),
        }
    }
}
