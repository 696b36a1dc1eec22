//! Where a service's users sign in at the outside service (OAuth 2.0, RFC 6749), so that Berth gets their tokens and
//! keeps them fresh.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ManifestError, addresses::outside_url};

/// The outside service's authorization server. `{env.NAME}` in a URL is filled with the manifest's variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthSpec {
    /// Where a person signs in and consents (RFC 6749 section 3.1).
    pub authorize_url: String,
    /// Where codes and refresh tokens become access tokens (RFC 6749 section 3.2).
    pub token_url: String,
    /// Where tokens are taken back when a credential is deleted (RFC 7009). Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
    /// What its answers must name in `iss`, where they name anything (RFC 9207).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Further parameters of the request for consent, such as `access_type = "offline"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// How Berth proves at the token endpoint which client it is. Default `basic`.
    #[serde(default, skip_serializing_if = "ClientAuth::is_default")]
    pub client_auth: ClientAuth,
}

/// How a client authenticates (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the `Authorization` header, as every server must take it.
    #[default]
    Basic,
    /// In the body, for servers that take nothing else.
    Body,
}

impl ClientAuth {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An [`OAuthSpec`] whose URLs are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where consent is asked for.
    pub authorize: Url,
    /// Where tokens come from.
    pub token: Url,
    /// Where they are taken back.
    pub revoke: Option<Url>,
}

/// Parameters that are ours: another value would undo what they protect.
const OURS: [&str; 10] = [
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

impl OAuthSpec {
    /// The URLs with the manifest's variables in them.
    ///
    /// # Errors
    /// Names the first that is no http or https URL with a host.
    pub fn endpoints(&self, env: &BTreeMap<String, String>) -> Result<Endpoints, ManifestError> {
        let url = |field: &str, text: &str| outside_url(&format!("credential.oauth.{field}"), text, env);
        Ok(Endpoints {
            authorize: url("authorize_url", &self.authorize_url)?,
            token: url("token_url", &self.token_url)?,
            revoke: self.revoke_url.as_deref().map(|text| url("revoke_url", text)).transpose()?,
        })
    }

    /// Checks what types cannot say.
    pub(super) fn validate(&self, env: &BTreeMap<String, String>) -> Result<(), ManifestError> {
        self.endpoints(env)?;
        match self.parameters.keys().find(|name| OURS.contains(&name.as_str())) {
            Some(name) => Err(ManifestError::new(
                &format!("credential.oauth.parameters.{name}"),
                "is for Berth to set; `scopes` of the manifest are the scope",
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_filled_and_wrong_fields_named() {
        let env = BTreeMap::from([("ACCOUNTS".to_owned(), "https://accounts.example".to_owned())]);
        let read = |text: &str| toml::from_str::<OAuthSpec>(text).map_err(|error| error.to_string());
        let good = "authorize_url = '{env.ACCOUNTS}/auth'\ntoken_url = 'https://t.example/token'\n";
        let endpoints = read(good).unwrap().endpoints(&env).unwrap();
        assert_eq!(endpoints.authorize.as_str(), "https://accounts.example/auth");
        assert_eq!(endpoints.revoke, None);
        for (more, field) in [
            ("revoke_url = 'ftp://a.b'", "credential.oauth.revoke_url"),
            ("parameters = { state = 'x' }", "credential.oauth.parameters.state"),
            ("parameters = { redirect_uri = 'https://evil.example' }", "credential.oauth.parameters.redirect_uri"),
        ] {
            let spec = read(&format!("{good}{more}")).unwrap();
            assert_eq!(spec.validate(&env).unwrap_err().field, field);
        }
        assert!(read("authorize_url = 'https://a.b'").unwrap_err().contains("token_url"));
    }
}
