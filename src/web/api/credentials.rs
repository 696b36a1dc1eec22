//! Stored credentials: sealed on the way in, never shown again but for their last four characters.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{List, actor, audit, instances::service_of};
use crate::{
    auth::policy::Action,
    db::{credentials, instances},
    domain::{
        ids::CredentialId,
        instance::{Desired, credential_owner},
        manifest::CredentialKind,
        names::ServiceName,
        secret::Secret,
        time::Timestamp,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// How long the value before a rotation is kept.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// Longest value, in bytes.
const MAX_VALUE: usize = 64 * 1024;

/// What is shown of a credential.
#[derive(Serialize)]
pub struct CredentialView {
    id: CredentialId,
    service: ServiceName,
    label: String,
    kind: CredentialKind,
    hint: String,
    created_at: Timestamp,
    rotated_at: Option<Timestamp>,
}

impl From<credentials::Credential> for CredentialView {
    fn from(row: credentials::Credential) -> Self {
        Self {
            id: row.id,
            service: row.service,
            label: row.label,
            kind: row.kind,
            hint: row.hint,
            created_at: row.created_at,
            rotated_at: row.rotated_at,
        }
    }
}

/// A new credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    service: String,
    #[serde(default)]
    label: String,
    value: Secret,
    /// Whether to ask the service first. Not offered by this version: true is refused.
    #[serde(default)]
    validate: bool,
}

/// A new value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    value: Secret,
}

/// The caller's credentials.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = caller.0.user;
    let rows = state.db.read(move |conn| credentials::list_for_user(conn, user)).await?;
    Ok(HttpResponse::Ok().json(List::whole(rows.into_iter().map(CredentialView::from).collect())))
}

/// Stores a credential.
pub async fn create(
    caller: Caller,
    state: Data<AppState>,
    body: Json<CreateCredential>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let CreateCredential { service, label, value, validate } = body.into_inner();
    let Some(user) = actor(&caller.0) else {
        return Err(ApiError::new(ErrorCode::Forbidden, "the operator has no account to store credentials for"));
    };
    let service = service_of(&state, &service)?;
    super::validate::label(&label)?;
    check(&value)?;
    if service.manifest.credential.kind == CredentialKind::None {
        return Err(ApiError::invalid(format!("`service`: {} needs no credential", service.manifest.name)));
    }
    if validate {
        return Err(ApiError::invalid("`validate`: credentials are not checked against the service by this version"));
    }
    let id = CredentialId::generate();
    let row = credentials::Credential {
        id,
        user_id: user,
        service: service.manifest.name.clone(),
        label,
        kind: service.manifest.credential.kind,
        hint: value.hint(),
        sealed: state.vault.seal(&credential_owner(user, id), &value)?,
        key_id: state.vault.key_id().to_owned(),
        created_at: Timestamp::now(),
        rotated_at: None,
        previous_sealed: None,
        previous_until: None,
    };
    let view = CredentialView::from(row.clone());
    state
        .db
        .write(move |conn| {
            credentials::insert(conn, &row)?;
            audit(conn, Some(user), "credential.create", format!("credential:{id}"), json!({ "service": row.service }))
        })
        .await?;
    Ok(HttpResponse::Created().json(view))
}

/// Puts a new value in place and restarts the instances that use it.
pub async fn rotate(
    caller: Caller,
    state: Data<AppState>,
    path: Path<CredentialId>,
    body: Json<Rotation>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (id, value) = (path.into_inner(), body.into_inner().value);
    check(&value)?;
    let owned = own(&caller, &state, id).await?;
    let now = Timestamp::now();
    let secret = credentials::NewSecret {
        sealed: state.vault.seal(&credential_owner(owned.user_id, id), &value)?,
        key_id: state.vault.key_id().to_owned(),
        hint: value.hint(),
        at: now,
        previous_until: now.after(GRACE),
    };
    let by = actor(&caller.0);
    let (row, users) = state
        .db
        .write(move |conn| {
            credentials::rotate(conn, id, &secret)?;
            audit(conn, by, "credential.rotate", format!("credential:{id}"), json!({}))?;
            let all = instances::list_for_user(conn, owned.user_id)?;
            let using = all
                .into_iter()
                .filter(|instance| instance.credential_id == Some(id) && instance.desired == Desired::Running);
            Ok((credentials::by_id(conn, id)?, using.map(|instance| instance.id).collect::<Vec<_>>()))
        })
        .await?;
    for instance in users {
        // One that has expired meanwhile takes the new value when it is renewed.
        if let Err(error) = state.supervisor.restart_instance(instance).await {
            log::info!("instance {instance} keeps the old credential until its next start: {error}");
        }
    }
    Ok(HttpResponse::Ok().json(CredentialView::from(row)))
}

/// Deletes a credential. Instances that use it run on until their next start, which then says what it lacks.
pub async fn delete(caller: Caller, state: Data<AppState>, path: Path<CredentialId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let id = path.into_inner();
    own(&caller, &state, id).await?;
    let by = actor(&caller.0);
    state
        .db
        .write(move |conn| {
            credentials::delete(conn, id)?;
            audit(conn, by, "credential.delete", format!("credential:{id}"), json!({}))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn own(caller: &Caller, state: &AppState, id: CredentialId) -> Result<credentials::Credential, ApiError> {
    let row = state.db.read(move |conn| credentials::by_id(conn, id)).await?;
    if row.user_id == caller.0.user {
        return Ok(row);
    }
    Err(ApiError::new(ErrorCode::NotFound, "there is no such thing, or it is not yours"))
}

fn check(value: &Secret) -> Result<(), ApiError> {
    let text = value.expose();
    if text.is_empty() || text.len() > MAX_VALUE || text.contains('\0') {
        return Err(ApiError::invalid("`value` must have 1 to 65536 bytes without NUL"));
    }
    Ok(())
}
