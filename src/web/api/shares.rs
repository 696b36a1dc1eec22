//! Instances that are shared with others.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{List, actor, audit, instances::find, to_the_end};
use crate::{
    auth::{Via, oauth::grants::Ended, policy::Action},
    db::{OptionalExtension, oauth_grants, shares, tokens, users},
    domain::{
        connection::Client,
        ids::{GrantId, InstanceId, ShareId, UserId},
        names::Email,
        notice::Notice,
        time::Timestamp,
        tools::{ToolLimit, check_names},
    },
    routing,
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// What its owner is shown of a share.
#[derive(Serialize)]
struct ShareView {
    id: ShareId,
    instance: InstanceId,
    email: Email,
    tools: Option<BTreeSet<String>>,
    read_only: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    is_over: bool,
}

impl ShareView {
    fn of(share: shares::Share, email: Email) -> Self {
        let is_over = share.is_over(Timestamp::now());
        let shares::Share { id, instance_id: instance, tools, read_only, created_at, expires_at, .. } = share;
        Self { id, instance, email, tools, read_only, created_at, expires_at, is_over }
    }
}

/// What a guest is shown of a share: enough to connect, nothing of how it is set up.
#[derive(Serialize)]
struct ReceivedView {
    id: ShareId,
    instance: InstanceId,
    service: String,
    owner: Email,
    url: String,
    status: Option<crate::domain::lifecycle::State>,
    tools: Option<BTreeSet<String>>,
    read_only: bool,
    expires_at: Option<Timestamp>,
}

/// A new share.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateShare {
    /// With whom.
    #[schema(value_type = String, format = Email)]
    email: Email,
    /// The tools that they may call; all when absent.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    tools: Option<BTreeSet<String>>,
    /// Whether they may call none.
    #[serde(default)]
    read_only: bool,
    /// When it ends; when it is ended, when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The same, from now on.
    #[serde(default)]
    expires_in_days: Option<u32>,
}

/// A stored share as calls find it.
#[must_use]
pub fn in_memory(share: shares::Share) -> routing::Share {
    let tools = share.tools.map(Arc::new);
    routing::Share {
        id: share.id,
        instance: share.instance_id,
        guest: share.guest_id,
        limit: ToolLimit::of(tools.as_ref(), share.read_only),
        until: share.expires_at,
        ended: Arc::default(),
    }
}

/// With whom an instance is shared.
pub async fn list(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let id = path.into_inner();
    find(&caller.0, &state, id, true).await?;
    let all = state.db.read(move |conn| shares::list_of_instance(conn, id)).await?;
    let items = all.into_iter().map(|(share, email)| ShareView::of(share, email)).collect();
    Ok(HttpResponse::Ok().json(List::whole(items)))
}

