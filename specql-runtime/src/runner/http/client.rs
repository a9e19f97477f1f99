//! The pooled clients: one per service and address policy.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring, version};

use super::resolver::{GuardedResolver, Lookup};

/// Longest wait for DNS, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than what servers usually grant, so that few requests meet a connection that is just being closed: such a
/// request is of unknown outcome.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes and keeps clients.
pub(super) struct Clients {
    tls: ClientConfig,
    lookup: Arc<dyn Lookup>,
    made: Mutex<HashMap<(String, bool), Client>>,
}

impl Clients {
    pub(super) fn new(lookup: Arc<dyn Lookup>) -> Self {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls, lookup, made: Mutex::default() }
    }

    /// The client of a service.
    pub(super) fn get(&self, service: &str, allow_private_network: bool) -> reqwest::Result<Client> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (service.to_owned(), allow_private_network);
        if let Some(client) = made.get(&key) {
            return Ok(client.clone());
        }
        let client = self.make(allow_private_network)?;
        made.insert(key, client.clone());
        Ok(client)
    }

    fn make(&self, allow_private_network: bool) -> reqwest::Result<Client> {
        Client::builder()
            .user_agent(concat!("specql/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            // Decoded by the runner itself, which counts the decoded bytes.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(GuardedResolver { lookup: Arc::clone(&self.lookup), allow_private_network })
            .build()
    }
}

#[cfg(test)]
mod tests {
    use std::{io, net::IpAddr};

    use specql_registry::FailureClass;

    use super::*;
    use crate::runner::{BoxFuture, http::failure};

    struct Fixed(Result<&'static str, io::ErrorKind>);

    impl Lookup for Fixed {
        fn lookup(&self, _host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let answer = self.0.map(|text| vec![text.parse().unwrap()]).map_err(io::Error::from);
            Box::pin(async move { answer })
        }
    }

    async fn class(lookup: Fixed) -> (FailureClass, String) {
        let client = Clients::new(Arc::new(lookup)).get("things", false).unwrap();
        let error = client.get("https://a.example/?key=s3cret").send().await.unwrap_err();
        let failure = failure::of_request(&error, "a.example");
        (failure.class, failure.message)
    }

    #[tokio::test]
    async fn ht_02_a_name_that_leads_to_a_denied_address_is_refused_by_policy() {
        let (class, message) = class(Fixed(Ok("169.254.169.254"))).await;
        assert_eq!(class, FailureClass::PolicyDenied);
        assert!(message.starts_with("`a.example` has the address 169.254.169.254 (cloud metadata)"), "{message}");
    }

    #[tokio::test]
    async fn ht_02_a_name_that_cannot_be_resolved_has_started_nothing() {
        let (class, message) = class(Fixed(Err(io::ErrorKind::NotFound))).await;
        assert_eq!(class, FailureClass::NotStarted);
        assert!(message.starts_with("cannot connect to `a.example`"), "{message}");
        assert!(!message.contains("s3cret"));
    }
}
