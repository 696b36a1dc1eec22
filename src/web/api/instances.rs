//! Instances: create, list, show, delete, and what their owners do with them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    List, actor, audit,
    credentials::{fresh, note_created},
    entitled::{allowed_service, may_start},
    instance_view::InstanceView,
    services::may_use,
    validate,
};
use crate::{
    auth::{Principal, policy::Action, tokens::random_slug},
    catalog::Service,
    db::{
        Connection, OptionalExtension, QueryResult, creations, credentials, entitlements,
        instances::{self, CreateLimits, CreateRefusal, NewInstance},
        users,
    },
    domain::{
        ids::{CredentialId, InstanceId, UserId},
        instance::{Desired, Instance, Mode, env_owner},
        limits::Limits,
        manifest::CredentialKind,
        names::{Email, ServiceName},
        quota::Quota,
        secret::Secret,
        time::Timestamp,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// A new instance.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInstance {
    service: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    #[schema(inline)]
    credential: Option<CredentialChoice>,
    #[serde(default)]
    expires_in_minutes: Option<u64>,
    #[serde(default)]
    idle_seconds: Option<u32>,
    /// Lower ones than the service's; administrators also higher ones.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    limits: Limits,
    /// For whom; administrators only, and the operator must say.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Email)]
    user: Option<Email>,
}

impl CreateInstance {
    /// An instance of `service` for whom the caller may make one, with what belongs to it.
    pub(super) fn of(
        service: &ServiceName,
        user: Option<Email>,
        (config, env): (BTreeMap<String, String>, BTreeMap<String, String>),
        credential: Option<Secret>,
    ) -> Self {
        Self {
            service: service.to_string(),
            label: String::new(),
            mode: None,
            config,
            env,
            credential: credential.map(|value| CredentialChoice::Value { value, validate: None }),
            expires_in_minutes: None,
            idle_seconds: None,
            limits: Limits::default(),
            user,
        }
    }
}

/// A stored credential, or a new one.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CredentialChoice {
    /// Stored before.
    Id {
        /// Which.
        #[schema(value_type = uuid::Uuid)]
        id: CredentialId,
    },
    /// Stored now.
    Value {
        /// The secret.
        #[schema(value_type = String, format = Password)]
        value: Secret,
        /// Whether to ask the service first. Default: where its manifest says how.
        validate: Option<bool>,
    },
}

/// `?all=true` or `?user=EMAIL`, for administrators.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    #[serde(default)]
    all: bool,
    #[serde(default)]
    #[param(value_type = Option<String>, format = Email)]
    user: Option<Email>,
}

/// The caller's instances; for the operator, all.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<ListQuery>) -> Result<HttpResponse, ApiError> {
    let ListQuery { all, user: wanted } = query.into_inner();
    if all || wanted.is_some() {
        caller.may(Action::Administer)?;
    }
    let (user, everybody) = (caller.0.user, all || actor(&caller.0).is_none());
    let rows = state
        .db
        .read(move |conn| match wanted {
            Some(email) => match users::by_email(conn, &email).optional()? {
                Some(user) => instances::list_for_user(conn, user.id),
                None => Ok(Vec::new()),
            },
            None if everybody => instances::list_all(conn),
            None => instances::list_for_user(conn, user),
        })
        .await?;
    let visible = rows
        .into_iter()
        .filter(|row| crate::auth::policy::allows(&caller.0, Action::View { id: row.id, owner: row.user_id }));
    let items = visible.map(|row| InstanceView::of(row, &state)).collect();
    Ok(HttpResponse::Ok().json(List::whole(items)))
}

/// One instance.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), false).await?;
    Ok(HttpResponse::Ok().json(InstanceView::of(instance, &state)))
}

/// The instance, if the caller may see (or manage) it.
pub(super) async fn find(
    caller: &Arc<Principal>,
    state: &AppState,
    id: InstanceId,
    manage: bool,
) -> Result<Instance, ApiError> {
    let found = state.db.read(move |conn| instances::by_id(conn, id)).await;
    let instance = match found {
        Err(crate::db::DbError::NotFound) => return Err(ApiError::no_such_instance()),
        found => found?,
    };
    let owner = instance.user_id;
    let caller = Caller(Arc::clone(caller));
    if caller.may(Action::View { id, owner }).is_err() {
        return Err(ApiError::no_such_instance());
    }
    if manage {
        caller.may(Action::Manage { id, owner })?;
    }
    Ok(instance)
}

/// Makes an instance and starts it.
pub async fn create(
    caller: Caller,
    state: Data<AppState>,
    body: Json<CreateInstance>,
) -> Result<HttpResponse, ApiError> {
    let instance = make(&caller, &state, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(InstanceView::of(instance, &state)))
}

