//! Between what a client says of itself, its record, and the client.

use serde_json::{Map, Value, json};

use super::{
    ClientAuthentication, ClientError, ClientOrigin, GrantType, Keys, Metadata, OAuthClient, keys, metadata::Method,
};
use crate::{
    auth::tokens::{self, TokenHash},
    db::oauth_clients::{self, ClientRecord},
    domain::{secret::Secret, time::Timestamp},
};

/// What clients' secrets start with, so that secret scanners and people recognise them.
const SECRET_PREFIX: &str = "bcs_";
/// What registration access tokens start with.
const REGISTRATION_PREFIX: &str = "bcr_";
/// How a client without a name is called.
const NAMELESS: &str = "A program without a name";

/// A record with an id of its own, and nothing in it yet.
#[must_use]
pub fn blank(origin: &str, now: Timestamp) -> ClientRecord {
    ClientRecord {
        id: uuid::Uuid::new_v4().to_string(),
        origin: origin.to_owned(),
        name: String::new(),
        redirect_uris: Vec::new(),
        grant_types: Vec::new(),
        authentication: Method::None.as_str().to_owned(),
        secret_hash: None,
        jwks: None,
        jwks_uri: None,
        homepage: None,
        owner: None,
        metadata: json!({}),
        registration_hash: None,
        created_at: now,
        last_used_at: None,
    }
}

/// Writes what the client says of itself over what was known. A secret is made where one is needed and there
/// is none, and is forgotten where none is needed any more; a fresh one is returned, and is nowhere kept.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn apply(record: &mut ClientRecord, metadata: Metadata) -> Result<Option<Secret>, getrandom::Error> {
    record.name = metadata.name.unwrap_or_else(|| NAMELESS.to_owned());
    record.redirect_uris = metadata.redirect_uris;
    record.grant_types = metadata.grant_types.into_iter().map(name_of).collect();
    record.authentication = metadata.method.as_str().to_owned();
    (record.jwks, record.jwks_uri) = match metadata.keys {
        None => (None, None),
        Some(Keys::Inline(keys)) => (Some(json!({ "keys": *keys })), None),
        Some(Keys::At(url)) => (None, Some(url.into())),
    };
    record.homepage = metadata.homepage.map(String::from);
    record.metadata = metadata.further;
    if !metadata.method.has_secret() {
        record.secret_hash = None;
        return Ok(None);
    }
    if record.secret_hash.is_some() { Ok(None) } else { renew_secret(record).map(Some) }
}

/// Gives the client another secret; it is nowhere kept.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn renew_secret(record: &mut ClientRecord) -> Result<Secret, getrandom::Error> {
    let secret = Secret::new(format!("{SECRET_PREFIX}{}", tokens::random()?));
    record.secret_hash = Some(TokenHash::of(secret.expose()).to_hex());
    Ok(secret)
}

/// Gives the client a token with which it manages its registration (RFC 7592); it is nowhere kept.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn give_registration_token(record: &mut ClientRecord) -> Result<Secret, getrandom::Error> {
    let token = Secret::new(format!("{REGISTRATION_PREFIX}{}", tokens::random()?));
    record.registration_hash = Some(TokenHash::of(token.expose()).to_hex());
    Ok(token)
}

/// The name of a grant type as RFC 7591 has it.
#[must_use]
pub fn name_of(grant: GrantType) -> String {
    serde_json::to_value(grant).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What RFC 7591, section 3.2.1, has answers say of a client, without what is secret.
#[must_use]
pub fn describe(record: &ClientRecord) -> Map<String, Value> {
    let mut members = record.metadata.as_object().cloned().unwrap_or_default();
    let has_code = record.grant_types.iter().any(|name| name == "authorization_code");
    let known = json!({
        "client_id": record.id,
        "client_id_issued_at": record.created_at.0 / 1000,
        "client_name": record.name,
        "redirect_uris": record.redirect_uris,
        "grant_types": record.grant_types,
        "response_types": if has_code { vec!["code"] } else { Vec::new() },
        "token_endpoint_auth_method": record.authentication,
        "client_uri": record.homepage,
        "jwks": record.jwks,
        "jwks_uri": record.jwks_uri,
    });
    let known = known.as_object().cloned().unwrap_or_default();
    members.extend(known.into_iter().filter(|(_, value)| !value.is_null()));
    members
}

/// A record as a client.
pub(super) fn read(record: ClientRecord) -> Result<OAuthClient, ClientError> {
    let authentication = match (Method::named(&record.authentication), record.secret_hash.as_deref()) {
        (Some(Method::None), _) => ClientAuthentication::None,
        (Some(Method::PrivateKeyJwt), _) => ClientAuthentication::Keys { jwks: stored_keys(&record)? },
        (Some(Method::Basic | Method::Post), Some(hash)) => {
            ClientAuthentication::Secret { hash: TokenHash::from_hex(hash).ok_or(ClientError::Unknown)? }
        }
        (None, _) | (_, None) => return Err(ClientError::Unknown),
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

fn stored_keys(record: &ClientRecord) -> Result<Keys, ClientError> {
    if let Some(jwks) = &record.jwks {
        return keys::read(jwks).map(|keys| Keys::Inline(keys.into())).map_err(|_| ClientError::Unknown);
    }
    let at = record.jwks_uri.as_deref().and_then(|uri| uri.parse().ok());
    at.map(Keys::At).ok_or(ClientError::Unknown)
}
