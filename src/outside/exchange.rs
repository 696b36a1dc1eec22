//! Requests to token endpoints, and what their answers mean.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, header};
use oauth2::{
    AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet, RequestTokenError, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse},
};
use thiserror::Error;
use url::form_urlencoded;

use super::{OutsideGrants, client_owner, consent::Tokens};
use crate::{
    catalog::Service,
    db::{DbError, OptionalExtension, outside_clients},
    domain::{
        manifest::{ClientAuth, Endpoints, Manifest, OAuthSpec},
        names::ServiceName,
        secret::Secret,
        time::Timestamp,
    },
    outbound::{FetchError, Limits, Request},
    vault::VaultError,
};

/// Longest words of a service that are told, in characters.
const MAX_WORDS: usize = 300;

/// Why there is no token.
#[derive(Debug, Error)]
pub enum GrantError {
    /// The service has no way to sign in, or is gone.
    #[error("the service {0} says no way to sign in any more")]
    NoWay(ServiceName),
    /// Berth is not registered there.
    #[error(
        "Berth is not registered as a client of {0} yet; an administrator does that with `berth service oauth-client \
         set {0}`"
    )]
    NoClient(ServiceName),
    /// The secret was stored for another endpoint.
    #[error("the token endpoint of {0} is another than what was stored for it: {1}")]
    Moved(ServiceName, &'static str),
    /// The grant or code is no good (RFC 6749 section 5.2, `invalid_grant`): only its owner can mend that.
    #[error("{0}")]
    Lapsed(String),
    /// The endpoint answered with another error, or not as it should, or not at all.
    #[error("{0}")]
    Unavailable(String),
    /// The database cannot be used.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What is sealed does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The client as it talks to one service: registered, with endpoints.
pub(super) struct Registered {
    pub(super) id: ClientId,
    pub(super) secret: Option<Secret>,
    pub(super) endpoints: Endpoints,
    pub(super) spec: OAuthSpec,
}

pub(super) type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

impl Registered {
    /// As the crate knows it.
    pub(super) fn client(&self) -> Client {
        let how = match self.spec.client_auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Body => AuthType::RequestBody,
        };
        let client = BasicClient::new(self.id.clone())
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorize.clone()))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()))
            .set_auth_type(how);
        match &self.secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    /// Takes a token back (RFC 7009), where the service says how; `None` where it does not.
    pub(super) fn revocation(&self, token: &Secret) -> Option<Request> {
        let url = self.endpoints.revoke.clone()?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose());
        let secret = self.secret.as_ref().map(Secret::expose);
        let in_body = self.spec.client_auth == ClientAuth::Body || secret.is_none();
        if in_body {
            form.append_pair("client_id", &self.id);
            secret.map(|secret| form.append_pair("client_secret", secret));
        }
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request::post(url, Bytes::from(form.finish())).header(header::CONTENT_TYPE, kind);
        let Some(secret) = secret.filter(|_| !in_body) else { return Some(request) };
        // RFC 6749 section 2.3.1: both halves are form-encoded first.
        let half = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", half(&self.id), half(secret)));
        let mut proof = HeaderValue::from_str(&format!("Basic {pair}")).ok()?;
        proof.set_sensitive(true);
        Some(request.header(header::AUTHORIZATION, proof))
    }
}

impl OutsideGrants {
    /// What the catalog and the database say about signing in at `service`.
    pub(super) async fn registered(&self, name: &ServiceName) -> Result<Registered, GrantError> {
        let service = self.0.catalog.get(name).ok_or_else(|| GrantError::NoWay(name.clone()))?;
        let (spec, endpoints) = way_of(&service).ok_or_else(|| GrantError::NoWay(name.clone()))?;
        let key = name.clone();
        let stored = self.0.db.read(move |conn| outside_clients::of_service(conn, &key).optional()).await?;
        let stored = stored.ok_or_else(|| GrantError::NoClient(name.clone()))?;
        if stored.token_url != endpoints.token.as_str() {
            return Err(GrantError::Moved(name.clone(), "register the client again"));
        }
        let open = |sealed: &String| self.0.vault.open_sealed(&client_owner(name), sealed);
        let secret = stored.sealed_secret.as_ref().map(open).transpose()?;
        Ok(Registered { id: ClientId::new(stored.client_id), secret, endpoints, spec })
    }

    /// Sends what needs no answer, and says what became of it.
    pub(super) async fn send(&self, request: Request) -> Result<(), String> {
        let limits = Limits { time: Duration::from_secs(10), bytes: 64 * 1024 };
        let response = self.0.fetcher.send(request, limits).await.map_err(|error| error.to_string())?;
        if response.status.is_success() { Ok(()) } else { Err(format!("it answered {}", response.status)) }
    }
}

/// The way that a manifest says, where it does.
fn way_of(service: &Service) -> Option<(OAuthSpec, Endpoints)> {
    let manifest: &Manifest = &service.manifest;
    let spec = manifest.credential.oauth.clone()?;
    let endpoints = spec.endpoints(&manifest.env).ok()?;
    Some((spec, endpoints))
}

/// The endpoint's answer.
pub(super) fn judge(
    answer: Result<BasicTokenResponse, RequestTokenError<FetchError, BasicErrorResponse>>,
    now: Timestamp,
) -> Result<Tokens, GrantError> {
    match answer {
        Ok(tokens) => Ok(Tokens {
            access: Secret::new(tokens.access_token().secret().clone()),
            refresh: tokens.refresh_token().map(|token| Secret::new(token.secret().clone())),
            expires_at: tokens.expires_in().map(|life| now.after(life)),
            scope: tokens.scopes().map(|scopes| {
                let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                plain(&scopes.join(" "))
            }),
        }),
        Err(RequestTokenError::ServerResponse(error)) => {
            let code = plain(error.error().as_ref());
            let said = match error.error_description() {
                Some(text) => format!("{} ({code})", plain(text)),
                None => code,
            };
            match error.error() {
                BasicErrorResponseType::InvalidGrant => Err(GrantError::Lapsed(said)),
                _ => Err(GrantError::Unavailable(said)),
            }
        }
        Err(RequestTokenError::Request(error)) => Err(GrantError::Unavailable(error.to_string())),
        Err(RequestTokenError::Parse(..)) => {
            Err(GrantError::Unavailable("its token endpoint answered with something that is no token".to_owned()))
        }
        Err(RequestTokenError::Other(said)) => Err(GrantError::Unavailable(plain(&said))),
    }
}

/// Words of somebody else: short and on one line.
pub(super) fn plain(words: &str) -> String {
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect();
    words.trim().to_owned()
}
