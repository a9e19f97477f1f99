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

/// Why a URL is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    class: FailureClass,
    why: String,
    /// The same, where the reason quotes what the URL holds.
    without_value: Option<String>,
}

impl Refusal {
    fn new(class: FailureClass, why: String) -> Self {
        Self { class, why, without_value: None }
    }

    /// The reason without any part of the URL: the setting may hold what was meant for another one, a token say.
    fn discreet(self) -> String {
        self.without_value.unwrap_or(self.why)
    }
}

/// Parses a URL and checks all of it that can be checked before its name is resolved.
pub(super) fn check(text: &str, chosen: Chosen, policy: &HttpPolicy, plaintext: bool) -> Result<Url, Failure> {
    judge(text, chosen, policy, plaintext).map_err(|refusal| failure(refusal.class, refusal.why))
}

/// What is wrong with the `base_url` of a setting, and what would be right.
pub(super) fn misfit_of_base(text: &str, policy: &HttpPolicy, plaintext: bool) -> Option<String> {
    let query = text.contains(['?', '#']).then(|| QUERY_IN_BASE.to_owned());
    query.or_else(|| why_not(text, policy, plaintext)).map(|why| expecting(&why, policy, plaintext))
}

/// What is wrong with the whole URL of a setting, and what would be right.
pub(super) fn misfit_of_url(text: &str, policy: &HttpPolicy, plaintext: bool) -> Option<String> {
    why_not(text, policy, plaintext).map(|why| expecting(&why, policy, plaintext))
}

/// A path is appended to it.
pub(super) const QUERY_IN_BASE: &str = "it must not hold a query or a fragment: a path is appended to it";

fn why_not(text: &str, policy: &HttpPolicy, plaintext: bool) -> Option<String> {
    judge(text, Chosen::ByRegistry, policy, plaintext).err().map(Refusal::discreet)
}

fn expecting(why: &str, policy: &HttpPolicy, plaintext: bool) -> String {
    let scheme = if plaintext { "`https://` or `http://`" } else { "`https://`" };
    let host = match policy.allowed_hosts.as_slice() {
        [] => "a host".to_owned(),
        hosts => format!("one of the service's `allowed_hosts` (`{}`)", hosts.join("`, `")),
    };
    format!("{why}; expected {scheme} and {host}, such as `https://api.example.com/v1`")
}

fn judge(text: &str, chosen: Chosen, policy: &HttpPolicy, plaintext: bool) -> Result<Url, Refusal> {
    // What cannot be parsed is a wrong input where an input chose it; where to go and may not is always the policy's.
    let malformed = match chosen {
        Chosen::ByRegistry => FailureClass::PolicyDenied,
        Chosen::ByInput => FailureClass::InvalidInput,
    };
    check_text(text).map_err(|why| Refusal::new(malformed, format!("the URL {why}")))?;
    let url = Url::parse(text).map_err(|error| Refusal::new(malformed, format!("the URL cannot be read: {error}")))?;
    let denied = |why: String| Refusal::new(FailureClass::PolicyDenied, why);
    let quoting = |why: String, without_value: &str| Refusal {
        without_value: Some(without_value.to_owned()),
        ..Refusal::new(FailureClass::PolicyDenied, why)
    };
    match url.scheme() {
        "https" => {}
        "http" if plaintext => {}
        "http" => return Err(denied("`http://` is refused: use https, or allow it with `plaintext: true`".into())),
        other => {
            let why = format!("a URL with the scheme `{other}` is refused");
            return Err(quoting(why, "a URL with its scheme is refused"));
        }
    }
    let host = url.host().ok_or_else(|| Refusal::new(malformed, "the URL has no host".into()))?;
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
        _ => {
            let why = format!("host `{name}` is not among the service's `allowed_hosts`");
            return Err(quoting(why, "its host is not among the service's `allowed_hosts`"));
        }
    }
    check_host(&host, name, policy.allow_private_network).map_err(|why| {
        let told = |host: &str| format!("{host} is refused: {why}; `allow_private_network` decides over own networks");
        quoting(told(&format!("host `{name}`")), &told("its host"))
    })?;
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
    why.map_or(Ok(()), Err)
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
        let said = misfit_of_base("https://evil.com/v1", &policy, false).unwrap();
        assert!(said.contains("`allowed_hosts` (`api.good.com`)"), "{said}");
    }

    #[test]
    fn a_setting_that_holds_no_url_is_told_without_its_value() {
        let policy = HttpPolicy { allow_any_public_host: false, ..policy() };
        for value in [
            "s3cret",
            "s3cret://x.eu",
            "https://s3cret",
            "https://s3cret.internal/",
            "https://me:s3cret@x.eu",
            "s3cret: s3cret",
        ] {
            let said = misfit_of_base(value, &policy, false).expect(value);
            assert!(!said.contains("s3cret"), "{said}");
            assert!(said.ends_with("; expected `https://` and a host, such as `https://api.example.com/v1`"), "{said}");
            assert!(misfit_of_url(value, &policy, false).is_some(), "{value}");
        }
        let listed = HttpPolicy { allowed_hosts: vec!["api.good.com".into()], ..policy.clone() };
        assert!(!misfit_of_url("https://s3cret.eu", &listed, false).unwrap().contains("s3cret"));
        assert!(misfit_of_base("https://x.eu/v1?a=b", &policy, false).unwrap().contains("must not hold a query"));
        assert_eq!(misfit_of_url("https://x.eu/v1?a=b", &policy, false), None);
    }
}
