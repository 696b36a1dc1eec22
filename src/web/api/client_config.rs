//! What an MCP client has to be told to use one's instances: the very file that it reads, links that it opens, a line
//! for its command line.
//!
//! A token is shown once, when it is made; so a document holds one only when it was asked to have one made for it, for
//! its instances alone. Else it holds the client's own form for a value that comes from elsewhere, or nothing, where
//! the client signs in by itself: Berth is an OAuth resource server, and says so to whoever comes without a token.

mod formats;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

pub use self::formats::Client;
use self::formats::{Entry, Export, Proof};
use super::{
    actor,
    instance_view::address_of,
    instances::find,
    tokens::{self, CreateToken},
};
use crate::{
    auth::policy::{Action, allows},
    db::{instances, tokens::Token},
    domain::{ids::InstanceId, ids::TokenId, ids::UserId, instance::Instance, time::Timestamp},
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// How the client proves who it is, where no token is made for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// By a token that it takes from its environment or asks its user for, where it knows a form for that; else by
    /// signing in.
    #[default]
    Placeholder,
    /// By signing in.
    Oauth,
}

/// `?client=…&auth=oauth&details=true`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfigQuery {
    /// claude-desktop, claude-code, cursor, vscode or generic, which it is when absent.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    client: Client,
    /// placeholder (when absent) or oauth.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    auth: Auth,
    /// The document with links, lines and remarks around it, in place of the document alone.
    #[serde(default)]
    details: bool,
}

/// The same, and whether a token is to be made for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigBody {
    /// claude-desktop, claude-code, cursor, vscode or generic, which it is when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client: Client,
    #[serde(default)]
    auth: Auth,
    #[serde(default)]
    details: bool,
    /// Whether a token for these instances is made, which the document then holds.
    #[serde(default)]
    token: bool,
    /// Days for which it is good; for ever when absent.
    #[serde(default)]
    expires_days: Option<u32>,
}

/// The document and what goes with it.
#[derive(Serialize)]
struct Details {
    client: Client,
    #[serde(flatten)]
    export: Export,
    /// The token that was made; its text is in the document.
    token: Option<MadeToken>,
}

#[derive(Serialize)]
struct MadeToken {
    id: TokenId,
    hint: String,
    expires_at: Option<Timestamp>,
}

/// For one instance.
pub async fn of_one(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    query: Query<ConfigQuery>,
) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), false).await?;
    Ok(HttpResponse::Ok().json(answer(&state, &[instance], &query.into_inner(), None)))
}

/// For all of one's instances.
pub async fn of_all(
    caller: Caller,
    state: Data<AppState>,
    query: Query<ConfigQuery>,
) -> Result<HttpResponse, ApiError> {
    let own = own(&caller, &state).await?;
    Ok(HttpResponse::Ok().json(answer(&state, &own, &query.into_inner(), None)))
}

/// For one instance, with a token of its own.
pub async fn mint_of_one(
    caller: Caller,
    state: Data<AppState>,
    path: Path<InstanceId>,
    body: Json<ConfigBody>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let instance = find(&caller.0, &state, path.into_inner(), false).await?;
    // The operator gives it to its owner.
    let user = if actor(&caller.0).is_none() { instance.user_id } else { caller.0.user };
    made(&caller, &state, user, &[instance], &body).await
}

/// For all of one's instances, with a token for them.
pub async fn mint_of_all(
    caller: Caller,
    state: Data<AppState>,
    body: Json<ConfigBody>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::UseAccount)?;
    let own = own(&caller, &state).await?;
    made(&caller, &state, caller.0.user, &own, &body).await
}

async fn own(caller: &Caller, state: &AppState) -> Result<Vec<Instance>, ApiError> {
    if actor(&caller.0).is_none() {
        return Err(ApiError::no_account());
    }
    let user = caller.0.user;
    let mut own = state.db.read(move |conn| instances::list_for_user(conn, user)).await?;
    own.retain(|instance| allows(&caller.0, Action::View { id: instance.id, owner: instance.user_id }));
    Ok(own)
}

async fn made(
    caller: &Caller,
    state: &AppState,
    user: UserId,
    instances: &[Instance],
    body: &ConfigBody,
) -> Result<HttpResponse, ApiError> {
    let query = ConfigQuery { client: body.client, auth: body.auth, details: body.details };
    if !body.token {
        return Ok(HttpResponse::Ok().json(answer(state, instances, &query, None)));
    }
    if instances.is_empty() {
        return Err(ApiError::invalid("`token`: there is no instance that it could be for"));
    }
    let ids = instances.iter().map(|instance| instance.id).collect();
    let wanted = CreateToken::for_instances(body.client.title().to_owned(), ids, body.expires_days);
    let (token, secret) = tokens::mint(state, user, actor(&caller.0), wanted).await?;
    Ok(HttpResponse::Created().json(answer(state, instances, &query, Some((token, secret.expose())))))
}

/// The document alone, or with all that goes with it.
fn answer(state: &AppState, instances: &[Instance], query: &ConfigQuery, token: Option<(Token, &str)>) -> Value {
    let entries: Vec<Entry> = instances
        .iter()
        .map(|instance| Entry {
            name: format!("{}-{}", instance.service, instance.number),
            url: address_of(instance, state),
        })
        .collect();
    let proof = match (&token, query.auth) {
        (Some((_, text)), _) => Proof::Token(text),
        (None, Auth::Placeholder) => Proof::Placeholder,
        (None, Auth::Oauth) => Proof::SignIn,
    };
    let export = Export::new(query.client, &entries, proof);
    if !query.details {
        return export.document;
    }
    let token = token.map(|(token, _)| MadeToken { id: token.id, hint: token.hint, expires_at: token.expires_at });
    serde_json::to_value(Details { client: query.client, export, token }).unwrap_or_default()
}