/// Makes an instance and starts it.
pub(super) async fn make(caller: &Caller, state: &AppState, body: CreateInstance) -> Result<Instance, ApiError> {
    caller.may(Action::UseAccount)?;
    let owner = owner_of(caller, state, body.user).await?;
    let service = service_of(state, &body.service, owner.id)?;
    allowed_service(state, owner.id, &service.manifest.name).await?;
    let now = Timestamp::now();
    let in_force = state.config.runtime.limits(Limits::default(), service.manifest.limits);
    validate::limits(body.limits, in_force, caller.may(Action::Administer).is_ok())?;
    let parts = Parts {
        mode: validate::mode(&service.manifest, body.mode)?,
        credential: credential(state, &owner, &service, body.credential).await?,
        expires_at: expiry(body.expires_in_minutes, now)?,
        label: body.label,
        config: body.config,
        env: body.env,
        limits: body.limits,
        idle_seconds: body.idle_seconds,
    };
    may_start(state, owner.id, &service, (parts.mode, parts.limits), None).await?;
    let instance = record(state, caller, &owner, &service, parts).await?;
    take_on(state, &instance).await?;
    Ok(instance)
}

/// Hands a recorded instance to the supervisor. When that fails it is forgotten again, so that the
/// caller may simply try again.
pub(super) async fn take_on(state: &AppState, instance: &Instance) -> Result<(), ApiError> {
    let Err(refused) = state.supervisor.add(instance.clone()).await else { return Ok(()) };
    let id = instance.id;
    let forget = move |conn: &mut Connection| {
        creations::forget(conn, id)?;
        instances::delete(conn, id)
    };
    if let Err(error) = state.db.write(forget).await {
        log::warn!("instance {id} was recorded but not started; the next start of Berth brings it up: {error}");
    }
    Err(refused.into())
}

/// What an owner decides of an instance.
pub(super) struct Parts {
    pub(super) label: String,
    pub(super) mode: Mode,
    pub(super) config: BTreeMap<String, String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) credential: Option<Choice>,
    pub(super) limits: Limits,
    pub(super) idle_seconds: Option<u32>,
    pub(super) expires_at: Option<Timestamp>,
}

/// For whom something is made: the caller, or whom an administrator names.
pub(super) async fn owner_of(caller: &Caller, state: &AppState, user: Option<Email>) -> Result<users::User, ApiError> {
    let id = caller.0.user;
    match (user, actor(&caller.0)) {
        (None, None) => Err(ApiError::invalid("`user`: say for whom")),
        (None, Some(_)) => Ok(state.db.read(move |conn| users::by_id(conn, id)).await?),
        (Some(email), _) => {
            caller.may(Action::Administer)?;
            let found = state.db.read(move |conn| users::by_email(conn, &email)).await;
            found.map_err(|error| match error {
                crate::db::DbError::NotFound => ApiError::invalid("`user`: there is no such account"),
                other => other.into(),
            })
        }
    }
}

/// The service with this name, if `user` may use it.
pub(in crate::web) fn service_of(state: &AppState, name: &str, user: UserId) -> Result<Arc<Service>, ApiError> {
    let found = name.parse::<ServiceName>().ok().and_then(|name| state.catalog.get(&name));
    found.filter(|service| may_use(service, user)).ok_or_else(|| {
        ApiError::new(
            ErrorCode::UnknownService,
            format!("there is no service {name:?}; GET /api/v1/services lists them"),
        )
    })
}

/// Validates, seals, and writes credential and instance in one transaction with the quota.
pub(super) async fn record(
    state: &AppState,
    caller: &Caller,
    owner: &users::User,
    service: &Service,
    parts: Parts,
) -> Result<Instance, ApiError> {
    let manifest = &service.manifest;
    validate::environment(&parts.env)?;
    validate::environment_in(parts.mode, &parts.env)?;
    validate::config(manifest, &parts.config)?;
    validate::label(&parts.label)?;
    let id = InstanceId::generate();
    let env_sealed = if parts.env.is_empty() { None } else { Some(seal_env(state, owner.id, id, &parts.env)?) };
    let prefix: String = manifest.name.as_str().chars().take(3).collect();
    let slug = format!("{prefix}_{}_{}", owner.email.short(), random_slug().map_err(ApiError::random)?);
    let credential = parts.credential;
    let new = NewInstance {
        id,
        user_id: owner.id,
        service: manifest.name.clone(),
        slug,
        label: parts.label,
        mode: parts.mode,
        desired: Desired::Running,
        config: parts.config,
        env_sealed,
        credential_id: credential.as_ref().map(Choice::id),
        limits: parts.limits,
        idle_seconds: parts.idle_seconds,
        created_at: Timestamp::now(),
        expires_at: parts.expires_at,
    };
    let installation = state.config.auth.quota();
    let by = actor(&caller.0);
    let created = state.db.write(move |conn| write_all(conn, &new, credential.as_ref(), installation, by)).await?;
    created.map_err(|refusal| refused(&refusal))
}

