//! What the tests of the HTTP runner share: a service that calls a server of the test, and raw servers that misbehave.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use specql_registry::{Json, Operation, Service, service::Configuration};
use specql_runtime::runner::{Context, Failure, Runner, RunningJob, Settings, Success, http::HttpRunner};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A service with one operation, as the compiler would write it; tests change what they are about.
pub(crate) struct Call {
    pub(crate) http: Value,
    pub(crate) operation: Value,
    /// Further optional text inputs, with these defaults.
    pub(crate) defaults: HashMap<String, Value>,
    pub(crate) env: HashMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) idempotent: bool,
    pub(crate) cancel: CancellationToken,
    pub(crate) id: Uuid,
    pub(crate) runner: Arc<HttpRunner>,
}

impl Call {
    /// `POST /v1/things` at `base`, on the own network, in plain text.
    pub(crate) fn to(base: impl std::fmt::Display) -> Self {
        let http = json!({
            "base_url": {"literal": base.to_string()}, "auth": null, "headers": {}, "body": "json",
            "max_response_bytes": 1_000_000, "plaintext": true, "targets": {},
            "policy": {"allowed_hosts": [], "allow_private_network": true, "allow_any_public_host": false},
        });
        let operation = json!({
            "method": "POST", "target": {"path": [{"text": "/v1/things"}]}, "query": {}, "headers": {}, "body": "json",
            "body_template": null, "idempotency_header": null, "success": [], "retry_on": null, "output": null,
        });
        Self {
            http,
            operation,
            defaults: HashMap::new(),
            env: HashMap::new(),
            timeout: Duration::from_secs(5),
            idempotent: false,
            cancel: CancellationToken::new(),
            id: Uuid::from_u128(7),
            runner: Arc::new(HttpRunner::new()),
        }
    }

    /// To an address of this machine.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::to(format_args!("http://{address}"))
    }

    /// Changes the service's configuration.
    pub(crate) fn http(mut self, key: &str, value: Value) -> Self {
        self.http[key] = value;
        self
    }

    /// Changes the operation.
    pub(crate) fn operation(mut self, key: &str, value: Value) -> Self {
        self.operation[key] = value;
        self
    }

    pub(crate) fn policy(mut self, key: &str, value: Value) -> Self {
        self.http["policy"][key] = value;
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub(crate) fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it with inputs of any JSON type, and with `id` (text) as the optional output.
    pub(crate) async fn run(&self, input: Value) -> Result<Success, Failure> {
        let output = json!({"fields": {"id": field("text")}});
        self.run_with(input, output).await
    }

    /// Runs it with a declared output.
    pub(crate) async fn run_with(&self, input: Value, output: Value) -> Result<Success, Failure> {
        let Json::Object(input) = Json::from(input) else { panic!("an input is an object") };
        let mut fields: serde_json::Map<_, _> = input.keys().map(|name| (name.clone(), field("json"))).collect();
        fields.extend(self.defaults.iter().map(|(name, default)| {
            let mut field = field("text");
            field["default"] = default.clone();
            (name.clone(), field)
        }));
        let operation: Operation = serde_json::from_value(json!({
            "name": "create", "description": null, "input": {"fields": fields}, "output": output,
            "timeout_seconds": 5, "max_attempts": 3, "unique": "in_flight", "idempotent": self.idempotent,
            "retry": {"initial_ms": 1, "max_ms": 1, "jitter": false}, "call": {"http": self.operation},
        }))
        .expect("an operation");
        let configuration: Configuration = serde_json::from_value(json!({"http": self.http})).expect("a configuration");
        let service: Service = serde_json::from_value(json!({
            "name": "things", "kind": null, "category": null, "description": null, "execution_type": "http",
            "base": {"http": self.http}, "environments": {}, "operations": {},
        }))
        .expect("a service");
        let job = RunningJob {
            id: self.id,
            epoch: 1,
            attempt: 1,
            tenant_id: None,
            service: &service,
            configuration: &configuration,
            operation: &operation,
            input: &input,
        };
        let context = Context {
            cancel: self.cancel.clone(),
            deadline: Instant::now() + self.timeout,
            settings: Arc::new(Settings::new(self.env.clone())),
        };
        let plan = self.runner.plan(&job)?;
        self.runner.execute(plan, &job, &context).await
    }
}

/// An optional field of a basic type.
pub(crate) fn field(ty: &str) -> Value {
    json!({"ty": {"basic": ty}, "required": false, "default": null, "description": null})
}

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    /// The first line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The value of a header, if it came exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let value = found.next();
        assert_eq!(found.next(), None, "`{name}` came twice");
        value
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// Reads one request.
pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a text head");
    let received = Received { head, body: String::new() };
    let length: usize = received.header("content-length").map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < head_end + 4 + length {
        socket.read_buf(&mut bytes).await.ok()?;
    }
    let body = String::from_utf8(bytes[head_end + 4..].to_vec()).expect("a text body");
    Some(Received { body, ..received })
}

/// A server that answers every request, on connections that stay open, with the same bytes; and what it received.
pub(crate) async fn server(
    answer: impl AsRef<[u8]> + Clone + Send + Sync + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (sender, answer) = (sender.clone(), answer.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut socket).await {
                    let _ = sender.send(request);
                    if socket.write_all(answer.as_ref()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, receiver)
}

/// A server that reads one request of each connection and then does what the test says.
pub(crate) async fn fault<F, T>(act: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            if read_request(&mut socket).await.is_some() {
                tokio::spawn(act(socket));
            }
        }
    });
    address
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// `200 OK` with a JSON body.
pub(crate) fn ok(body: &str) -> String {
    response("200 OK", "Content-Type: application/json\r\n", body)
}
