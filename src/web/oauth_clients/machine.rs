//! Tokens for machines (RFC 6749 section 4.4; MCP, "OAuth Client Credentials"): a client that somebody with an
//! account has made acts for them, on the instance that `resource` names.

use std::sync::Arc;

use actix_web::HttpResponse;
use serde_json::json;

use crate::{
    auth::{
        oauth::{
            Scopes,
            grants::{self, Lifetimes, NewGrant, Tokens},
        },
        oauth_clients::{ClientAuthentication, ClientOrigin, OAuthClient},
    },
    db::{Connection, OptionalExtension, instances, users},
    domain::{
        ids::{InstanceId, UserId},
        time::Timestamp,
    },
    web::{
        api::audit,
        oauth::{
            error::OAuthError,
            token::{Form, Target, answer},
        },
        state::AppState,
    },
};

/// The access token of a machine. There is no refresh token (RFC 6749 section 4.4.3): it asks anew.
///
/// # Errors
/// When the client has no owner, or the owner no such instance.
pub(in crate::web) async fn issue(
    state: &AppState,
    client: &OAuthClient,
    target: &Target,
    form: &Form,
) -> Result<HttpResponse, OAuthError> {
    let refused = |text: &str| OAuthError::new("unauthorized_client", text);
    let proves = !matches!(client.authentication, ClientAuthentication::None);
    let owner = client.owner.filter(|_| proves && client.origin == ClientOrigin::Fixed);
    let owner = owner.ok_or_else(|| refused("this client acts for nobody; have its owner make one that does"))?;
    let scopes = Scopes::asked(form.get("scope").map(String::as_str).unwrap_or_default());
    let scopes = scopes.map_err(|error| OAuthError::new("invalid_scope", error.to_string()))?;
    let instance = instance(target, &scopes)?;
    let (tokens, lifetimes) = (Arc::new(Tokens::mint(false)?), Lifetimes::of(&state.config.auth));
    let new = NewGrant {
        user: owner,
        client_id: client.id.clone(),
        client_name: client.name.clone(),
        instance,
        resource: form.get("resource").cloned().unwrap_or_default(),
        scopes: scopes.without_instance(),
    };
    let (scopes, minted) = (new.scopes.clone(), Arc::clone(&tokens));
    let work = move |conn: &mut Connection| {
        if !is_own(conn, owner, instance)? {
            return Ok(false);
        }
        let now = Timestamp::now();
        let grant = grants::open(conn, &new, now, now.after(lifetimes.access))?;
        grants::issue(conn, grant, (&minted, &new.scopes), &lifetimes, now)?;
        let detail = json!({ "client_id": new.client_id, "instance": instance, "scopes": new.scopes.to_string() });
        audit(conn, Some(owner), "oauth.machine_token", format!("grant:{grant}"), detail)?;
        Ok(true)
    };
    if !state.db.write(work).await? {
        return Err(OAuthError::new("invalid_target", "the client's owner has no instance at this `resource`"));
    }
    Ok(answer(&tokens, &scopes, &lifetimes))
}

/// The one instance that is meant: there is nobody to choose.
pub(super) fn instance(target: &Target, scopes: &Scopes) -> Result<InstanceId, OAuthError> {
    let named = match target {
        Target::Only(None) => None,
        Target::Only(Some(id)) if scopes.instance().is_some_and(|other| other != *id) => None,
        Target::Only(Some(id)) => Some(*id),
        Target::Any => scopes.instance(),
    };
    named.ok_or_else(|| OAuthError::new("invalid_target", "`resource` must be the URL of one instance here"))
}

/// Whether the user may still act, and has this instance.
fn is_own(conn: &mut Connection, user: UserId, instance: InstanceId) -> crate::db::QueryResult<bool> {
    let active = users::by_id(conn, user).optional()?.is_some_and(|user| user.disabled_at.is_none());
    Ok(active && instances::by_id(conn, instance).optional()?.is_some_and(|instance| instance.user_id == user))
}
