//! OAuth clients over HTTP: how they register, and how machines and devices get tokens.
//!
//! Invariants: what anybody may do is counted per address; secrets are shown once, in the answer that makes
//! them; a client that ends takes with it everything that users have allowed it.

pub mod device;
pub mod device_page;
pub mod machine;
pub mod manage;
pub mod register;

use actix_web::HttpRequest;
use serde_json::{Map, Value};

use super::{api::auth::client_address, oauth::error::OAuthError, state::AppState};
use crate::{
    auth::oauth::grants::Ended,
    db::{Connection, QueryResult, oauth_clients, oauth_grants},
    domain::{ids::GrantId, time::Timestamp},
};

/// Bytes of a registration.
const MAX_REGISTRATION: usize = 64 << 10;

/// Refuses an address that asks too often.
fn keep_pace(request: &HttpRequest, state: &AppState, what: &str) -> Result<(), OAuthError> {
    if state.oauth_clients.pace.allows(&format!("{what} {}", client_address(request))) {
        return Ok(());
    }
    let refused = OAuthError::new("temporarily_unavailable", "too many requests from this address; try again later");
    Err(refused.status(actix_web::http::StatusCode::TOO_MANY_REQUESTS).retry_after(60))
}

/// The members of a registration.
fn members(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    let wrong = |text: &str| OAuthError::new("invalid_client_metadata", text);
    if body.len() > MAX_REGISTRATION {
        return Err(wrong("the body has more than 65536 bytes"));
    }
    serde_json::from_slice(body).map_err(|_| wrong("the body must be a JSON object"))
}

/// Deletes a client, and ends what users have allowed it; the grants, for the authenticator to forget.
///
/// # Errors
/// Not found, or a query fails.
pub(super) fn end(conn: &mut Connection, id: &str) -> QueryResult<Vec<GrantId>> {
    oauth_clients::delete(conn, id)?;
    oauth_grants::revoke_for_client(conn, id, Ended::ClientRemoved.as_str(), Timestamp::now())
}
