//! OAuth clients: which programs may ask users for access, and how they prove who they are.
//!
//! A client is known in one of three ways: somebody with an account has made it ([`ClientOrigin::Fixed`]),
//! it has registered itself ([`ClientOrigin::Registered`], RFC 7591), or its id is the URL of a document
//! that describes it ([`ClientOrigin::Document`]).
//!
//! Owner of state: [`OAuthClients`] (fetched documents and keys). Records are in the database.
//!
//! Invariants: secrets are kept and compared as hashes; what a client says of itself is never believed
//! beyond what was registered for it; every URL that a client names is fetched through the guard.

pub mod redirect;

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use crate::{
    auth::tokens::TokenHash,
    config::ClientsConfig,
    db::{
        Db, DbError,
        oauth_clients::{self, ClientRecord},
    },
    domain::ids::UserId,
    outbound::Fetcher,
};

/// Bytes of a client's id; longer ones name no client.
pub const MAX_ID_BYTES: usize = 2048;

/// A program that may ask users for access.
#[derive(Clone)]
pub struct OAuthClient {
    /// Its id, as it is sent.
    pub id: String,
    /// What it calls itself: its own word, unless its origin is [`ClientOrigin::Fixed`].
    pub name: String,
    /// Where answers may be sent.
    pub redirect_uris: Vec<String>,
    /// How it is known.
    pub origin: ClientOrigin,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// In which ways it may get tokens.
    pub grant_types: Vec<GrantType>,
    /// Its page.
    pub homepage: Option<Url>,
    /// Whom it acts for as a machine (RFC 6749, section 4.4).
    pub owner: Option<UserId>,
}

impl OAuthClient {
    /// Whether answers may be sent to `uri`; see [`redirect::matches`].
    #[must_use]
    pub fn accepts_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect::matches(registered, uri))
    }

    /// Whether it may get tokens in this way.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }
}

/// How a client is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientOrigin {
    /// An administrator or a user has made it.
    Fixed,
    /// It has registered itself.
    Registered,
    /// A document at its id describes it.
    Document,
}

/// How a client proves who it is at the token endpoint.
#[derive(Clone)]
pub enum ClientAuthentication {
    /// Not at all: a public client (RFC 6749, section 2.1).
    None,
    /// By a secret, as `Authorization: Basic` or in the form.
    Secret {
        /// The secret's hash.
        hash: TokenHash,
    },
    /// By a signature (RFC 7523).
    Keys {
        /// Whose.
        jwks: Keys,
    },
}

/// A client's public keys.
#[derive(Clone, Debug, PartialEq)]
pub enum Keys {
    /// These: a JSON Web Key Set.
    Inline(serde_json::Value),
    /// Those that are found there.
    At(Url),
}

/// In which way tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749, section 4.1.
    AuthorizationCode,
    /// RFC 6749, section 6.
    RefreshToken,
    /// RFC 6749, section 4.4.
    ClientCredentials,
    /// RFC 8628.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody knows it.
    #[error("the client is not known here; register it, or use the URL of its metadata document as its id")]
    Unknown,
    /// Its document cannot be used.
    #[error("the client's metadata document cannot be used: {0}")]
    Document(String),
    /// It has not proved who it is.
    #[error("the client has not proved who it is: {reason}")]
    Unproven {
        /// What was missing or wrong.
        reason: &'static str,
        /// Whether it has tried by `Authorization: Basic` (RFC 6749, section 5.2: then the answer has a
        /// `WWW-Authenticate`).
        basic: bool,
    },
    /// The request contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
    /// It could not be looked up.
    #[error("clients cannot be looked up now")]
    Database(#[from] DbError),
}

impl ClientError {
    /// The code of RFC 6749, section 5.2; `server_error` when it is our failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Document(_) | Self::Unproven { .. } => "invalid_client",
            Self::Malformed(_) => "invalid_request",
            Self::Database(_) => "server_error",
        }
    }
}

/// Knows all clients.
pub struct OAuthClients {
    db: Db,
    #[expect(dead_code, reason = "documents and keys are fetched next")]
    fetcher: Fetcher,
}

impl OAuthClients {
    /// Knows those of the database, and fetches the documents of others.
    #[must_use]
    pub fn new(db: Db, fetcher: Fetcher, _settings: &ClientsConfig) -> Self {
        Self { db, fetcher }
    }

    /// The client with this id.
    ///
    /// # Errors
    /// When there is none, or its document cannot be used.
    pub async fn find(&self, id: &str) -> Result<Arc<OAuthClient>, ClientError> {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(ClientError::Unknown);
        }
        let wanted = id.to_owned();
        match self.db.read(move |conn| oauth_clients::by_id(conn, &wanted)).await {
            Ok(record) => Ok(Arc::new(read(record)?)),
            Err(DbError::NotFound) => Err(ClientError::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// The client that asks at the token endpoint, once it has proved who it is (RFC 6749, section 2.3):
    /// by `authorization`, the header of that name, or by members of `form`.
    ///
    /// # Errors
    /// When it has not, or asks in two ways at once.
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        form: &HashMap<String, String>,
    ) -> Result<Arc<OAuthClient>, ClientError> {
        let (None, Some(id)) = (authorization, form.get("client_id")) else {
            return Err(ClientError::Unproven { reason: "it has not said who it is", basic: authorization.is_some() });
        };
        let client = self.find(id).await?;
        match client.authentication {
            ClientAuthentication::None => Ok(client),
            ClientAuthentication::Secret { .. } | ClientAuthentication::Keys { .. } => {
                Err(ClientError::Unproven { reason: "its secret is missing", basic: false })
            }
        }
    }
}

/// A record as a client.
fn read(record: ClientRecord) -> Result<OAuthClient, ClientError> {
    let authentication = match (record.authentication.as_str(), record.secret_hash.as_deref()) {
        ("none", _) => ClientAuthentication::None,
        ("private_key_jwt", _) => ClientAuthentication::Keys { jwks: keys(&record)? },
        (_, Some(hash)) => {
            ClientAuthentication::Secret { hash: TokenHash::from_hex(hash).ok_or(ClientError::Unknown)? }
        }
        (_, None) => return Err(ClientError::Unknown),
    };
    let grant_types = record.grant_types.iter().filter_map(|name| serde_json::from_value(name.as_str().into()).ok());
    Ok(OAuthClient {
        authentication,
        grant_types: grant_types.collect(),
        origin: if record.origin == oauth_clients::FIXED { ClientOrigin::Fixed } else { ClientOrigin::Registered },
        homepage: record.homepage.as_deref().and_then(|text| text.parse().ok()),
        id: record.id,
        name: record.name,
        redirect_uris: record.redirect_uris,
        owner: record.owner,
    })
}

fn keys(record: &ClientRecord) -> Result<Keys, ClientError> {
    if let Some(jwks) = &record.jwks {
        return Ok(Keys::Inline(jwks.clone()));
    }
    let at = record.jwks_uri.as_deref().and_then(|uri| uri.parse().ok());
    at.map(Keys::At).ok_or(ClientError::Unknown)
}
