//! What a server may reach: the entries of an allow-list, and which addresses are the public internet.
//!
//! A name on an allow-list is the service author's word; where it leads is the name server's. So the
//! address is checked after it was resolved, and a name that leads into a private network is refused
//! unless the operator has allowed that ([`PrivateTargets`]).

mod addresses;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use ipnet::IpNet;
use thiserror::Error;
use url::{Host, Url};

pub use self::addresses::reserved;

/// Entries of one allow-list; each becomes one listening socket of the instance.
pub const MAX_ENDPOINTS: usize = 64;

/// Longest host name (RFC 1035 section 3.1, without the final dot).
const MAX_NAME: usize = 253;
/// Longest part between two dots.
const MAX_LABEL: usize = 63;

/// Why a text is no endpoint: what is wrong and what would be right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} {reason}")]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

/// A host by its name, and a TCP port of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The name, in lower case, without a final dot.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether the name means the machine itself, whatever a name server says (RFC 6761 section 6.3).
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        self.host.ends_with(".localhost")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| Err(EndpointError { text: text.to_owned(), reason });
        if text.contains('*') {
            return refuse("has a wildcard: list every host by its name");
        }
        if text.contains('/') {
            return refuse("must be host:port, without scheme and path, such as api.example.com:443");
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return refuse("must be host:port, such as api.example.com:443");
        };
        let port = match port.parse::<u16>() {
            Ok(port) if port > 0 && !text.contains("::") => port,
            _ => return refuse("must end in a port from 1 to 65535"),
        };
        if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
            return refuse("must name its host: addresses are not allowed, because clients look up names");
        }
        if host.eq_ignore_ascii_case("localhost") {
            return refuse("is the server itself behind its walls; name this machine another way, as db.localhost");
        }
        if !is_name(host) {
            return refuse("must begin with a host name of letters, digits, '-', '_' and '.'");
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A last part of digits alone is how resolvers spell addresses: `127.1` is 127.0.0.1.
    let numeric = host.rsplit('.').next().is_none_or(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    host.len() <= MAX_NAME && host.split('.').all(label) && !numeric
}

/// Targets that an operator allows although they are not on the public internet; empty by default.
///
/// Written as a comma-separated list of `host:port` and of networks, such as `db.internal:5432, 10.2.0.0/16`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateTargets {
    endpoints: Vec<Endpoint>,
    networks: Vec<IpNet>,
}

impl PrivateTargets {
    /// Whether `endpoint` may be reached at `address`, which is not public.
    #[must_use]
    pub fn allow(&self, endpoint: &Endpoint, address: IpAddr) -> bool {
        self.endpoints.contains(endpoint) || self.allow_address(address)
    }

    /// Whether anything at `address`, which is not public, may be reached.
    #[must_use]
    pub fn allow_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether the host of `url` is one of these by its address or its name, as it is written there.
    #[must_use]
    pub fn allow_host_of(&self, url: &Url) -> bool {
        let Some(port) = url.port_or_known_default() else { return false };
        match url.host() {
            Some(Host::Ipv4(address)) => self.allow_address(address.into()),
            Some(Host::Ipv6(address)) => self.allow_address(IpAddr::from(address).to_canonical()),
            Some(Host::Domain("localhost")) => self.allow_address(Ipv4Addr::LOCALHOST.into()),
            Some(Host::Domain(name)) => {
                format!("{name}:{port}").parse().is_ok_and(|endpoint: Endpoint| self.endpoints.contains(&endpoint))
            }
            None => false,
        }
    }
}

impl FromStr for PrivateTargets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if let Ok(network) = item.parse::<IpNet>() {
                targets.networks.push(network);
            } else if let Ok(address) = item.parse::<IpAddr>() {
                targets.networks.push(address.into());
            } else {
                let endpoint = item.parse::<Endpoint>();
                targets.endpoints.push(endpoint.map_err(|error| format!("{error}, or a network as 10.0.0.0/8"))?);
            }
        }
        Ok(targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_names_with_a_port() {
        for (text, shown) in [
            ("api.example.com:443", "api.example.com:443"),
            ("API.Example.com:80", "api.example.com:80"),
            ("db:5432", "db:5432"),
            ("stand-in.localhost:8080", "stand-in.localhost:8080"),
            ("3com.example:1", "3com.example:1"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_would_be_right() {
        for (text, reason) in [
            ("*.example.com:443", "wildcard"),
            ("https://example.com:443", "without scheme"),
            ("example.com", "host:port"),
            ("example.com:0", "port from 1"),
            ("example.com:65536", "port from 1"),
            ("example.com:https", "port from 1"),
            ("example.com::443", "port from 1"),
            ("10.0.0.1:443", "must name"),
            ("[::1]:443", "port from 1"),
            ("[2001:db8:1]:443", "must name"),
            ("127.1:443", "host name"),
            ("0x7f.1:80", "host name"),
            ("localhost:80", "db.localhost"),
            ("LOCALHOST:80", "db.localhost"),
            (":443", "host name"),
            ("a..b:443", "host name"),
            ("-a.example:443", "host name"),
            ("a b:443", "host name"),
            ("exämple.com:443", "host name"),
            ("a\n127.0.0.1 b:443", "host name"),
        ] {
            let refused = text.parse::<Endpoint>().map_err(|error| error.to_string());
            assert!(refused.as_ref().is_err_and(|error| error.contains(reason)), "{text}: {refused:?}");
        }
        let long = format!("{}.example:1", "a".repeat(64));
        assert!(long.parse::<Endpoint>().is_err());
    }

    #[test]
    fn private_targets_are_pairs_and_networks() {
        let targets: PrivateTargets = "db.internal:5432, 10.2.0.0/16,192.168.1.1, fd00::/8".parse().unwrap();
        let (db, other) = ("db.internal:5432".parse().unwrap(), "db.internal:5433".parse().unwrap());
        let address = |text: &str| text.parse().unwrap();
        assert!(targets.allow(&db, address("127.0.0.1")));
        assert!(!targets.allow(&other, address("127.0.0.1")));
        assert!(targets.allow(&other, address("10.2.255.1")));
        assert!(!targets.allow(&other, address("10.3.0.1")));
        assert!(targets.allow(&other, address("192.168.1.1")));
        assert!(!targets.allow(&other, address("192.168.1.2")));
        assert!(targets.allow(&other, address("fd12::1")));
        assert_eq!("".parse(), Ok(PrivateTargets::default()));
        assert!("10.0.0.0/40".parse::<PrivateTargets>().is_err());
        assert!("anything".parse::<PrivateTargets>().is_err());
    }
}
