//! Programs that ask users for access.

use std::{collections::BTreeSet, str::FromStr};

use super::{
    ConfigError, Source,
    source::{read, read_between},
};

/// Settings of programs that ask users for access.
#[derive(Clone, Debug)]
pub struct ClientsConfig {
    /// `client_registration`: `open` lets programs register themselves (RFC 7591), `off` does not.
    /// Default `open`.
    pub registration: Registration,
    /// `max_registered_clients`: programs that have registered themselves; beyond that, those that were
    /// never used and are older than a day go first. Default 10 000.
    pub max_registered: u32,
    /// `client_document_hosts`: hosts whose documents may describe programs, comma-separated. Default any.
    pub document_hosts: Hosts,
}

/// Whether programs may register themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Anybody's may.
    #[default]
    Open,
    /// None may.
    Off,
}

impl FromStr for Registration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "off" => Ok(Self::Off),
            _ => Err("must be `open` or `off`"),
        }
    }
}

/// Hosts by their exact names; any when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// Whether `host` is one of them.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        self.0.is_empty() || self.0.contains(&host.to_ascii_lowercase())
    }
}

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let checked = names.map(|name| {
            url::Host::parse(name)
                .map(|host| host.to_string())
                .map_err(|_| format!("{name:?} is not the name of a host; give names alone, such as `app.example.org`"))
        });
        checked.collect::<Result<_, _>>().map(Self)
    }
}

impl ClientsConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let most = read_between(source, "max_registered_clients", 10_000, 1, 1_000_000)?;
        Ok(Self {
            registration: read(source, "client_registration", Registration::default())?,
            max_registered: u32::try_from(most).unwrap_or(u32::MAX),
            document_hosts: read(source, "client_document_hosts", Hosts::default())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exact_names() {
        let hosts: Hosts = "app.example.org, Other.Example".parse().unwrap();
        assert!(hosts.contain("app.example.org") && hosts.contain("other.example"));
        assert!(!hosts.contain("evil.app.example.org") && !hosts.contain("example.org"));
        assert!(Hosts::default().contain("anything.example"));
        assert!("https://app.example.org/x".parse::<Hosts>().is_err());
    }
}