/// Shares an instance with somebody who has an account here.
pub async fn create(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    body: Json<CreateShare>,
) -> Result<HttpResponse, ApiError> {
    let id = path.into_inner();
    let owner = find(&caller.0, &state, id, true).await?.user_id;
    if caller.may(Action::Share { id, owner }).is_err() {
        let detail = "only its owner may share an instance: it acts with their credential";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    let CreateShare { email, tools, read_only, expires_at, expires_in_days } = body.into_inner();
    let now = Timestamp::now();
    let expires_at = ending(now, expires_at, expires_in_days)?;
    tools.as_ref().map_or(Ok(()), check_names).map_err(|reason| ApiError::invalid(format!("`tools`: {reason}")))?;
    let guest = guest(&state, &email, owner).await?;
    let share = shares::Share {
        id: ShareId::generate(),
        instance_id: id,
        guest_id: guest,
        tools,
        read_only,
        created_at: now,
        expires_at,
    };
    let view = ShareView::of(share.clone(), email);
    to_the_end(open(state.clone(), share, owner)).await?;
    state.notices.tell(guest, Notice::shared(id, &caller.0.email));
    Ok(HttpResponse::Created().json(view))
}

fn ending(now: Timestamp, at: Option<Timestamp>, days: Option<u32>) -> Result<Option<Timestamp>, ApiError> {
    let lifetime = |days: u32| std::time::Duration::from_secs(86_400 * u64::from(days));
    match (at, days) {
        (Some(_), Some(_)) => Err(ApiError::invalid("`expires_at` and `expires_in_days` exclude each other")),
        (Some(at), None) if at <= now => Err(ApiError::invalid("`expires_at` is in the past")),
        (None, Some(0)) => Err(ApiError::invalid("`expires_in_days` is at least 1")),
        (at, days) => Ok(at.or_else(|| days.map(|days| now.after(lifetime(days))))),
    }
}

async fn guest(state: &AppState, email: &Email, owner: UserId) -> Result<UserId, ApiError> {
    let wanted = email.clone();
    let found = state.db.read(move |conn| users::by_email(conn, &wanted).optional()).await?;
    let nobody = || ApiError::invalid(format!("`email`: nobody with an account here has the address {email}"));
    let guest = found.filter(|user| user.disabled_at.is_none()).ok_or_else(nobody)?.id;
    if guest == owner {
        return Err(ApiError::invalid("`email`: this is your own account"));
    }
    Ok(guest)
}

async fn open(state: Data<AppState>, share: shares::Share, owner: UserId) -> Result<(), ApiError> {
    let _turn = state.shares.turn().await;
    let row = share.clone();
    state
        .db
        .write(move |conn| {
            shares::insert(conn, &row)?;
            let detail = json!({
                "share": row.id, "guest": row.guest_id, "tools": row.tools, "read_only": row.read_only,
                "expires_at": row.expires_at,
            });
            audit(conn, Some(owner), "share.create", format!("instance:{}", row.instance_id), detail)
        })
        .await?;
    state.shares.insert(in_memory(share));
    Ok(())
}

/// Ends a share: with the next request, and with what is under way.
pub async fn delete(
    caller: Caller,
    state: Data<AppState>,
    path: Path<(InstanceId, ShareId)>,
) -> Result<HttpResponse, ApiError> {
    let (instance, id) = path.into_inner();
    find(&caller.0, &state, instance, true).await?;
    let by = actor(&caller.0);
    to_the_end(close(state, (instance, id), by)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn close(
    state: Data<AppState>,
    (instance, id): (InstanceId, ShareId),
    by: Option<UserId>,
) -> Result<(), ApiError> {
    let turn = state.shares.turn().await;
    let ended = state
        .db
        .write(move |conn| {
            let guest = shares::delete(conn, instance, id)?;
            let reason = Ended::ShareEnded.as_str();
            let grants = oauth_grants::revoke_at(conn, (guest, instance), reason, Timestamp::now())?;
            let detail = json!({ "share": id, "grants": grants });
            audit(conn, by, "share.delete", format!("instance:{instance}"), detail)?;
            Ok(grants)
        })
        .await;
    if let Err(crate::db::DbError::NotFound) = ended {
        return Err(ApiError::new(ErrorCode::NotFound, "this instance has no such share"));
    }
    let grants = ended?;
    let share = state.shares.remove(id);
    drop(turn);
    for id in &grants {
        state.authenticator.forget_proof(&Via::Grant { id: *id });
    }
    match share {
        Some(share) => clear(&state, &share, &grants).await,
        None => Ok(()),
    }
}

/// Ends what the guest has left at the instance: sessions, and connections with their files.
async fn clear(state: &AppState, share: &routing::Share, grants: &[GrantId]) -> Result<(), ApiError> {
    let Some(route) = state.routes.get(share.instance) else { return Ok(()) };
    let guest = share.guest;
    route.sessions.close_of(guest);
    let Some(connections) = route.connections() else { return Ok(()) };
    let own = state.db.read(move |conn| tokens::list_for_user(conn, guest)).await?;
    let is_theirs = |client: Client| match client {
        Client::Token(id) => own.iter().any(|token| token.id == id),
        Client::Account(id) => id == guest,
        Client::Grant(id) => grants.contains(&id),
    };
    for seat in connections.all() {
        if seat.client.is_some_and(is_theirs) || seat.route.sessions.has_of(guest) {
            seat.route.sessions.close_of(guest);
            connections.end(seat.id).await;
        }
    }
    Ok(())
}

/// What others share with the caller.
pub async fn received(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = caller.0.user;
    let all = state.db.read(move |conn| shares::list_of_guest(conn, user, Timestamp::now())).await?;
    let base = state.public_url.as_str().trim_end_matches('/');
    let view = |received: shares::Received| {
        let shares::Received { share, service, owner } = received;
        let url = format!("{base}/{service}/{}/mcp", share.instance_id);
        let status = state.routes.get(share.instance_id).map(|route| route.status().state);
        let shares::Share { id, instance_id: instance, tools, read_only, expires_at, .. } = share;
        ReceivedView { id, instance, service, owner, url, status, tools, read_only, expires_at }
    };
    Ok(HttpResponse::Ok().json(List::whole(all.into_iter().map(view).collect())))
}
