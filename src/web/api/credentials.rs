//! Stored credentials: sealed on the way in, never shown again but for their last four characters.
//!
//! `trying` asks the service about one, `rotation` replaces one.
//!
//! Deletion is for good: the row is overwritten and the database's log emptied (see [`crate::db::Db::scrub`]), processes
//! that were given the value end, and what Berth itself had of it is overwritten when it is freed. What it cannot reach:
//! backups, which stay readable for whoever has them and the master key of their time; deleted rows of PostgreSQL until
//! its vacuum, and its own logs; what the service has sent on.

pub mod rotation;
pub mod trying;

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use self::trying::require_valid;
use super::{
    List, actor, audit,
    instances::{owner_of, service_of},
    to_the_end,
};
use crate::{
    auth::policy::Action,
    db::{
        Connection, OptionalExtension, QueryResult, credentials, instances,
        outside_grants::{self, OutsideGrant, Standing},
        users,
    },
    domain::{
        credential::Verdict,
        ids::{CredentialId, UserId},
        instance::{Desired, Instance, credential_owner},
        manifest::CredentialKind,
        names::{Email, ServiceName},
        secret::Secret,
        time::Timestamp,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

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
    previous: Option<PreviousView>,
    last_tested_at: Option<Timestamp>,
    last_result: Option<Verdict>,
    last_detail: Option<String>,
    grant: Option<GrantView>,
}

/// What is shown of the value before the last rotation.
#[derive(Serialize)]
struct PreviousView {
    hint: String,
    until: Timestamp,
}

impl From<credentials::Credential> for CredentialView {
    fn from(row: credentials::Credential) -> Self {
        let now = Timestamp::now();
        let previous = row.previous.filter(|previous| previous.until > now);
        let (last_tested_at, tried) = row.last_test.map(|test| (test.at, test.tried)).unzip();
        Self {
            id: row.id,
            service: row.service,
            label: row.label,
            kind: row.kind,
            hint: row.hint,
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            previous: previous.map(|previous| PreviousView { hint: previous.hint, until: previous.until }),
            last_tested_at,
            last_result: tried.as_ref().map(|tried| tried.verdict),
            last_detail: tried.map(|tried| tried.detail),
            grant: None,
        }
    }
}

/// What is shown of the grant behind a credential.
#[derive(Serialize)]
struct GrantView {
    /// `kept`: refreshed by itself; `unkept`: good until it runs out; `lapsed`: to be connected again.
    standing: &'static str,
    expires_at: Option<Timestamp>,
    lapsed_at: Option<Timestamp>,
    lapsed_why: Option<String>,
    scope: String,
    /// Where its owner consents again.
    connect: String,
}

impl CredentialView {
    fn with_grant(self, grant: Option<OutsideGrant>) -> Self {
        let Some(grant) = grant else { return self };
        let (standing, lapsed) = match grant.standing {
            Standing::Kept { .. } => ("kept", None),
            Standing::Unkept => ("unkept", None),
            Standing::Lapsed { at, why } => ("lapsed", Some((at, why))),
        };
        let (lapsed_at, lapsed_why) = lapsed.unzip();
        let connect = format!("/connect/{}?credential={}", self.service, self.id);
        let (expires_at, scope) = (grant.expires_at, grant.scope);
        Self { grant: Some(GrantView { standing, expires_at, lapsed_at, lapsed_why, scope, connect }), ..self }
    }
}

/// A new credential.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    service: String,
    #[serde(default)]
    label: String,
    #[schema(value_type = String, format = Password)]
    value: Secret,
    /// Whether to ask the service first. Default: where its manifest says how.
    validate: Option<bool>,
    /// For whom; administrators only, and the operator must say.
    #[schema(value_type = Option<String>, format = Email)]
    user: Option<Email>,
}

/// `?user=EMAIL`, for administrators.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    #[param(value_type = Option<String>, format = Email)]
    user: Option<Email>,
}

/// `?force=true`: also while instances use it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Deletion {
    #[serde(default)]
    force: bool,
}

/// The caller's credentials.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<Whose>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = match query.into_inner().user {
        None => caller.0.user,
        email => owner_of(&caller, &state, email).await?.id,
    };
    let both = move |conn: &mut Connection| {
        Ok((credentials::list_for_user(conn, user)?, outside_grants::list_for_user(conn, user)?))
    };
    let (rows, grants) = state.db.read(both).await?;
    let mut grants: HashMap<_, _> = grants.into_iter().map(|grant| (grant.credential, grant)).collect();
    let view = |row: credentials::Credential| {
        let grant = grants.remove(&row.id);
        CredentialView::from(row).with_grant(grant)
    };
    Ok(HttpResponse::Ok().json(List::whole(rows.into_iter().map(view).collect())))
}

/// Stores a credential, when its service takes it.
pub async fn create(
    caller: Caller,
    state: Data<AppState>,
    body: Json<CreateCredential>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let CreateCredential { service, label, value, validate, user } = body.into_inner();
    let owner = owner_of(&caller, &state, user).await?;
    let service = service_of(&state, &service, owner.id)?;
    let manifest = &service.manifest;
    super::validate::label(&label)?;
    if manifest.credential.kind == CredentialKind::None {
        return Err(ApiError::invalid(format!("`service`: {} needs no credential", manifest.name)));
    }
    let row = fresh(&state, &owner, manifest, &value, validate).await?;
    let row = credentials::Credential { label, ..row };
    let (by, view) = (actor(&caller.0), CredentialView::from(row.clone()));
    state
        .db
        .write(move |conn| {
            credentials::insert(conn, &row)?;
            note_created(conn, by, &row)
        })
        .await?;
    Ok(HttpResponse::Created().json(view))
}

