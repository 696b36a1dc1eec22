//! Another value for a credential, and the one before back again.
//!
//! What is answered is true already: starts from then on have the value in force. Processes that were given the other
//! one finish their calls and are replaced; requests that come meanwhile wait for the new process.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{CredentialView, check, gone, own, trying::require_valid};
use crate::{
    auth::policy::Action,
    db::{
        Connection, OptionalExtension, QueryResult,
        credentials::{self, Credential},
        instances, outside_grants,
    },
    domain::{
        ids::{CredentialId, InstanceId},
        instance::credential_owner,
        secret::Secret,
        time::Timestamp,
    },
    web::{
        api::{actor, audit, to_the_end},
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// How long the value before a rotation is kept, in minutes: a day, unless its owner says otherwise.
const GRACE_MINUTES: u64 = 24 * 60;
/// The longest that it may be kept: 30 days.
const MAX_GRACE_MINUTES: u64 = 30 * 24 * 60;

/// A new value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    #[schema(value_type = String, format = Password)]
    value: Secret,
    /// How long the one before can be brought back; 0: not at all.
    grace_minutes: Option<u64>,
    /// Whether to ask the service first. Default: where its manifest says how.
    validate: Option<bool>,
}

/// Puts a new value in place.
pub async fn rotate(
    caller: Caller,
    state: Data<AppState>,
    path: Path<CredentialId>,
    body: Json<Rotation>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (id, Rotation { value, grace_minutes, validate }) = (path.into_inner(), body.into_inner());
    let grace = grace_minutes.unwrap_or(GRACE_MINUTES);
    if grace > MAX_GRACE_MINUTES {
        return Err(ApiError::invalid(format!("`grace_minutes` must be 0 to {MAX_GRACE_MINUTES}")));
    }
    let owned = own(&caller, &state, id).await?;
    not_granted(&state, id).await?;
    check(owned.kind, &value)?;
    let last_test = match state.catalog.get(&owned.service) {
        Some(service) => require_valid(&state, &service.manifest, &value, validate).await?,
        None if validate == Some(true) => return Err(gone(&owned.service)),
        None => None,
    };
    let now = Timestamp::now();
    let secret = credentials::NewSecret {
        sealed: state.vault.seal(&credential_owner(owned.user_id, id), &value)?,
        key_id: state.vault.key_id().to_owned(),
        hint: value.hint(),
        at: now,
        previous_until: (grace > 0).then(|| now.after(Duration::from_secs(grace * 60))),
        last_test,
    };
    drop(value);
    let by = actor(&caller.0);
    let change = move |conn: &mut Connection| {
        let detail = json!({ "previous_until": secret.previous_until, "checked": secret.last_test.is_some() });
        audit(conn, by, "credential.rotate", format!("credential:{id}"), detail)?;
        credentials::rotate(conn, id, &secret)?;
        with_users(conn, id)
    };
    let row = to_the_end(async move {
        let (row, using) = state.db.write(change).await?;
        if row.previous.is_none() {
            super::scrub(&state).await;
        }
        refresh(&state, using).await;
        Ok(row)
    });
    Ok(HttpResponse::Ok().json(CredentialView::from(row.await?)))
}

/// Brings the value before the last rotation back; the one that replaced it is forgotten.
pub async fn roll_back(
    caller: Caller,
    state: Data<AppState>,
    path: Path<CredentialId>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let id = own(&caller, &state, path.into_inner()).await?.id;
    let by = actor(&caller.0);
    let change = move |conn: &mut Connection| {
        if !credentials::roll_back(conn, id, Timestamp::now())? {
            return Ok(None);
        }
        audit(conn, by, "credential.rollback", format!("credential:{id}"), json!({}))?;
        with_users(conn, id).map(Some)
    };
    let row = to_the_end(async move {
        let Some((row, using)) = state.db.write(change).await? else {
            let detail = "no earlier value is kept: it was not rotated, or the grace period is over; rotate it instead";
            return Err(ApiError::new(ErrorCode::Conflict, detail));
        };
        super::scrub(&state).await;
        refresh(&state, using).await;
        Ok(row)
    });
    Ok(HttpResponse::Ok().json(CredentialView::from(row.await?)))
}

/// A grant's tokens come from its service alone.
async fn not_granted(state: &AppState, id: CredentialId) -> Result<(), ApiError> {
    let grant = state.db.read(move |conn| outside_grants::of_credential(conn, id).optional()).await?;
    match grant {
        None => Ok(()),
        Some(_) => {
            let detail =
                "Berth refreshes it by itself; to use another account, connect it again with its `connect` URL";
            Err(ApiError::new(ErrorCode::Conflict, detail))
        }
    }
}

fn with_users(conn: &mut Connection, id: CredentialId) -> QueryResult<(Credential, Vec<InstanceId>)> {
    let using = instances::using_credential(conn, id)?.into_iter().map(|instance| instance.id).collect();
    Ok((credentials::by_id(conn, id)?, using))
}

/// Has every instance that uses the credential take the value in force. The one place where a change of a value
/// reaches what runs.
pub async fn refresh(state: &AppState, using: Vec<InstanceId>) {
    for instance in using {
        // One that is being deleted needs nothing.
        if let Err(error) = state.supervisor.refresh_credential(instance).await {
            log::info!("instance {instance} takes the new credential at its next start: {error}");
        }
    }
}
