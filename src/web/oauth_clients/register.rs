//! Dynamic registration (RFC 7591): open to everybody, therefore counted and bounded.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Bytes, Data},
};
use serde_json::{Value, json};

use super::{keep_pace, members};
use crate::{
    auth::oauth_clients::{
        metadata::{self, MetadataError},
        records,
    },
    config::Registration,
    db::{
        Connection, QueryResult,
        oauth_clients::{self, ClientRecord, REGISTERED},
    },
    domain::{secret::Secret, time::Timestamp},
    web::{
        api::audit,
        oauth::{base_url, error::OAuthError, issuer},
        state::AppState,
    },
};

/// How long a client that nobody uses is left alone when there are too many.
const UNUSED: Duration = Duration::from_secs(86_400);

impl From<MetadataError> for OAuthError {
    fn from(error: MetadataError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// `POST /oauth/register`.
///
/// # Errors
/// Refusals of RFC 7591 section 3.2.2.
pub async fn register(request: HttpRequest, body: Bytes, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    if state.config.clients.registration == Registration::Off {
        let text = "clients cannot register themselves here; have an administrator add this one, or use the URL of \
                    its metadata document as its id";
        return Err(OAuthError::new("access_denied", text).status(StatusCode::FORBIDDEN));
    }
    keep_pace(&request, &state, "register")?;
    let metadata = metadata::read(&members(&body)?)?;
    let mut record = records::blank(REGISTERED, Timestamp::now());
    let secret = records::apply(&mut record, metadata)?;
    let token = records::give_registration_token(&mut record)?;
    let (most, kept) = (i64::from(state.config.clients.max_registered), record.clone());
    if !state.db.write(move |conn| insert(conn, &kept, most)).await? {
        let text = "too many clients have registered here; try again tomorrow, or use a metadata document";
        let refused = OAuthError::new("temporarily_unavailable", text).status(StatusCode::SERVICE_UNAVAILABLE);
        return Err(refused.retry_after(3600));
    }
    let base = issuer(&base_url(&request, &state));
    Ok(HttpResponse::Created().json(answer(&record, &base, secret.as_ref(), token.expose())))
}

/// `false` when there are too many, also after those have gone that nobody uses.
fn insert(conn: &mut Connection, record: &ClientRecord, most: i64) -> QueryResult<bool> {
    if oauth_clients::count_registered(conn)? >= most {
        let oldest = Timestamp(record.created_at.0.saturating_sub(i64::try_from(UNUSED.as_millis()).unwrap_or(0)));
        oauth_clients::purge_unused(conn, oldest)?;
        if oauth_clients::count_registered(conn)? >= most {
            return Ok(false);
        }
    }
    oauth_clients::insert(conn, record)?;
    let detail = json!({ "client_name": record.name, "redirect_uris": record.redirect_uris });
    audit(conn, None, "oauth.client_register", format!("client:{}", record.id), detail)?;
    Ok(true)
}

/// The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3). A secret is in it only when
/// it is new: its hash alone is kept.
pub(super) fn answer(record: &ClientRecord, base: &str, secret: Option<&Secret>, token: &str) -> Value {
    let mut members = records::describe(record);
    if let Some(secret) = secret {
        members.insert("client_secret".to_owned(), secret.expose().into());
        members.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    members.insert("registration_access_token".to_owned(), token.into());
    members.insert("registration_client_uri".to_owned(), format!("{base}/oauth/register/{}", record.id).into());
    Value::Object(members)
}