/// A credential to be stored, without a label: its value checked, tried where that is wanted, and sealed.
pub(super) async fn fresh(
    state: &AppState,
    owner: &users::User,
    manifest: &crate::domain::manifest::Manifest,
    value: &Secret,
    validate: Option<bool>,
) -> Result<credentials::Credential, ApiError> {
    let kind = manifest.credential.kind;
    check(kind, value)?;
    let last_test = require_valid(state, manifest, value, validate).await?;
    let id = CredentialId::generate();
    Ok(credentials::Credential {
        id,
        user_id: owner.id,
        service: manifest.name.clone(),
        label: String::new(),
        kind,
        hint: value.hint(),
        sealed: state.vault.seal(&credential_owner(owner.id, id), value)?,
        key_id: state.vault.key_id().to_owned(),
        created_at: Timestamp::now(),
        rotated_at: None,
        previous: None,
        last_test,
    })
}

/// Writes into the audit log that a credential was stored.
pub(super) fn note_created(
    conn: &mut Connection,
    by: Option<UserId>,
    row: &credentials::Credential,
) -> QueryResult<()> {
    let detail = json!({ "service": row.service, "checked": row.last_test.is_some() });
    audit(conn, by, "credential.create", format!("credential:{}", row.id), detail)
}

/// Deletes a credential for good. While instances use it that is refused, unless they are to stop.
pub async fn delete(
    caller: Caller,
    state: Data<AppState>,
    path: Path<CredentialId>,
    query: Query<Deletion>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let row = own(&caller, &state, path.into_inner()).await?;
    let (id, by, force) = (row.id, actor(&caller.0), query.force);
    let grant = state.db.read(move |conn| outside_grants::of_credential(conn, id).optional()).await?;
    to_the_end(async move {
        let using = state.db.write(move |conn| erase(conn, id, by, force)).await?.map_err(|using| in_use(&using))?;
        for instance in using {
            // What is being deleted has nothing left to be stopped.
            if let Err(error) = state.supervisor.stop_instance(instance.id).await {
                log::info!("instance {} was not stopped: {error}", instance.id);
            }
            let _ = state.supervisor.reconfigure(instance.id).await;
        }
        scrub(&state).await;
        if let Some(grant) = grant {
            // It is gone here, whatever the service says to it.
            actix_web::rt::spawn(async move { state.outside.revoke(&row, &grant).await });
        }
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes the row; the instances that used it, or those that stand against it.
fn erase(
    conn: &mut Connection,
    id: CredentialId,
    by: Option<UserId>,
    force: bool,
) -> QueryResult<Result<Vec<Instance>, Vec<Instance>>> {
    let using = instances::using_credential(conn, id)?;
    if !force && !using.is_empty() {
        return Ok(Err(using));
    }
    for instance in &using {
        instances::set_desired(conn, instance.id, Desired::Stopped)?;
    }
    credentials::delete(conn, id)?;
    let ids: Vec<_> = using.iter().map(|instance| instance.id).collect();
    audit(conn, by, "credential.delete", format!("credential:{id}"), json!({ "stopped": ids }))?;
    Ok(Ok(using))
}

fn in_use(using: &[Instance]) -> ApiError {
    let names: Vec<String> =
        using.iter().map(|instance| format!("{} {} ({})", instance.service, instance.number, instance.id)).collect();
    let detail = format!(
        "it is in use by {}; give them another one or delete them, or stop them with `?force=true`",
        names.join(", ")
    );
    ApiError::new(ErrorCode::Conflict, detail)
}

fn gone(service: &ServiceName) -> ApiError {
    ApiError::new(ErrorCode::Conflict, format!("the service {service} is not in the catalog any more"))
}

/// Has what was deleted leave the database's files, too.
async fn scrub(state: &AppState) {
    if let Err(error) = state.db.scrub().await {
        log::warn!("deleted secrets stay in the database's log until it is next tidied up, sealed: {error}");
    }
}

/// The credential `id`, if it is the caller's. The operator may, too: who can read the database and the key file has
/// all of them anyway.
async fn own(caller: &Caller, state: &AppState, id: CredentialId) -> Result<credentials::Credential, ApiError> {
    let row = state.db.read(move |conn| credentials::by_id(conn, id).optional()).await?;
    let is_theirs = |row: &credentials::Credential| row.user_id == caller.0.user || actor(&caller.0).is_none();
    row.filter(is_theirs).ok_or_else(|| ApiError::not_found("credential"))
}

/// Checks what a credential may be.
fn check(kind: CredentialKind, value: &Secret) -> Result<(), ApiError> {
    let text = value.expose();
    if text.is_empty() || text.len() > MAX_VALUE || text.contains('\0') {
        return Err(ApiError::invalid("`value` must have 1 to 65536 bytes without NUL"));
    }
    if kind == CredentialKind::Basic && !text.contains(':') {
        return Err(ApiError::invalid("`value` must be a user name and a password with a colon between them"));
    }
    Ok(())
}
