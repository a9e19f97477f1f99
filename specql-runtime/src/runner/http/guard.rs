//! Which URLs a request may go to.

use std::net::IpAddr;

use specql_registry::{FailureClass, http::HttpPolicy};
use url::{Host, Url};

use super::{address, failure};
use crate::runner::Failure;

/// Longest URL.
const MAX_URL: usize = 8 * 1024;
/// Ports of a URL that an input gave: a port scan through a webhook ends here.
const PUBLIC_PORTS: &[u16] = &[80, 443, 8080, 8443];
/// Names that mean a machine of the own network, whatever they resolve to.
const PRIVATE_SUFFIXES: &[&str] = &["localhost", "local", "internal", "localdomain", "home.arpa"];

/// Who chose a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The configuration.
    ByRegistry,
    /// An input.
    ByInput,
}

/// Parses a URL and checks all of it that can be checked before its name is resolved.
pub(super) fn check(text: &str, chosen: Chosen, policy: &HttpPolicy, plaintext: bool) -> Result<Url, Failure> {
    // What cannot be parsed is a wrong input where an input chose it; where to go and may not is always the policy's.
    let malformed = match chosen {
        Chosen::ByRegistry => FailureClass::PolicyDenied,
        Chosen::ByInput => FailureClass::InvalidInput,
    };
    check_text(text).map_err(|why| failure(malformed, format!("the URL {why}")))?;
    let url = Url::parse(text).map_err(|error| failure(malformed, format!("the URL cannot be read: {error}")))?;
    let denied = |why: String| failure(FailureClass::PolicyDenied, why);
    match url.scheme() {
        "https" => {}
        "http" if plaintext => {}
        "http" => return Err(denied("`http://` is refused: use https, or allow it with `plaintext: true`".into())),
        other => return Err(denied(format!("a URL with the scheme `{other}` is refused"))),
    }
    let host = url.host().ok_or_else(|| failure(malformed, "the URL has no host"))?;
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port_or_known_default().unwrap_or_default();
    if port == 0 {
        return Err(denied("port 0 is refused".into()));
    }
    let listed = policy.allowed_hosts.iter().any(|allowed| is_allowed(allowed, name, port));
    match chosen {
        Chosen::ByRegistry if policy.allowed_hosts.is_empty() || listed => {}
        Chosen::ByInput if listed => {}
        Chosen::ByInput if policy.allow_any_public_host => {
            if !policy.allow_private_network && !PUBLIC_PORTS.contains(&port) {
                return Err(denied(format!("port {port} of a URL from an input is refused")));
            }
        }
        _ => return Err(denied(format!("host `{name}` is not among the service's `allowed_hosts`"))),
    }
    check_host(&host, name, policy.allow_private_network).map_err(denied)?;
    Ok(url)
}

