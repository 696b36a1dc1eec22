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

mod assertion;
mod document;
mod fetched;
mod keys;
pub mod metadata;
mod pace;
pub mod records;
pub mod redirect;
mod shown;

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use jsonwebtoken::jwk::Jwk;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use self::{
    fetched::{Source, Store},
    shown::{Proof, Shown},
};
pub use self::{keys::Keys, metadata::Metadata, pace::Pace};
use crate::{
    auth::tokens::TokenHash,
    config::{ClientsConfig, Hosts},
    db::{Db, DbError, oauth_clients},
    domain::{ids::UserId, time::Timestamp},
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

/// How often a client's use is written down.
const USE_INTERVAL: Duration = Duration::from_secs(3600);
/// Keys that a client's server gives are fetched anew after this long: one that was stolen must go soon.
const KEYS_KEPT: Duration = Duration::from_secs(600);

/// Registrations and devices' requests that one address may begin at once.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);
/// And after that, each hour.
const PER_HOUR: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// Knows all clients.
pub struct OAuthClients {
    db: Db,
    source: Source,
    documents: Store<OAuthClient>,
    keys: Store<Vec<Jwk>>,
    hosts: Hosts,
    /// Registrations and requests of devices, per address.
    pub pace: Pace,
}

impl OAuthClients {
    /// Knows those of the database, and fetches the documents of others.
    #[must_use]
    pub fn new(db: Db, fetcher: Fetcher, settings: &ClientsConfig) -> Self {
        Self {
            db,
            source: Source::new(fetcher),
            documents: Store::new(Duration::MAX),
            keys: Store::new(KEYS_KEPT),
            hosts: settings.document_hosts.clone(),
            pace: Pace::new(BURST, PER_HOUR),
        }
    }

    /// The client with this id.
    ///
    /// # Errors
    /// When there is none, or its document cannot be used.
    pub async fn find(&self, id: &str) -> Result<Arc<OAuthClient>, ClientError> {
        self.look_up(id).await.map(|(client, _)| client)
    }

    /// The client, and when it was last used if that is kept.
    async fn look_up(&self, id: &str) -> Result<(Arc<OAuthClient>, Option<Timestamp>), ClientError> {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(ClientError::Unknown);
        }
        if document::is_meant(id) {
            let url = document::url(id, &self.hosts).map_err(|reason| ClientError::Document(reason.to_owned()))?;
            let described = self.documents.get(&self.source, &url, |document| document::read(id, document)).await;
            return described.map(|client| (client, None)).map_err(|reason| ClientError::Document(reason.to_string()));
        }
        let wanted = id.to_owned();
        match self.db.read(move |conn| oauth_clients::by_id(conn, &wanted)).await {
            Ok(record) => {
                let used = record.last_used_at.unwrap_or(Timestamp(0));
                Ok((Arc::new(records::read(record)?), Some(used)))
            }
            Err(DbError::NotFound) => Err(ClientError::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// The client that asks at the token endpoint, once it has proved who it is (RFC 6749, section 2.3):
    /// by `authorization`, the header of that name, or by members of `form`. Assertions must be meant for
    /// `issuer`, which is the name by which the client knows us.
    ///
    /// # Errors
    /// When it has not, or asks in two ways at once.
    pub async fn authenticate(
        &self,
        issuer: &str,
        authorization: Option<&str>,
        form: &HashMap<String, String>,
    ) -> Result<Arc<OAuthClient>, ClientError> {
        let Shown { client_id, proof, basic } = shown::read(authorization, form)?;
        let unproven = |reason| ClientError::Unproven { reason, basic };
        let (client, used) = match self.look_up(&client_id).await {
            // Also then the answer says how to do it (RFC 6749, section 5.2).
            Err(ClientError::Unknown) if basic => return Err(unproven("it is not known here")),
            found => found?,
        };
        match (&client.authentication, proof) {
            (ClientAuthentication::None, Proof::Nothing) => {}
            (ClientAuthentication::Secret { hash }, Proof::Secret(secret)) if hash.is_of(secret.expose()) => {}
            (ClientAuthentication::Secret { .. }, Proof::Secret(_)) => return Err(unproven("its secret is wrong")),
            (ClientAuthentication::Keys { jwks }, Proof::Assertion(assertion)) => {
                self.check(issuer, (&client.id, jwks), &assertion).await?;
            }
            (ClientAuthentication::None, _) => return Err(unproven("it is public, and has nothing to prove it by")),
            (ClientAuthentication::Secret { .. }, _) => return Err(unproven("it must send its secret")),
            (ClientAuthentication::Keys { .. }, _) => return Err(unproven("it must send a signed assertion")),
        }
        let now = Timestamp::now();
        if used.is_some_and(|at| at.after(USE_INTERVAL) <= now) {
            let id = client.id.clone();
            self.db.write(move |conn| oauth_clients::touch(conn, &id, now)).await?;
        }
        Ok(client)
    }

    /// Whether the assertion is the client's, and is used for the first time.
    async fn check(&self, issuer: &str, (id, keys): (&str, &Keys), assertion: &str) -> Result<(), ClientError> {
        let unproven = |reason| ClientError::Unproven { reason, basic: false };
        let keys = match keys {
            Keys::Inline(keys) => Arc::clone(keys),
            Keys::At(url) => {
                let fetched = self.keys.get(&self.source, url, keys::read).await;
                fetched.map_err(|reason| {
                    log::info!("the keys of client {id} cannot be used: {reason}");
                    unproven("its keys cannot be fetched, or are none")
                })?
            }
        };
        // The endpoint's URL is what RFC 7523 suggests, the issuer what came after it.
        let audiences = ["", "/", "/oauth/token", "/token"].map(|path| format!("{issuer}{path}"));
        let proved = assertion::check(assertion, id, &keys, &audiences, Timestamp::now()).map_err(unproven)?;
        let (id, jti) = (id.to_owned(), TokenHash::of(&proved.jti).to_hex());
        let used = self.db.write(move |conn| oauth_clients::use_assertion(conn, &id, &jti, proved.until)).await;
        match used {
            Err(DbError::UniqueViolation { .. }) => Err(unproven("its assertion was used before")),
            used => Ok(used?),
        }
    }
}
