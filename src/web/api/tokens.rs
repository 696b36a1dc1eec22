//! API tokens.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{List, actor, audit};
use crate::{
    auth::{
        policy::Action,
        tokens::{self as secrets, TokenHash},
    },
    db::{instances, tokens},
    domain::{
        ids::{InstanceId, TokenId},
        time::Timestamp,
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
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl From<tokens::Token> for TokenView {
    fn from(token: tokens::Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            hint: token.hint,
            instances: token.instances,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A new token.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateToken {
    name: String,
    instances: Option<Vec<InstanceId>>,
    expires_in_days: Option<u32>,
}

/// The caller's tokens.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let user = caller.0.user;
    let tokens = state.db.read(move |conn| tokens::list_for_user(conn, user)).await?;
    Ok(HttpResponse::Ok().json(List::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// Makes a token. Its text is in this answer and nowhere else.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<CreateToken>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let CreateToken { name, instances: wanted, expires_in_days } = body.into_inner();
    let user = caller.0.user;
    if actor(&caller.0).is_none() {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "the operator has no account; use `berth token create --user EMAIL`",
        ));
    }
    if name.len() > 200 || expires_in_days == Some(0) {
        return Err(ApiError::invalid("`name` has at most 200 bytes, `expires_in_days` is at least 1"));
    }
    let secret = secrets::mint().map_err(ApiError::random)?;
    let now = Timestamp::now();
    let lifetime = |days: u32| std::time::Duration::from_secs(86_400 * u64::from(days));
    let new = tokens::NewToken {
        id: TokenId::generate(),
        user_id: user,
        name,
        hash: TokenHash::of(secret.expose()).to_hex(),
        hint: secret.hint(),
        instances: wanted.clone(),
        created_at: now,
        expires_at: expires_in_days.map(|days| now.after(lifetime(days))),
    };
    let made = state
        .db
        .write(move |conn| {
            let own = instances::list_for_user(conn, user)?;
            let foreign = wanted.iter().flatten().find(|id| !own.iter().any(|instance| instance.id == **id)).copied();
            if let Some(id) = foreign {
                return Ok(Err(id));
            }
            let token = tokens::insert(conn, &new)?;
            audit(
                conn,
                Some(user),
                "token.create",
                format!("token:{}", token.id),
                json!({ "instances": token.instances, "expires_at": token.expires_at }),
            )?;
            Ok(Ok(token))
        })
        .await?;
    let token =
        made.map_err(|id| ApiError::invalid(format!("`instances`: there is no instance {id}, or it is not yours")))?;
    let mut view = serde_json::to_value(TokenView::from(token)).unwrap_or_default();
    view["token"] = secret.expose().into();
    Ok(HttpResponse::Created().json(view))
}

/// Revokes a token; the next request with it is refused.
pub async fn revoke(caller: Caller, state: Data<AppState>, path: Path<TokenId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let (id, by) = (path.into_inner(), actor(&caller.0));
    let owner = state.db.read(move |conn| tokens::by_id(conn, id)).await?.user_id;
    if owner != caller.0.user && caller.may(Action::Administer).is_err() {
        return Err(ApiError::new(ErrorCode::NotFound, "there is no such token, or it is not yours"));
    }
    state
        .db
        .write(move |conn| {
            tokens::revoke(conn, id, Timestamp::now())?;
            audit(conn, by, "token.revoke", format!("token:{id}"), json!({}))
        })
        .await?;
    state.authenticator.forget_token(id);
    Ok(HttpResponse::NoContent().finish())
}
