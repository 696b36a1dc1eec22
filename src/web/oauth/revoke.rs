//! The revocation endpoint (RFC 7009): a client gives back what it has.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Bytes, Data},
};
use serde_json::json;

use super::{error::OAuthError, form, token::authenticate};
use crate::{
    auth::{
        Via,
        oauth::grants::{self, Ended},
        tokens::TokenHash,
    },
    db::{
        Connection, OptionalExtension,
        oauth_grants::{self, tokens::Kind},
    },
    domain::time::Timestamp,
    web::{api::audit, state::AppState},
};

/// `POST /oauth/revoke`. A refresh token takes everything with it that came of the same consent; what is not
/// the client's, or is nothing at all, is left alone and answered alike (section 2.2).
///
/// # Errors
/// When the client does not prove who it is.
pub async fn revoke(request: HttpRequest, body: Bytes, state: Data<AppState>) -> Result<HttpResponse, OAuthError> {
    let form = form::read(&request, &body)?;
    let client = authenticate(&request, &state, &form).await?;
    let token = form.get("token").ok_or_else(|| OAuthError::invalid_request("`token` is missing"))?;
    let (hash, client_id) = (TokenHash::of(token).to_hex(), client.id.clone());
    let work = move |conn: &mut Connection| {
        let found = oauth_grants::tokens::by_hash(conn, &hash).optional()?;
        let Some((token, grant, _)) = found.filter(|(_, grant, _)| grant.client_id == client_id) else {
            return Ok(None);
        };
        let now = Timestamp::now();
        match token.kind {
            Kind::Access => oauth_grants::tokens::revoke(conn, &hash, now)?,
            Kind::Refresh => {
                grants::revoke(conn, grant.id, Ended::ByClient, now)?;
                let detail = json!({ "client_id": client_id, "reason": Ended::ByClient.as_str() });
                audit(conn, None, "oauth.grant_revoke", format!("grant:{}", grant.id), detail)?;
            }
        }
        Ok(Some(grant.id))
    };
    if let Some(grant) = state.db.write(work).await? {
        state.authenticator.forget_proof(&Via::Grant { id: grant });
    }
    Ok(HttpResponse::Ok().finish())
}
