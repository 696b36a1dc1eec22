//! Names that end up in paths, URLs and process titles: checked once, then trusted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a name was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// The service name is not of the allowed form.
    #[error("service name {0:?} must be 1 to 48 of a-z, 0-9 and '-', starting with a letter and not ending with '-'")]
    Service(String),
    /// The address is not of the form local@domain. It is not repeated: what stands there may be a password.
    #[error("this is not an e-mail address, as name@example.com")]
    Email,
    /// The name is one of Berth's own URL prefixes.
    #[error("service name {0:?} is reserved for a URL of Berth itself")]
    Reserved(String),
}

/// First path segments that Berth answers itself; no service may take one.
pub const RESERVED: &[&str] = &[
    "api",
    "app",
    "assets",
    "device",
    "health",
    "metrics",
    "sessions",
    "static",
    "oauth",
    "login",
    "logout",
    "setup",
    "authorize",
    "connect",
    "token",
    "register",
];

/// A service's unique name: it is a URL segment, a folder name and part of a process title.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

impl ServiceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let well_formed = (1..=48).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well_formed {
            return Err(NameError::Service(text.to_owned()));
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ServiceName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address, lower-cased: the name that a person signs in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`, reduced to a-z and 0-9, at most twelve characters: for slugs.
    #[must_use]
    pub fn short(&self) -> String {
        let local = self.0.split('@').next().unwrap_or_default();
        let short: String = local.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        if short.is_empty() { "user".to_owned() } else { short }
    }
}

impl FromStr for Email {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || NameError::Email;
        let (local, domain) = text.split_once('@').ok_or_else(refused)?;
        let plain = |part: &str| {
            !part.is_empty() && !part.contains('@') && part.chars().all(|c| !c.is_whitespace() && !c.is_control())
        };
        if text.len() > 254 || !plain(local) || !plain(domain) {
            return Err(refused());
        }
        Ok(Self(text.to_lowercase()))
    }
}

impl TryFrom<String> for Email {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names() {
        let good = ["a", "gmail", "server-time2"];
        let bad = ["", "-a", "a-", "2fa", "Gmail", "a_b", "a/b", "..", "api", "health", "a b"];
        for name in good {
            assert!(name.parse::<ServiceName>().is_ok(), "{name}");
        }
        for name in bad {
            assert!(name.parse::<ServiceName>().is_err(), "{name}");
        }
        assert!("a".repeat(49).parse::<ServiceName>().is_err());
    }

    #[test]
    fn emails() {
        assert_eq!("Ann@Example.org".parse::<Email>().unwrap().as_str(), "ann@example.org");
        for text in ["", "ann", "@b", "a@", "a@b@c", "a b@c", "a\n@b"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }

    #[test]
    fn short_form_is_safe_in_a_url() {
        assert_eq!("a.li-ce+x@b.c".parse::<Email>().unwrap().short(), "alicex");
        assert_eq!("ü@b.c".parse::<Email>().unwrap().short(), "user");
    }
}
