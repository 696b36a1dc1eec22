//! OAuth clients that somebody with an account has made. Administrators make any; users make machines that act
//! for themselves and have no way to ask anybody else.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{List, actor, audit};
use crate::{
    auth::{
        Via,
        oauth_clients::{
            GrantType,
            metadata::{self, MetadataError, Method},
            records,
        },
        policy::Action,
    },
    db::{
        oauth_clients::{self, ClientRecord, FIXED},
        users,
    },
    domain::{ids::UserId, secret::Secret, time::Timestamp},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        oauth_clients::end,
        state::AppState,
    },
};

/// Machines that one user may have, unless they are an administrator.
const MAX_OWN: usize = 20;
/// Registered clients that are listed.
const MAX_LISTED: u32 = 1000;

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// `?registered=true`: those that have registered themselves.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    #[serde(default)]
    registered: bool,
}

/// A new client.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateClient {
    name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    grant_types: Option<Vec<GrantType>>,
    #[serde(default)]
    authentication: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    homepage: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    owner: Option<UserId>,
}

/// What may change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeClient {
    name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    homepage: Option<String>,
    /// The old secret is worth nothing at once.
    #[serde(default)]
    new_secret: bool,
}

/// What is shown of a client: never its secret.
fn view(record: &ClientRecord) -> Map<String, Value> {
    let members = json!({
        "id": record.id,
        "name": record.name,
        "origin": record.origin,
        "redirect_uris": record.redirect_uris,
        "grant_types": record.grant_types,
        "authentication": record.authentication,
        "jwks": record.jwks,
        "jwks_uri": record.jwks_uri,
        "homepage": record.homepage,
        "owner": record.owner,
        "created_at": record.created_at,
        "last_used_at": record.last_used_at,
    });
    members.as_object().cloned().unwrap_or_default()
}

fn with_secret(record: &ClientRecord, secret: Option<&Secret>) -> Value {
    let mut members = view(record);
    if let Some(secret) = secret {
        members.insert("client_secret".to_owned(), secret.expose().into());
    }
    Value::Object(members)
}

/// A user's own; all for an administrator.
pub async fn list(caller: Caller, state: Data<AppState>, filter: Query<Filter>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let all = caller.may(Action::Administer);
    let (user, registered) = (caller.0.user, filter.registered);
    if registered {
        all.as_ref().map_err(|_| ApiError::new(ErrorCode::Forbidden, "only administrators may see these"))?;
    }
    let owner = all.is_err().then_some(user);
    let found = state.db.read(move |conn| match registered {
        true => oauth_clients::list_registered(conn, MAX_LISTED),
        false => oauth_clients::list_fixed(conn, owner),
    });
    Ok(HttpResponse::Ok().json(List::whole(found.await?.iter().map(view).collect())))
}

/// One client.
pub async fn show(caller: Caller, state: Data<AppState>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let record = visible(&caller, &state, id.into_inner()).await?;
    Ok(HttpResponse::Ok().json(view(&record)))
}

/// The client, if the caller may manage it.
async fn visible(caller: &Caller, state: &AppState, id: String) -> Result<ClientRecord, ApiError> {
    caller.may(Action::UseAccount)?;
    let record = state.db.read(move |conn| oauth_clients::by_id(conn, &id)).await?;
    let own = record.origin == FIXED && record.owner == Some(caller.0.user);
    if own || caller.may(Action::Administer).is_ok() {
        return Ok(record);
    }
    Err(ApiError::new(ErrorCode::NotFound, "there is no such client, or it is not yours"))
}

/// Makes a client. Its secret is in this answer and nowhere else.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<CreateClient>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let is_admin = caller.may(Action::Administer).is_ok();
    let body = own_machine(&caller, is_admin, body.into_inner())?;
    let (mut record, by) = (records::blank(FIXED, Timestamp::now()), actor(&caller.0));
    let secret = fill(&mut record, body)?;
    let kept = record.clone();
    let made = state.db.write(move |conn| {
        if let Some(owner) = kept.owner {
            users::by_id(conn, owner)?;
            if !is_admin && oauth_clients::list_fixed(conn, Some(owner))?.len() >= MAX_OWN {
                return Ok(false);
            }
        }
        oauth_clients::insert(conn, &kept)?;
        let detail = json!({ "client_name": kept.name, "owner": kept.owner, "grant_types": kept.grant_types });
        audit(conn, by, "oauth.client_register", format!("client:{}", kept.id), detail)?;
        Ok(true)
    });
    if !made.await? {
        let text = format!("an account may have {MAX_OWN} clients of its own; delete one");
        return Err(ApiError::new(ErrorCode::QuotaReached, text));
    }
    Ok(HttpResponse::Created().json(with_secret(&record, secret.as_ref())))
}

