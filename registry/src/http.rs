//! What the HTTP runner needs of a service and of an operation.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{
    setting::Setting,
    template::{BodyTemplate, Template},
};

pub use crate::output_path::{OutputPath, PathStep};

/// `runner_config` and `security_policy` of an HTTP service, in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpService {
    /// Where paths are appended to. Absent only where every operation has `url` or a target.
    pub base_url: Option<Setting>,
    /// How calls are authenticated.
    pub auth: Option<Auth>,
    /// Sent with every call.
    pub headers: IndexMap<String, Setting>,
    /// How the body is encoded, where the operation does not say.
    pub body: BodyEncoding,
    /// Largest response, in decoded bytes.
    pub max_response_bytes: u64,
    /// Allows `http://`.
    pub plaintext: bool,
    /// Named receivers of signed webhooks.
    pub targets: IndexMap<String, WebhookTarget>,
    /// Signs the body of a call to an address that an input holds ([`HttpTarget::Url`]), as a target's own secret does.
    #[serde(default)]
    pub signing_secret: Option<Setting>,
    /// The security policy.
    pub policy: HttpPolicy,
}

/// `security_policy` of an HTTP service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPolicy {
    /// Hosts that may be called, exact, lower case. Empty: the host of `base_url` (and of the targets) alone.
    pub allowed_hosts: Vec<String>,
    /// Allows loopback, private and link-local addresses.
    pub allow_private_network: bool,
    /// Allows an operation with `url: "{input}"` to reach any public host.
    pub allow_any_public_host: bool,
}

/// A named receiver of signed webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTarget {
    /// Full URL.
    pub url: Setting,
    /// Signs the body (HMAC-SHA256, the Standard Webhooks scheme).
    pub secret: Setting,
}

/// How calls are authenticated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token.
        token: Setting,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        username: Setting,
        /// The password; empty where the API wants none.
        password: Option<Setting>,
    },
    /// A key in a header or in the query.
    ApiKey {
        /// Where it goes.
        place: ApiKeyPlace,
        /// Name of the header or of the query parameter.
        name: String,
        /// The key.
        value: Setting,
    },
}

/// Where an API key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyPlace {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
}

/// How a request's body is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyEncoding {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`; nested values as `a[b]=c` and `a[0]=c`.
    Form,
    /// No body.
    None,
}

/// A request method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)] // the names say it
pub enum Method {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// What the HTTP runner needs of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpOperation {
    /// The method.
    pub method: Method,
    /// What is called.
    pub target: HttpTarget,
    /// Query parameters; one whose slots have no value is left out.
    pub query: IndexMap<String, Template>,
    /// Further headers; slots are checked against header injection.
    pub headers: IndexMap<String, Template>,
    /// How the body is encoded.
    pub body: BodyEncoding,
    /// The body, where it is not the rest of the input as it is.
    pub body_template: Option<BodyTemplate>,
    /// Name of the header that carries the job's id, the same in every attempt.
    pub idempotency_header: Option<String>,
    /// Status codes that mean success. Empty: 2xx.
    pub success: Vec<u16>,
    /// Status codes that are retried, instead of what the failure class says. `None`: by class.
    pub retry_on: Option<Vec<u16>>,
    /// Status codes besides 4xx that say that nothing was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_effect_codes: Vec<u16>,
    /// Output field → where it is found. Absent: by name in the JSON body.
    pub output: Option<IndexMap<String, OutputPath>>,
}

/// What an HTTP operation calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpTarget {
    /// `base_url` + path; each slot is percent-encoded into its segment.
    Path(Template),
    /// The URL that this input field holds (needs `allow_any_public_host` and the service's `signing_secret`).
    Url(String),
    /// The service's target that this input field names.
    Target(String),
}
