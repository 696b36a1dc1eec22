//! Connections: clients of an instance in session mode, each with processes and files of its own.

use std::{fmt, str::FromStr};

use super::ids::{GrantId, TokenId, UserId};

/// With what a client without a session comes, again and again: it has one connection of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An API token.
    Token(TokenId),
    /// An OAuth client, by what the user has allowed it: its access tokens come and go.
    Grant(GrantId),
    /// Somebody who is signed in, however often.
    Account(UserId),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Grant(id) => write!(f, "grant:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
        }
    }
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown client {text:?}");
        let (kind, id) = text.split_once(':').ok_or_else(unknown)?;
        match kind {
            "token" => id.parse().map(Self::Token).map_err(|_| unknown()),
            "grant" => id.parse().map(Self::Grant).map_err(|_| unknown()),
            "account" => id.parse().map(Self::Account).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_written_and_read() {
        for client in [
            Client::Token("00000000-0000-0000-0000-000000000001".parse().unwrap()),
            Client::Grant(GrantId::generate()),
            Client::Account(UserId::generate()),
        ] {
            assert_eq!(client.to_string().parse(), Ok(client));
        }
        for wrong in ["", "token", "token:", "token:x", "other:00000000-0000-0000-0000-000000000001"] {
            assert!(wrong.parse::<Client>().is_err(), "{wrong}");
        }
    }
}