/// What a URL's text must not hold: parsers disagree about each of these.
fn check_text(text: &str) -> Result<(), String> {
    if text.len() > MAX_URL {
        return Err(format!("is longer than {MAX_URL} bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("holds a space, a control character or a backslash".into());
    }
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("holds a user name".into());
    }
    if text.contains('#') {
        return Err("holds a fragment".into());
    }
    Ok(())
}

/// An entry is a host, or a host and a port.
fn is_allowed(allowed: &str, name: &str, port: u16) -> bool {
    let allowed = allowed.trim_end_matches('.').to_ascii_lowercase();
    allowed == name || allowed == format!("{name}:{port}")
}

/// The resolver checks what a name resolves to; it is not asked for an address that stands in the URL itself.
fn check_host(host: &Host<&str>, name: &str, allow_private_network: bool) -> Result<(), String> {
    let literal = match host {
        Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
        Host::Domain(_) => None,
    };
    let why = match literal {
        Some(literal) => address::denied(literal, allow_private_network).map(str::to_owned),
        None if allow_private_network => None,
        None if PRIVATE_SUFFIXES.iter().any(|suffix| is_below(name, suffix)) || !name.contains('.') => {
            Some("a name of the own network".into())
        }
        None => None,
    };
    match why {
        Some(why) => Err(format!("host `{name}` is refused: {why}; `allow_private_network` decides over own networks")),
        None => Ok(()),
    }
}

fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> HttpPolicy {
        HttpPolicy { allowed_hosts: vec![], allow_private_network: false, allow_any_public_host: true }
    }

    fn by_input(url: &str) -> Result<Url, Failure> {
        check(url, Chosen::ByInput, &policy(), false)
    }

    #[test]
    fn ht_01_hosts_that_are_spelt_to_deceive_are_denied() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "①②⑦.⓪.⓪.①",
            "0",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2001:0:53aa:64c:0:0:0:1]",
            "[fe80::1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
            "100.64.0.1",
            "10.0.0.1",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "a.localhost",
            "metadata.google.internal",
            "metadata.google.internal.",
            "printer.local",
            "intranet",
        ] {
            let failure = by_input(&format!("https://{host}/x")).unwrap_err();
            assert_eq!(failure.class, FailureClass::PolicyDenied, "{host}: {}", failure.message);
        }
        assert!(by_input("https://example.com/x?y=z").is_ok());
        assert!(by_input("https://[2606:4700:4700::1111]/").is_ok());
    }

    #[test]
    fn ht_04_urls_that_parsers_disagree_about_are_refused() {
        for url in [
            "https://good@evil.com/",
            "https://good:pw@evil.com/",
            "https://good.com\\@evil.com/",
            "https://good.com#@evil.com/",
            "https://good.com%00.evil.com/",
            "https://go od.com/",
            "https://good.com/\r\nX: y",
            "https://good.com/\t",
            "\thttps://good.com/",
            "//evil.com/",
            "https://",
            "https:///",
            "good.com",
            "https://good.com/\u{a0}",
            "https://good.com:99999/",
            "javascript:alert(1)@x",
        ] {
            assert!(by_input(url).is_err(), "{url:?}");
        }
        assert!(by_input(&format!("https://good.com/{}", "a".repeat(64 * 1024))).is_err());
    }

    #[test]
    fn ht_04_other_schemes_and_odd_ports_are_refused() {
        for url in [
            "http://good.com/",
            "file:///etc/passwd",
            "gopher://good.com/",
            "data:text/plain,x",
            "ftp://good.com/",
            "https://good.com:0/",
            "https://good.com:22/",
            "https://good.com:5432/",
        ] {
            assert!(by_input(url).is_err(), "{url}");
        }
        assert!(by_input("https://good.com:8443/").is_ok());
    }

    #[test]
    fn an_input_reaches_only_allowed_hosts_unless_any_public_one_is_allowed() {
        let policy = HttpPolicy { allow_any_public_host: false, allowed_hosts: vec!["good.com".into()], ..policy() };
        assert!(check("https://good.com/", Chosen::ByInput, &policy, false).is_ok());
        assert!(check("https://GOOD.com./", Chosen::ByInput, &policy, false).is_ok());
        for url in ["https://evil.com/", "https://good.com.evil.com/", "https://xgood.com/", "https://gооd.com/"] {
            assert!(check(url, Chosen::ByInput, &policy, false).is_err(), "{url}");
        }
        let empty = HttpPolicy { allowed_hosts: vec![], ..policy };
        assert!(check("https://good.com/", Chosen::ByInput, &empty, false).is_err());
    }

    #[test]
    fn a_base_url_from_the_environment_must_be_an_allowed_host() {
        let policy = HttpPolicy { allowed_hosts: vec!["api.good.com".into()], ..policy() };
        assert!(check("https://api.good.com/v1", Chosen::ByRegistry, &policy, false).is_ok());
        let failure = check("https://evil.com/v1", Chosen::ByRegistry, &policy, false).unwrap_err();
        assert_eq!(failure.message, "host `evil.com` is not among the service's `allowed_hosts`");
    }
}
