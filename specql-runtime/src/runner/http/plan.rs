//! What a job's request will be, before anything is resolved or sent.

use std::collections::BTreeSet;

use specql_registry::{
    FailureClass, Json, Setting,
    http::{Auth, BodyEncoding, HttpOperation, HttpService, HttpTarget, Method},
    template::{Template, scalar_text},
};

use super::{
    failure, form, header, path,
    planned::{PlannedBody, PlannedText, as_is},
    slots::{Slot, Slots},
};
use crate::runner::{Failure, RunningJob};

/// A request, exact but for its settings, which are still references.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestPlan {
    pub(super) method: Method,
    pub(super) url: PlannedUrl,
    pub(super) query: Vec<(String, PlannedText)>,
    /// In the order in which they are set; a later one replaces an earlier one of the same name.
    pub(super) headers: Vec<PlannedHeader>,
    pub(super) body: PlannedPayload,
    pub(super) auth: Option<Auth>,
    /// Signs the body, for a webhook.
    pub(super) signing_secret: Option<Setting>,
}

/// A header of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlannedHeader {
    pub(super) name: String,
    pub(super) value: PlannedText,
    /// Whose mistake a value that cannot be sent is.
    pub(super) class: FailureClass,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PlannedUrl {
    /// A path below the service's base.
    Below { base: Setting, path: PlannedText },
    /// The URL that an input holds.
    Input(String),
    /// A named target of the service.
    Target(Setting),
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PlannedPayload {
    None,
    Json(PlannedBody),
    Form(PlannedBody),
}

/// Plans a job's request.
pub(super) fn plan(
    job: &RunningJob<'_>,
    service: &HttpService,
    operation: &HttpOperation,
) -> Result<RequestPlan, Failure> {
    let slots = Slots { schema: &job.operation.input, input: job.input };
    let (url, signing_secret) = plan_url(service, operation, &slots)?;
    let mut query = Vec::new();
    for (name, template) in &operation.query {
        plan_parameter(name, template, &slots, &mut query)?;
    }
    let headers = plan_headers(job, service, operation, &slots)?;

    let carries_body =
        operation.body != BodyEncoding::None && !matches!(operation.method, Method::Get | Method::Delete);
    let content = match &operation.body_template {
        Some(template) => PlannedBody::fill(template, &slots)?.unwrap_or(PlannedBody::Object(Vec::new())),
        None => {
            let consumed = consumed_fields(operation);
            let rest = slots.fields().filter(|field| !consumed.contains(field));
            let rest = rest.filter_map(|field| Some((field.to_owned(), slots.get(field)?)));
            if carries_body {
                PlannedBody::Object(rest.map(|(field, slot)| (field, PlannedBody::slot(slot))).collect())
            } else {
                for (field, slot) in rest {
                    plan_pairs(&field, &field, slot, &mut query)?;
                }
                PlannedBody::Object(Vec::new())
            }
        }
    };
    let body = match operation.body {
        _ if !carries_body && operation.body_template.is_none() => PlannedPayload::None,
        BodyEncoding::None => PlannedPayload::None,
        BodyEncoding::Json => PlannedPayload::Json(content),
        BodyEncoding::Form => PlannedPayload::Form(content),
    };
    Ok(RequestPlan { method: operation.method, url, query, headers, body, auth: service.auth.clone(), signing_secret })
}

fn plan_url(
    service: &HttpService,
    operation: &HttpOperation,
    slots: &Slots<'_>,
) -> Result<(PlannedUrl, Option<Setting>), Failure> {
    let denied = |message: &str| failure(FailureClass::PolicyDenied, message);
    match &operation.target {
        HttpTarget::Path(template) => {
            let base = service.base_url.clone().ok_or_else(|| denied("the service has no `base_url`"))?;
            let Some(path) = PlannedText::fill(template, slots, path::encode)? else {
                let missing: Vec<_> =
                    template.fields().filter(|field| slots.get(field).is_none()).map(|f| format!("`{f}`")).collect();
                let missing = missing.join(", ");
                let message = format!("input {missing} is needed here: it is part of the URL's path");
                return Err(failure(FailureClass::InvalidInput, message));
            };
            Ok((PlannedUrl::Below { base, path }, None))
        }
        HttpTarget::Url(field) => {
            let secret = service.signing_secret.clone();
            if secret.is_none() {
                return Err(denied("an operation whose URL is an input needs a `signing_secret` in runner_config"));
            }
            Ok((PlannedUrl::Input(input_text(field, slots)?), secret))
        }
        HttpTarget::Target(field) => {
            let name = input_text(field, slots)?;
            let target = service.targets.get(&name).ok_or_else(|| {
                let known: Vec<_> = service.targets.keys().map(|name| format!("`{name}`")).collect();
                let message = format!("input `{field}`: no target `{name}`; there is {}", known.join(", "));
                failure(FailureClass::InvalidInput, message)
            })?;
            Ok((PlannedUrl::Target(target.url.clone()), Some(target.secret.clone())))
        }
    }
}

/// The text of a field that decides where the request goes. Never a setting: then it would be configuration.
fn input_text(field: &str, slots: &Slots<'_>) -> Result<String, Failure> {
    match slots.get(field) {
        Some(Slot::Value(Json::String(text))) => Ok(text),
        _ => Err(failure(FailureClass::InvalidInput, format!("input `{field}` is needed here: it says where to call"))),
    }
}

/// A declared query parameter; left out where a slot has no value, repeated in brackets where it is a list.
fn plan_parameter(
    name: &str,
    template: &Template,
    slots: &Slots<'_>,
    query: &mut Vec<(String, PlannedText)>,
) -> Result<(), Failure> {
    match template.only_field() {
        Some(field) => match slots.get(field) {
            Some(slot) => plan_pairs(name, field, slot, query),
            None => Ok(()),
        },
        None => {
            query.extend(PlannedText::fill(template, slots, as_is)?.map(|text| (name.to_owned(), text)));
            Ok(())
        }
    }
}

fn plan_pairs(name: &str, field: &str, slot: Slot, query: &mut Vec<(String, PlannedText)>) -> Result<(), Failure> {
    match slot {
        Slot::Value(value) => {
            let mut pairs = Vec::new();
            form::pairs(name, &value, &mut pairs);
            query.extend(pairs.into_iter().map(|(name, text)| (name, PlannedText::text(text))));
        }
        slot @ Slot::Setting(_) => {
            query.extend(PlannedText::slot(field, slot, as_is)?.map(|text| (name.to_owned(), text)));
        }
    }
    Ok(())
}

fn plan_headers(
    job: &RunningJob<'_>,
    service: &HttpService,
    operation: &HttpOperation,
    slots: &Slots<'_>,
) -> Result<Vec<PlannedHeader>, Failure> {
    let denied = |message: String| failure(FailureClass::PolicyDenied, message);
    let mut headers = Vec::new();
    for (name, setting) in &service.headers {
        header::name(name, false).map_err(denied)?;
        let value = PlannedText::setting(setting);
        headers.push(PlannedHeader { name: name.clone(), value, class: FailureClass::PolicyDenied });
    }
    for (name, template) in &operation.headers {
        header::name(name, template.fields().next().is_some()).map_err(denied)?;
        // Checked now, so that a bad input is known before anything is resolved.
        for value in template.fields().filter_map(|field| scalar_text(slots.input.get(field)?)) {
            header::value(name, &value, FailureClass::InvalidInput)?;
        }
        if let Some(value) = PlannedText::fill(template, slots, as_is)? {
            headers.push(PlannedHeader { name: name.clone(), value, class: FailureClass::InvalidInput });
        }
    }
    if let Some(name) = &operation.idempotency_header {
        header::name(name, false).map_err(denied)?;
        let value = PlannedText::text(job.id.to_string());
        headers.push(PlannedHeader { name: name.clone(), value, class: FailureClass::PolicyDenied });
    }
    Ok(headers)
}

/// The fields that stand somewhere else than in the rest.
fn consumed_fields(operation: &HttpOperation) -> BTreeSet<&str> {
    let target = match &operation.target {
        HttpTarget::Path(template) => template.fields().collect(),
        HttpTarget::Url(field) | HttpTarget::Target(field) => vec![field.as_str()],
    };
    let elsewhere = operation.query.values().chain(operation.headers.values()).flat_map(Template::fields);
    target.into_iter().chain(elsewhere).collect()
}
