//! Signing in with another provider, by OpenID Connect: authorization code with PKCE, state and nonce.
//!
//! Owner of state: [`Providers`] remembers each provider's metadata and keys for an hour.
//!
//! Invariants: every request goes through the guarded fetcher, which follows no redirect; what an id token
//! says is believed only after the crate has checked its signature, issuer, audience, time and nonce; each
//! provider has a redirect URI of its own, so that one cannot pass off another's answer (RFC 9700 section
//! 4.4.2.2).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use openidconnect::{
    AccessTokenHash, AuthType, AuthenticationFlow, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndUserEmail, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, TokenResponse,
    core::{
        CoreClient, CoreClientAuthMethod, CoreProviderMetadata, CoreResponseType, CoreTokenResponse, CoreUserInfoClaims,
    },
};
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    config::OidcProvider,
    domain::names::Email,
    outbound::{Fetcher, asking},
};

/// How long a provider's metadata and keys are believed.
const FRESH: Duration = Duration::from_secs(3600);

/// Why somebody could not be signed in.
#[derive(Debug, Error)]
pub enum OidcError {
    /// The provider does not answer, or not as it should.
    #[error("the sign-in provider does not answer as it should: {0}")]
    Provider(String),
    /// The provider's answer to the code, or its token, is not to be believed.
    #[error("the sign-in provider's answer is not valid: {0}")]
    Token(String),
    /// The settings are unusable.
    #[error("the sign-in provider is not set up correctly: {0}")]
    Setting(String),
}

/// A sign-in that has begun: where to send the browser, and what to remember until it comes back.
pub struct Begun {
    /// Where.
    pub url: Url,
    /// Ties the answer to this browser.
    pub state: String,
    /// Ties the id token to this sign-in.
    pub nonce: String,
    /// Ties the code to this sign-in (RFC 7636).
    pub verifier: String,
}

/// What came back, and what was remembered.
pub struct Returned<'a> {
    /// The authorization code.
    pub code: String,
    /// As it began.
    pub nonce: &'a str,
    /// As it began.
    pub verifier: &'a str,
}

/// Somebody, as the provider knows them.
#[derive(Debug)]
pub struct Person {
    /// The provider's own name of them, which never changes.
    pub subject: String,
    /// Their address, only where the provider says that it has verified it.
    pub verified_email: Option<Email>,
}

/// The providers there are.
#[derive(Default)]
pub struct Providers(Vec<Provider>);

impl Providers {
    /// One per setting.
    #[must_use]
    pub fn new(settings: &[OidcProvider], fetcher: &Fetcher) -> Self {
        let provider = |setting: &OidcProvider| Provider {
            setting: setting.clone(),
            fetcher: fetcher.clone(),
            metadata: Mutex::default(),
        };
        Self(settings.iter().map(provider).collect())
    }

    /// The one of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.setting.name == name)
    }

    /// All, in the order of their names.
    pub fn settings(&self) -> impl Iterator<Item = &OidcProvider> {
        self.0.iter().map(|provider| &provider.setting)
    }
}

/// One provider.
pub struct Provider {
    setting: OidcProvider,
    fetcher: Fetcher,
    metadata: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

impl Provider {
    /// Its settings.
    #[must_use]
    pub const fn setting(&self) -> &OidcProvider {
        &self.setting
    }

    /// Begins a sign-in that comes back to `redirect`.
    ///
    /// # Errors
    /// When the provider cannot be asked for its metadata.
    pub async fn begin(&self, redirect: &Url) -> Result<Begun, OidcError> {
        let metadata = self.metadata(FRESH).await?;
        let client = CoreClient::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(self.setting.client_id.clone()),
            None,
        )
        .set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let request = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(self.setting.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        let (url, state, nonce) = request.url();
        Ok(Begun { url, state: state.into_secret(), nonce: nonce.secret().clone(), verifier: verifier.into_secret() })
    }

    /// Whom the provider has sent back.
    ///
    /// # Errors
    /// When the provider does not take the code, or its id token is not to be believed.
    pub async fn finish(&self, redirect: &Url, returned: Returned<'_>) -> Result<Person, OidcError> {
        let metadata = self.metadata(FRESH).await?;
        let token = self.exchange(&metadata, redirect, &returned).await?;
        let nonce = Nonce::new(returned.nonce.to_owned());
        match self.believe(&metadata, &token, &nonce).await {
            // Keys are changed now and then: with fresh ones it may be right.
            Err(Unbelievable::Signature(_)) => {
                let metadata = self.metadata(Duration::ZERO).await?;
                self.believe(&metadata, &token, &nonce).await
            }
            outcome => outcome,
        }
        .map_err(|error| match error {
            Unbelievable::Signature(reason) | Unbelievable::Otherwise(reason) => OidcError::Token(reason),
        })
    }

