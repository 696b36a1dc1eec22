//! Where the caller is told things by HTTP.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{List, audit, notifications::account};
use crate::{
    db::{
        DbError, OptionalExtension, QueryError,
        webhooks::{self, Webhook},
    },
    domain::{
        ids::{NotificationId, WebhookId},
        secret::Secret,
        time::Timestamp,
    },
    notices::webhook::{self, Target},
    web::{
        error::{ApiError, ErrorCode},
        extract::Caller,
        state::AppState,
    },
};

/// Webhooks of one account.
const MOST: usize = 10;

/// What is shown of a webhook: never its whole URL, which may be as good as a password.
#[derive(Serialize)]
struct View {
    id: WebhookId,
    url: String,
    created_at: Timestamp,
    failing_since: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    last_status: Option<String>,
}

impl From<Webhook> for View {
    fn from(row: Webhook) -> Self {
        Self {
            id: row.id,
            url: row.origin,
            created_at: row.created_at,
            failing_since: row.failing_since,
            disabled_at: row.disabled_at,
            last_at: row.last_at,
            last_status: row.last_status,
        }
    }
}

/// A new webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    #[schema(value_type = String, format = Password)]
    url: Secret,
}

/// The caller's webhooks.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let rows = state.db.read(move |conn| webhooks::list_for_user(conn, user)).await?;
    Ok(HttpResponse::Ok().json(List::<View>::whole(rows.into_iter().map(View::from).collect())))
}

/// Makes a webhook. Its secret is in this answer and nowhere else.
pub async fn create(
    caller: Caller,
    state: Data<AppState>,
    body: Json<CreateWebhook>,
) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let url = webhook::check(body.url.expose(), &state.config.runtime.private_targets)
        .map_err(|error| ApiError::invalid(format!("`url`: {error}")))?;
    let id = WebhookId::generate();
    let target = Target::new(&url).map_err(ApiError::random)?;
    let row = Webhook {
        id,
        user_id: user,
        origin: url.origin().ascii_serialization(),
        sealed: target.seal(&state.vault, &webhooks::owner(user, id))?,
        created_at: Timestamp::now(),
        failing_since: None,
        disabled_at: None,
        last_at: None,
        last_status: None,
    };
    let new = row.clone();
    let made = state
        .db
        .write(move |conn| {
            // The audit row first: it puts such transactions in one order, so that the number holds.
            audit(conn, Some(user), "webhook.create", format!("webhook:{id}"), json!({ "url": new.origin }))?;
            if webhooks::list_for_user(conn, user)?.len() >= MOST {
                return Err(QueryError::RollbackTransaction);
            }
            webhooks::insert(conn, &new)
        })
        .await;
    made.map_err(|error| match error {
        DbError::Query(QueryError::RollbackTransaction) => {
            ApiError::new(ErrorCode::QuotaReached, format!("an account may have {MOST} webhooks; delete one"))
        }
        error => error.into(),
    })?;
    let mut view = serde_json::to_value(View::from(row)).unwrap_or_default();
    view["secret"] = target.secret().expose().into();
    Ok(HttpResponse::Created().json(view))
}

/// Deletes a webhook with what is on its way there.
pub async fn delete(caller: Caller, state: Data<AppState>, path: Path<WebhookId>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let id = own(&caller, &state, path.into_inner()).await?.id;
    state
        .db
        .write(move |conn| {
            webhooks::delete(conn, id)?;
            audit(conn, Some(user), "webhook.delete", format!("webhook:{id}"), json!({}))
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Posts a message for trial, once and now: `{delivered, status}`.
pub async fn test(caller: Caller, state: Data<AppState>, path: Path<WebhookId>) -> Result<HttpResponse, ApiError> {
    let row = own(&caller, &state, path.into_inner()).await?;
    let now = Timestamp::now();
    let body = json!({ "type": "notification.test", "timestamp": now, "data": { "title": "This is a test" } });
    let id = NotificationId::generate().to_string();
    let message = (id.as_str(), body.to_string().into());
    let outcome = webhook::post(&state.fetcher, &state.vault, &row, message, now).await;
    let delivered = outcome.is_ok();
    let status = outcome.map_or_else(|error| error.to_string(), |status| format!("answered {status}"));
    Ok(HttpResponse::Ok().json(json!({ "delivered": delivered, "status": status })))
}

async fn own(caller: &Caller, state: &AppState, id: WebhookId) -> Result<Webhook, ApiError> {
    let user = account(caller)?;
    let row = state.db.read(move |conn| webhooks::by_id(conn, id).optional()).await?;
    row.filter(|row| row.user_id == user).ok_or_else(|| ApiError::not_found("webhook"))
}
