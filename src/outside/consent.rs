//! The way to the outside service and back: who comes back with a code has consented there.

use oauth2::{AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope};
use url::Url;

use super::{
    OutsideGrants,
    exchange::{GrantError, Registered, judge},
    refresh_owner,
};
use crate::{
    db::{
        credentials::Credential,
        outside_grants::{OutsideGrant, Standing},
    },
    domain::{ids::CredentialId, manifest::Manifest, names::ServiceName, secret::Secret, time::Timestamp},
    outbound::asking,
};

/// A consent that is being asked for: where to send the browser, and what to remember until it comes back.
pub struct Begun {
    /// Where.
    pub url: Url,
    /// Ties the answer to this browser.
    pub state: String,
    /// Ties the code to this request (RFC 7636).
    pub verifier: String,
}

/// What came back, and what was remembered.
pub struct Returned<'a> {
    /// The authorization code.
    pub code: String,
    /// As it began.
    pub verifier: &'a str,
}

/// What the token endpoint gave.
pub struct Tokens {
    /// The access token: a credential's value.
    pub access: Secret,
    /// What it is refreshed with.
    pub refresh: Option<Secret>,
    /// When the access token ends, where the service says so.
    pub expires_at: Option<Timestamp>,
    /// What was granted, where that is not what was asked for.
    pub scope: Option<String>,
}

impl OutsideGrants {
    /// Begins to ask for consent; the answer comes to `redirect`.
    ///
    /// # Errors
    /// When the service has no way to sign in, or Berth is not registered there.
    pub async fn begin(&self, manifest: &Manifest, redirect: &Url) -> Result<Begun, GrantError> {
        let registered = self.registered(&manifest.name).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = registered.client().set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let mut request = client
            .authorize_url(CsrfToken::new_random)
            .add_scopes(manifest.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        for (name, value) in &registered.spec.parameters {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(Begun { url, state: state.into_secret(), verifier: verifier.into_secret() })
    }

    /// Exchanges the code for tokens.
    ///
    /// # Errors
    /// When the endpoint does not take it, or does not answer as it should.
    pub async fn finish(
        &self,
        service: &ServiceName,
        redirect: &Url,
        returned: Returned<'_>,
    ) -> Result<Tokens, GrantError> {
        let registered = self.registered(service).await?;
        let client = registered.client().set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let request = client
            .exchange_code(AuthorizationCode::new(returned.code))
            .set_pkce_verifier(PkceCodeVerifier::new(returned.verifier.to_owned()));
        let answer = request.request_async(&asking(&self.0.fetcher)).await;
        judge(answer, Timestamp::now())
    }

    /// The grant to store beside the credential whose value is the access token.
    ///
    /// # Errors
    /// When the service is gone meanwhile, or the refresh token cannot be sealed.
    pub async fn record(
        &self,
        manifest: &Manifest,
        credential: CredentialId,
        tokens: &Tokens,
    ) -> Result<OutsideGrant, GrantError> {
        let Registered { endpoints, .. } = self.registered(&manifest.name).await?;
        let seal = |token: &Secret| self.0.vault.seal(&refresh_owner(credential), token);
        Ok(OutsideGrant {
            credential,
            sealed_refresh: tokens.refresh.as_ref().map(seal).transpose()?,
            token_url: endpoints.token.into(),
            scope: tokens.scope.clone().unwrap_or_else(|| manifest.scopes.join(" ")),
            expires_at: tokens.expires_at,
            standing: standing(tokens.refresh.is_some(), tokens.expires_at, Timestamp::now()),
        })
    }

    /// Takes the grant behind a deleted credential back at its service, as far as that can be done.
    pub async fn revoke(&self, row: &Credential, grant: &OutsideGrant) {
        if let Err(why) = self.try_revoke(row, grant).await {
            log::warn!("the grant of {} behind a deleted credential was not revoked there: {why}", row.service);
        }
    }

    async fn try_revoke(&self, row: &Credential, grant: &OutsideGrant) -> Result<(), String> {
        let registered = self.registered(&row.service).await.map_err(|error| error.to_string())?;
        if registered.endpoints.token.as_str() != grant.token_url {
            return Err("its token endpoint is another one now".to_owned());
        }
        let vault = &self.0.vault;
        let token = match &grant.sealed_refresh {
            Some(sealed) => vault.open_sealed(&refresh_owner(row.id), sealed),
            None => vault.open_sealed(&crate::domain::instance::credential_owner(row.user_id, row.id), &row.sealed),
        };
        let token = token.map_err(|error| error.to_string())?;
        match registered.revocation(&token) {
            Some(request) => self.send(request).await,
            None => Ok(()),
        }
    }
}

/// How a grant stands whose access token is new.
pub(super) fn standing(can_refresh: bool, expires_at: Option<Timestamp>, now: Timestamp) -> Standing {
    /// The longest before the end that a token is refreshed: 5 minutes.
    const MOST_AHEAD_MS: i64 = 5 * 60 * 1000;
    let Some(end) = expires_at.filter(|_| can_refresh) else { return Standing::Unkept };
    let ahead = ((end.0 - now.0) / 4).clamp(0, MOST_AHEAD_MS);
    Standing::Kept { refresh_at: Timestamp(end.0 - ahead), failures: 0 }
}