/// What users who are not administrators may make: a machine of their own. Anything else would look to others
/// as if an administrator had looked at it.
fn own_machine(caller: &Caller, is_admin: bool, mut body: CreateClient) -> Result<CreateClient, ApiError> {
    if is_admin {
        return Ok(body);
    }
    let machine = body.grant_types.get_or_insert_with(|| vec![GrantType::ClientCredentials]);
    let owner = *body.owner.get_or_insert(caller.0.user);
    if machine.as_slice() != [GrantType::ClientCredentials] || !body.redirect_uris.is_empty() || owner != caller.0.user
    {
        let text = "only administrators may make clients for others; yours have the grant type client_credentials, no \
                    redirect URIs, and you as their owner";
        return Err(ApiError::new(ErrorCode::Forbidden, text));
    }
    Ok(body)
}

/// Checks what was asked for by the rules of registration, and writes it down.
fn fill(record: &mut ClientRecord, body: CreateClient) -> Result<Option<Secret>, ApiError> {
    let grants = body.grant_types.unwrap_or_else(|| vec![GrantType::AuthorizationCode]);
    let machine = grants.contains(&GrantType::ClientCredentials);
    let method = body.authentication.unwrap_or_else(|| Method::Basic.as_str().to_owned());
    if machine && (body.owner.is_none() || method == Method::None.as_str()) {
        let text = "a client with client_credentials needs an `owner` for whom it acts, and a secret or keys";
        return Err(ApiError::invalid(text));
    }
    let mut document = json!({
        "client_name": body.name,
        "redirect_uris": body.redirect_uris,
        "token_endpoint_auth_method": method,
        "jwks": body.jwks,
        "jwks_uri": body.jwks_uri,
        "client_uri": body.homepage,
    });
    let asked = grants.contains(&GrantType::AuthorizationCode);
    // Rules of registration ask for a way by which users are asked; a machine has none, and passes as a device.
    let stand_in = if asked { GrantType::AuthorizationCode } else { GrantType::DeviceCode };
    document["grant_types"] = json!([stand_in]);
    let metadata = metadata::read(document.as_object().unwrap_or(&Map::new()))?;
    let secret = records::apply(record, metadata).map_err(ApiError::random)?;
    record.grant_types = kinds(&grants);
    record.owner = body.owner;
    Ok(secret)
}

/// Names of grant types; who asks users may refresh.
fn kinds(grants: &[GrantType]) -> Vec<String> {
    let users = [GrantType::AuthorizationCode, GrantType::DeviceCode].iter().any(|grant| grants.contains(grant));
    let mut names: Vec<String> = grants.iter().copied().map(records::name_of).collect();
    if users {
        names.push(records::name_of(GrantType::RefreshToken));
    }
    names.sort();
    names.dedup();
    names
}

/// Changes a client.
pub async fn change(
    caller: Caller,
    state: Data<AppState>,
    id: Path<String>,
    body: Json<ChangeClient>,
) -> Result<HttpResponse, ApiError> {
    let mut record = visible(&caller, &state, id.into_inner()).await?;
    let (body, by) = (body.into_inner(), actor(&caller.0));
    if let Some(name) = &body.name {
        record.name = metadata::check_name(name)?;
    }
    if let Some(uris) = body.redirect_uris {
        if !record.grant_types.iter().any(|name| name == "authorization_code") && !uris.is_empty() {
            return Err(ApiError::invalid("`redirect_uris`: this client has no grant type that uses them"));
        }
        record.redirect_uris = metadata::check_redirects(uris)?;
    }
    if let Some(homepage) = &body.homepage {
        record.homepage = Some(metadata::check_homepage(homepage)?.into());
    }
    let secret = match (body.new_secret, record.secret_hash.is_some()) {
        (false, _) => None,
        (true, true) => Some(records::renew_secret(&mut record).map_err(ApiError::random)?),
        (true, false) => return Err(ApiError::invalid("`new_secret`: this client has no secret")),
    };
    let kept = record.clone();
    let fresh = secret.is_some();
    let written = state.db.write(move |conn| {
        oauth_clients::update(conn, &kept)?;
        let detail = json!({ "client_name": kept.name, "redirect_uris": kept.redirect_uris, "new_secret": fresh });
        audit(conn, by, "oauth.client_change", format!("client:{}", kept.id), detail)
    });
    written.await?;
    Ok(HttpResponse::Ok().json(with_secret(&record, secret.as_ref())))
}

/// Deletes a client; everything that users have allowed it ends.
pub async fn remove(caller: Caller, state: Data<AppState>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let record = visible(&caller, &state, id.into_inner()).await?;
    let by = actor(&caller.0);
    let removed = state.db.write(move |conn| {
        let grants = end(conn, &record.id)?;
        let detail = json!({ "client_name": record.name, "grants": grants.len() });
        audit(conn, by, "oauth.client_delete", format!("client:{}", record.id), detail)?;
        Ok(grants)
    });
    for grant in removed.await? {
        state.authenticator.forget_proof(&Via::Grant { id: grant });
    }
    Ok(HttpResponse::NoContent().finish())
}
