//! Connected apps: what a user has allowed OAuth clients, and taking it back.

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use serde::Serialize;
use serde_json::json;

use super::{List, actor, audit};
use crate::{
    auth::{
        Via,
        oauth::grants::{self, Ended},
        policy::Action,
    },
    db::oauth_grants::{self, Grant},
    domain::{
        ids::{GrantId, InstanceId},
        time::Timestamp,
    },
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// What is shown of a grant.
#[derive(Serialize)]
struct GrantView {
    id: GrantId,
    client_id: String,
    client_name: String,
    instance: InstanceId,
    resource: String,
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Vec<String>>,
    created_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id,
            client_id: grant.client_id,
            client_name: grant.client_name,
            instance: grant.instance_id,
            resource: grant.resource,
            scopes: grant.scopes.split(' ').map(str::to_owned).collect(),
            tools: grant.tools,
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            last_used_at: grant.last_used_at,
            revoked_at: grant.revoked_at,
            reason: grant.revoked_reason,
        }
    }
}

/// The caller's connected apps, newest first; those that have ended are there until they would have expired.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = caller.0.user;
    let grants = state.db.read(move |conn| oauth_grants::list_for_user(conn, user)).await?;
    Ok(HttpResponse::Ok().json(List::whole(grants.into_iter().map(GrantView::from).collect())))
}

/// Takes a grant back; the next request with a token of it is refused.
pub async fn revoke(caller: Caller, state: Data<AppState>, path: Path<GrantId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (id, by) = (path.into_inner(), actor(&caller.0));
    let no_such = || ApiError::not_found("connected app");
    let grant = state.db.read(move |conn| oauth_grants::by_id(conn, id)).await.map_err(|error| match error {
        crate::db::DbError::NotFound => no_such(),
        other => other.into(),
    })?;
    if grant.user_id != caller.0.user && caller.may(Action::Administer).is_err() {
        return Err(no_such());
    }
    state
        .db
        .write(move |conn| {
            grants::revoke(conn, id, Ended::ByUser, Timestamp::now())?;
            let detail = json!({ "client_id": grant.client_id, "reason": Ended::ByUser.as_str() });
            audit(conn, by, "oauth.grant_revoke", format!("grant:{id}"), detail)
        })
        .await?;
    state.authenticator.forget_proof(&Via::Grant { id });
    Ok(HttpResponse::NoContent().finish())
}
