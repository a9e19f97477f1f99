//! Name resolution under guard: reqwest connects to nothing but what this answers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address;
use crate::runner::BoxFuture;

/// How names are looked up.
pub(super) trait Lookup: Send + Sync {
    /// All addresses of a name.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's own resolver.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name has an address that a request must not go to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` has the address {address} ({kind})")]
pub(super) struct DeniedAddress {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) kind: &'static str,
}

/// Answers a name's addresses if every one of them may be called, else none: a name with a public and a private address
/// is an attempt to pass the check with the one and be reached at the other.
pub(super) struct GuardedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) allow_private_network: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = self.lookup.lookup(host.clone());
        let allow_private_network = self.allow_private_network;
        Box::pin(async move {
            let addresses = found.await?;
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
            }
            for &address in &addresses {
                if let Some(kind) = address::denied(address, allow_private_network) {
                    return Err(DeniedAddress { host, address, kind }.into());
                }
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<&'static str>);

    impl Lookup for Fixed {
        fn lookup(&self, _host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(async move { Ok(addresses) })
        }
    }

    async fn resolve(addresses: &[&'static str]) -> Result<Vec<IpAddr>, String> {
        let resolver = GuardedResolver { lookup: Arc::new(Fixed(addresses.to_vec())), allow_private_network: false };
        let found = resolver.resolve("a.example".parse().unwrap()).await;
        found.map(|found| found.map(|address| address.ip()).collect()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn ht_02_one_denied_answer_denies_them_all() {
        for answers in [
            vec!["1.1.1.1", "10.0.0.1"],
            vec!["2606:4700::1", "::1"],
            vec!["169.254.169.254"],
            vec!["fd00:ec2::254", "1.1.1.1"],
        ] {
            assert!(resolve(&answers).await.unwrap_err().contains("has the address"), "{answers:?}");
        }
        assert_eq!(resolve(&["1.1.1.1", "2606:4700::1"]).await.unwrap().len(), 2);
        assert!(resolve(&[]).await.unwrap_err().contains("no address"));
    }
}
