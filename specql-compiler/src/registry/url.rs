//! The part of URLs that a registry needs: scheme and host, strictly.

use std::net::IpAddr;

/// A URL of the registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BaseUrl {
    pub(super) https: bool,
    /// Lower case, without port; an IPv6 address without brackets.
    pub(super) host: String,
}

/// Reads `https://host[:port][/path]`, without user, query and fragment.
pub(super) fn parse(url: &str) -> Result<BaseUrl, &'static str> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("a URL has no spaces, control characters or backslashes");
    }
    let (https, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err("a URL begins with https://"),
    };
    if rest.contains(['?', '#']) {
        return Err("this URL must not have a query or a fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("a URL must not hold a user or password; use `auth`");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("an IPv6 address stands in brackets")?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("0")).ok_or("expected a port behind `:`")?)
        }
        None => authority.split_once(':').unwrap_or((authority, "0")),
    };
    if !is_host(host) {
        return Err("this URL has no valid host");
    }
    port.parse::<u16>().map_err(|_| "the port is not a number from 1 to 65535")?;
    Ok(BaseUrl { https, host: host.to_ascii_lowercase() })
}

/// A DNS name or an address, as it stands in a URL (without brackets).
pub(super) fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.split('.').all(is_label))
}

/// Whether a host is on this machine or a private network by its name alone.
pub(super) fn is_private(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_read() {
        let host = |url| parse(url).map(|url| (url.https, url.host));
        assert_eq!(host("https://API.Example.eu/v1"), Ok((true, "api.example.eu".into())));
        assert_eq!(host("http://localhost:8420"), Ok((false, "localhost".into())));
        assert_eq!(host("https://[::1]:80/x"), Ok((true, "::1".into())));
    }

    #[test]
    fn what_could_mean_another_host_is_refused() {
        for url in [
            "ftp://a.eu",
            "https://",
            "https://a@b.eu",
            "https://a.eu\\@b.eu",
            "https://a b.eu",
            "https://a.eu?x",
            "https://a.eu#x",
            "https://a..eu",
            "https://a.eu:99999",
            "https://[::1",
            "https://ä.eu",
            "//a.eu",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