    async fn metadata(&self, fresh: Duration) -> Result<Arc<CoreProviderMetadata>, OidcError> {
        let mut known = self.metadata.lock().await;
        if let Some((at, metadata)) = &*known
            && at.elapsed() < fresh
        {
            return Ok(Arc::clone(metadata));
        }
        let issuer =
            IssuerUrl::new(self.setting.issuer.clone()).map_err(|error| OidcError::Setting(error.to_string()))?;
        let found = CoreProviderMetadata::discover_async(issuer, &asking(&self.fetcher)).await;
        let metadata = Arc::new(found.map_err(|error| OidcError::Provider(chain(&error)))?);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    async fn exchange(
        &self,
        metadata: &CoreProviderMetadata,
        redirect: &Url,
        returned: &Returned<'_>,
    ) -> Result<CoreTokenResponse, OidcError> {
        let secret = self.setting.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let client =
            CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(self.setting.client_id.clone()), secret)
                .set_redirect_uri(RedirectUrl::from_url(redirect.clone()))
                .set_auth_type(authentication(metadata));
        let request = client
            .exchange_code(AuthorizationCode::new(returned.code.clone()))
            .map_err(|error| OidcError::Provider(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(returned.verifier.to_owned()));
        request.request_async(&asking(&self.fetcher)).await.map_err(|error| OidcError::Provider(chain(&error)))
    }

    async fn believe(
        &self,
        metadata: &CoreProviderMetadata,
        token: &CoreTokenResponse,
        nonce: &Nonce,
    ) -> Result<Person, Unbelievable> {
        let secret = self.setting.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(self.setting.client_id.clone());
        let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
        let verifier = client.id_token_verifier();
        let id_token = token.id_token().ok_or_else(|| otherwise(&"there is no id token"))?;
        let claims = id_token.claims(&verifier, nonce).map_err(|error| match error {
            ClaimsVerificationError::SignatureVerification(_) => Unbelievable::Signature(chain(&error)),
            error => Unbelievable::Otherwise(chain(&error)),
        })?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|error| otherwise(&error))?;
            let key = id_token.signing_key(&verifier).map_err(|error| otherwise(&error))?;
            let actual = AccessTokenHash::from_token(token.access_token(), algorithm, key);
            if actual.map_err(|error| otherwise(&error))? != *expected {
                return Err(otherwise(&"the access token is another one's"));
            }
        }
        let mut verified_email = verified(claims.email(), claims.email_verified());
        // Some tell the address only when they are asked for it.
        if claims.email().is_none()
            && let Ok(request) = client.user_info(token.access_token().clone(), Some(claims.subject().clone()))
        {
            let info: Result<CoreUserInfoClaims, _> = request.request_async(&asking(&self.fetcher)).await;
            let info = info.map_err(|error| otherwise(&chain(&error)))?;
            verified_email = verified(info.email(), info.email_verified());
        }
        Ok(Person { subject: claims.subject().to_string(), verified_email })
    }
}

/// The address, where the provider says that it has verified it.
fn verified(email: Option<&EndUserEmail>, is_verified: Option<bool>) -> Option<Email> {
    email.filter(|_| is_verified == Some(true))?.as_str().parse().ok()
}

/// Why an id token is not believed: a signature may be right with other keys.
enum Unbelievable {
    Signature(String),
    Otherwise(String),
}

fn otherwise(reason: &dyn std::fmt::Display) -> Unbelievable {
    Unbelievable::Otherwise(reason.to_string())
}

/// How Berth proves who it is at the token endpoint: as the standard prefers, unless the provider cannot.
fn authentication(metadata: &CoreProviderMetadata) -> AuthType {
    let Some(methods) = metadata.token_endpoint_auth_methods_supported() else { return AuthType::BasicAuth };
    let has = |method: &CoreClientAuthMethod| methods.contains(method);
    if has(&CoreClientAuthMethod::ClientSecretPost) && !has(&CoreClientAuthMethod::ClientSecretBasic) {
        return AuthType::RequestBody;
    }
    AuthType::BasicAuth
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