fn write_all(
    conn: &mut Connection,
    new: &NewInstance,
    credential: Option<&Choice>,
    installation: Quota,
    by: Option<UserId>,
) -> QueryResult<Result<Instance, CreateRefusal>> {
    let Some(grants) = entitlements::of_user(conn, new.user_id).optional()? else {
        return Ok(Err(CreateRefusal::OwnerMissing));
    };
    let allowed = grants.entitlement(installation);
    let limits = CreateLimits { instances: allowed.instances, per_hour: allowed.creations_per_hour };
    match credential {
        Some(Choice::New(row)) => credentials::insert(conn, row)?,
        Some(Choice::Stored(id)) => {
            let row = credentials::by_id(conn, *id).optional()?;
            if row.is_none_or(|row| row.user_id != new.user_id || row.service != new.service) {
                return Ok(Err(CreateRefusal::CredentialMissing));
            }
        }
        None => {}
    }
    let created = instances::create(conn, new, limits)?;
    match (&created, credential) {
        (Ok(instance), _) => {
            if let Some(Choice::New(row)) = credential {
                note_created(conn, by, row)?;
            }
            let detail = json!({ "service": instance.service, "number": instance.number, "owner": new.user_id, "credential": instance.credential_id });
            audit(conn, by, "instance.create", format!("instance:{}", instance.id), detail)?;
        }
        // The credential that came with it does not stay without it.
        (Err(_), Some(Choice::New(row))) => credentials::delete(conn, row.id)?,
        (Err(_), _) => {}
    }
    Ok(created)
}

/// Which credential an instance gets.
pub(super) enum Choice {
    Stored(CredentialId),
    New(Box<credentials::Credential>),
}

impl Choice {
    fn id(&self) -> CredentialId {
        match self {
            Self::Stored(id) => *id,
            Self::New(row) => row.id,
        }
    }
}

async fn credential(
    state: &AppState,
    owner: &users::User,
    service: &Service,
    choice: Option<CredentialChoice>,
) -> Result<Option<Choice>, ApiError> {
    let (name, spec) = (&service.manifest.name, &service.manifest.credential);
    match (choice, spec.kind) {
        (None, CredentialKind::None) => Ok(None),
        (None, _) => Err(ApiError::invalid(format!(
            "`credential`: {name} needs one: {}",
            spec.help.as_deref().unwrap_or("{value} or {id}")
        ))),
        (Some(_), CredentialKind::None) => Err(ApiError::invalid(format!("`credential`: {name} needs none"))),
        (Some(CredentialChoice::Id { id }), _) => Ok(Some(Choice::Stored(id))),
        (Some(CredentialChoice::Value { value, validate }), _) => {
            let row = fresh(state, owner, &service.manifest, &value, validate).await?;
            Ok(Some(Choice::New(Box::new(row))))
        }
    }
}

/// Seals an owner's environment for one instance.
pub(super) fn seal_env(
    state: &AppState,
    owner: UserId,
    id: InstanceId,
    env: &BTreeMap<String, String>,
) -> Result<String, ApiError> {
    let text = serde_json::to_string(env).map_err(ApiError::internal)?;
    Ok(state.vault.seal(&env_owner(owner, id), &Secret::new(text))?)
}

/// The credential `id`, if it is this owner's and for this service.
pub(super) async fn own_credential(
    state: &AppState,
    owner: UserId,
    service: &ServiceName,
    id: CredentialId,
) -> Result<(), ApiError> {
    let row = state.db.read(move |conn| credentials::by_id(conn, id).optional()).await?;
    match row {
        Some(row) if row.user_id == owner && row.service == *service => Ok(()),
        _ => Err(refused(&CreateRefusal::CredentialMissing)),
    }
}

/// When an instance expires that is to live for `minutes`.
pub(super) fn expiry(minutes: Option<u64>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let Some(minutes) = minutes else { return Ok(None) };
    let lifetime = Duration::from_secs(minutes.saturating_mul(60));
    if lifetime.is_zero() || lifetime > super::operations::MAX_EXPIRY {
        return Err(ApiError::invalid(
            "`expires_in_minutes` must be at least 1 and at most a hundred years; leave it out for never",
        ));
    }
    Ok(Some(now.after(lifetime)))
}

fn refused(refusal: &CreateRefusal) -> ApiError {
    match refusal {
        CreateRefusal::QuotaReached { limit } => ApiError::new(
            ErrorCode::QuotaReached,
            format!("this account may have {limit} instances and has them; delete one or ask an administrator"),
        ),
        CreateRefusal::TooManyCreations { limit, until } => {
            let detail =
                format!("this account may make {limit} instances an hour and has; wait or ask an administrator");
            let now = Timestamp::now();
            ApiError::quota_until(detail, until.unwrap_or(now).until(now))
        }
        CreateRefusal::SlugTaken => ApiError::new(ErrorCode::Conflict, "try again"),
        CreateRefusal::OwnerMissing => ApiError::new(ErrorCode::NotFound, "the account is gone"),
        CreateRefusal::CredentialMissing => {
            ApiError::invalid("`credential`: there is no such credential for this service, or it is not yours")
        }
    }
}

/// Stops it and deletes everything that it has.
pub async fn delete(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    state.supervisor.delete(instance.id).await?;
    let by = actor(&caller.0);
    state
        .db
        .write(move |conn| {
            audit(
                conn,
                by,
                "instance.delete",
                format!("instance:{}", instance.id),
                json!({ "service": instance.service }),
            )
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
