//! API tokens.

use std::collections::BTreeSet;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{List, actor, audit, to_the_end};
use crate::{
    auth::{
        Via,
        policy::Action,
        tokens::{self as secrets, TokenHash},
    },
    db::{Connection, DbError, QueryResult, instances, shares, tokens},
    domain::{
        ids::{InstanceId, TokenId, UserId},
        secret::Secret,
        time::Timestamp,
        tools::check_names,
    },
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// What is shown of a token: never the token.
#[derive(Serialize)]
pub struct TokenView {
    id: TokenId,
    name: String,
    hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Vec<InstanceId>>,
    tools: Option<BTreeSet<String>>,
    read_only: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_refusal: Option<RefusalView>,
}

/// Why the holder of a token was refused something.
#[derive(Serialize)]
struct RefusalView {
    at: Timestamp,
    reason: String,
}

impl From<tokens::Token> for TokenView {
    fn from(token: tokens::Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            hint: token.hint,
            instances: token.instances,
            tools: token.tools,
            read_only: token.read_only,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
            last_refusal: token.last_refusal.map(|refusal| RefusalView { at: refusal.at, reason: refusal.reason }),
        }
    }
}

/// A new token.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreateToken {
    name: String,
    #[schema(value_type = Option<Vec<uuid::Uuid>>)]
    instances: Option<Vec<InstanceId>>,
    #[schema(value_type = Option<Vec<String>>)]
    tools: Option<BTreeSet<String>>,
    read_only: bool,
    expires_in_days: Option<u32>,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameToken {
    name: String,
}

/// The caller's tokens.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = caller.0.user;
    // So that what was noted a moment ago is shown.
    state.authenticator.flush_last_use().await?;
    let tokens = state.db.read(move |conn| tokens::list_for_user(conn, user)).await?;
    Ok(HttpResponse::Ok().json(List::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// Makes a token. Its text is in this answer and nowhere else.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<CreateToken>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    if actor(&caller.0).is_none() {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "the operator has no account; use `berth token create --user EMAIL`",
        ));
    }
    let by = actor(&caller.0);
    let (token, secret) = mint(&state, caller.0.user, by, body.into_inner()).await?;
    let mut view = serde_json::to_value(TokenView::from(token)).unwrap_or_default();
    view["token"] = secret.expose().into();
    Ok(HttpResponse::Created().json(view))
}

/// Makes a token of `user`; its text is nowhere else.
pub(super) async fn mint(
    state: &AppState,
    user: UserId,
    by: Option<UserId>,
    wanted: CreateToken,
) -> Result<(tokens::Token, Secret), ApiError> {
    check(&wanted)?;
    let secret = secrets::mint().map_err(ApiError::random)?;
    let new = row(user, wanted, &secret);
    let made = state
        .db
        .write(move |conn| {
            if let Some(id) = out_of_reach(conn, &new)? {
                return Ok(Err(id));
            }
            let token = tokens::insert(conn, &new)?;
            let detail = json!({
                "instances": token.instances, "tools": token.tools, "read_only": token.read_only,
                "expires_at": token.expires_at,
            });
            audit(conn, by, "token.create", format!("token:{}", token.id), detail)?;
            Ok(Ok(token))
        })
        .await?;
    let token =
        made.map_err(|id| ApiError::invalid(format!("`instances`: there is no instance {id}, or it is not yours")))?;
    Ok((token, secret))
}

impl CreateToken {
    /// A token for these instances alone.
    pub(super) fn for_instances(name: String, instances: Vec<InstanceId>, expires_in_days: Option<u32>) -> Self {
        Self { name, instances: Some(instances), expires_in_days, ..Self::default() }
    }
}

fn check(wanted: &CreateToken) -> Result<(), ApiError> {
    check_name(&wanted.name)?;
    if wanted.expires_in_days == Some(0) {
        return Err(ApiError::invalid("`expires_in_days` is at least 1"));
    }
    let tools = wanted.tools.as_ref().map_or(Ok(()), check_names);
    tools.map_err(|reason| ApiError::invalid(format!("`tools`: {reason}")))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() > 200 { Err(ApiError::invalid("`name` has at most 200 bytes")) } else { Ok(()) }
}

fn row(user_id: UserId, wanted: CreateToken, secret: &Secret) -> tokens::NewToken {
    let now = Timestamp::now();
    let lifetime = |days: u32| std::time::Duration::from_secs(86_400 * u64::from(days));
    tokens::NewToken {
        id: TokenId::generate(),
        user_id,
        name: wanted.name,
        hash: TokenHash::of(secret.expose()).to_hex(),
        hint: secret.hint(),
        instances: wanted.instances,
        created_at: now,
        expires_at: wanted.expires_in_days.map(|days| now.after(lifetime(days))),
        tools: wanted.tools,
        read_only: wanted.read_only,
    }
}

/// The first instance of a token that is neither its owner's nor shared with them.
fn out_of_reach(conn: &mut Connection, new: &tokens::NewToken) -> QueryResult<Option<InstanceId>> {
    let Some(wanted) = &new.instances else { return Ok(None) };
    let own = instances::list_for_user(conn, new.user_id)?.into_iter().map(|instance| instance.id);
    let shared = shares::list_of_guest(conn, new.user_id, new.created_at)?.into_iter();
    let reached: BTreeSet<InstanceId> = own.chain(shared.map(|received| received.share.instance_id)).collect();
    Ok(wanted.iter().find(|id| !reached.contains(id)).copied())
}

/// Gives a token another name.
pub async fn rename(
    caller: Caller,
    state: Data<AppState>,
    path: Path<TokenId>,
    body: Json<RenameToken>,
) -> Result<HttpResponse, ApiError> {
    let id = path.into_inner();
    owned(&caller, &state, id).await?;
    let (RenameToken { name }, by) = (body.into_inner(), actor(&caller.0));
    check_name(&name)?;
    let renamed = state
        .db
        .write(move |conn| {
            tokens::rename(conn, id, &name)?;
            audit(conn, by, "token.rename", format!("token:{id}"), json!({ "name": name }))?;
            tokens::by_id(conn, id)
        })
        .await?;
    Ok(HttpResponse::Ok().json(TokenView::from(renamed)))
}

/// Revokes a token; the next request with it is refused, and what is under way with it ends.
pub async fn revoke(caller: Caller, state: Data<AppState>, path: Path<TokenId>) -> Result<HttpResponse, ApiError> {
    let (id, by) = (path.into_inner(), actor(&caller.0));
    owned(&caller, &state, id).await?;
    to_the_end(async move {
        state
            .db
            .write(move |conn| {
                tokens::revoke(conn, id, Timestamp::now())?;
                audit(conn, by, "token.revoke", format!("token:{id}"), json!({}))
            })
            .await?;
        state.authenticator.forget_proof(&Via::Token { id });
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Passes when the token is the caller's, or they administer.
async fn owned(caller: &Caller, state: &AppState, id: TokenId) -> Result<(), ApiError> {
    caller.may(Action::UseAccount)?;
    let missing = || ApiError::not_found("token");
    let owner = match state.db.read(move |conn| tokens::by_id(conn, id)).await {
        Err(DbError::NotFound) => return Err(missing()),
        found => found?.user_id,
    };
    if owner == caller.0.user || caller.may(Action::Administer).is_ok() { Ok(()) } else { Err(missing()) }
}
