//! What the caller was told, as a list and as a stream; and the ways in which they are told.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Json, Query},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::{IntoParams, ToSchema};

use super::{actor, audit};
use crate::{
    auth::policy::Action,
    db::{
        Connection, Db, OptionalExtension, QueryResult,
        notifications::{self, Notification, Which},
        users,
    },
    domain::{
        ids::{NotificationId, UserId},
        notice::{Channels, NoticeKind},
        time::Timestamp,
    },
    mcp::{front::Standing, sse},
    notices::Signal,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// Of a list, and of what a stream sends first.
const MOST: u32 = 1000;
/// Silence after which a stream shows that it lives, and looks whether its account does.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What is shown of a notification.
#[derive(Serialize)]
struct View {
    id: NotificationId,
    at: Timestamp,
    kind: NoticeKind,
    title: String,
    detail: Value,
    read_at: Option<Timestamp>,
}

impl From<Notification> for View {
    fn from(told: Notification) -> Self {
        let Notification { id, at, kind, title, detail, read_at, .. } = told;
        Self { id, at, kind, title, detail, read_at }
    }
}

/// `?unread=&limit=&before=`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    unread: Option<bool>,
    limit: Option<u32>,
    #[serde(alias = "cursor")]
    #[param(value_type = Option<i64>)]
    before: Option<NotificationId>,
}

/// Which were read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    #[serde(default)]
    #[schema(value_type = Option<Vec<i64>>)]
    ids: Option<Vec<NotificationId>>,
    #[serde(default)]
    all: bool,
    read: bool,
}

/// Ways of one kind that are to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeChannels {
    app: Option<bool>,
    mail: Option<bool>,
    webhook: Option<bool>,
}

/// The caller's account; the operator has none.
pub(super) fn account(caller: &Caller) -> Result<UserId, ApiError> {
    caller.may(Action::UseAccount)?;
    actor(&caller.0).ok_or_else(ApiError::no_account)
}

/// The caller's notifications, newest first, and how many are unread.
pub async fn list(caller: Caller, state: Data<AppState>, query: Query<ListQuery>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let ListQuery { unread, limit, before } = query.into_inner();
    let limit = limit.unwrap_or(100).clamp(1, MOST);
    let (rows, count) = state
        .db
        .read(move |conn| {
            let rows = notifications::list(conn, user, Which { unread, before }, limit)?;
            Ok((rows, notifications::unread(conn, user)?))
        })
        .await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id)).flatten();
    let items: Vec<View> = rows.into_iter().map(View::from).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": next, "unread": count })))
}

/// Marks notifications as read, or as unread.
pub async fn mark(caller: Caller, state: Data<AppState>, body: Json<Mark>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let Mark { ids, all, read } = body.into_inner();
    if all == ids.is_some() || ids.as_ref().is_some_and(|ids| ids.len() > MOST as usize) {
        return Err(ApiError::invalid("`ids`: name at most 1000, or say `all`: true"));
    }
    let read_at = read.then(Timestamp::now);
    let (changed, unread) = state
        .db
        .write(move |conn| {
            let changed = notifications::mark(conn, user, ids.as_deref(), read_at)?;
            Ok((changed, notifications::unread(conn, user)?))
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "changed": changed, "unread": unread })))
}

/// The ways in which the caller is told, by kind.
pub async fn settings(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let kinds = state.db.read(move |conn| all_channels(conn, user)).await?;
    Ok(HttpResponse::Ok().json(json!({ "kinds": kinds, "mail": state.mailer.is_on() })))
}

/// Changes the ways of the kinds that are named.
pub async fn change_settings(
    caller: Caller,
    state: Data<AppState>,
    body: Json<BTreeMap<NoticeKind, ChangeChannels>>,
) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    let changes = body.into_inner();
    let kinds = state
        .db
        .write(move |conn| {
            for (kind, ChangeChannels { app, mail, webhook }) in &changes {
                let now = notifications::channels(conn, user, *kind)?;
                let wanted = Channels {
                    app: app.unwrap_or(now.app),
                    mail: mail.unwrap_or(now.mail),
                    webhook: webhook.unwrap_or(now.webhook),
                };
                notifications::set_channels(conn, user, *kind, wanted)?;
            }
            let kinds: Vec<&NoticeKind> = changes.keys().collect();
            audit(conn, Some(user), "user.notification_settings", format!("user:{user}"), json!({ "kinds": kinds }))?;
            all_channels(conn, user)
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "kinds": kinds, "mail": state.mailer.is_on() })))
}

fn all_channels(conn: &mut Connection, user: UserId) -> QueryResult<BTreeMap<NoticeKind, Channels>> {
    NoticeKind::ALL.into_iter().map(|kind| Ok((kind, notifications::channels(conn, user, kind)?))).collect()
}

/// Notifications as they come, as server-sent events; after `Last-Event-ID`, first those that came since.
pub async fn follow(request: HttpRequest, caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let user = account(&caller)?;
    // Before the look into the database: what comes in between comes twice rather than never.
    let signals = state.notices.listen();
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<NotificationId>().ok());
    let missed = match last {
        Some(last) => state.db.read(move |conn| notifications::after(conn, user, last, MOST)).await?,
        None => Vec::new(),
    };
    let mut first = vec![sse::KEEP_ALIVE];
    first.extend(missed.into_iter().map(event));
    let follower = Follower { user, db: state.db.clone(), signals, first: first.into_iter() };
    let standing = Standing { proof: Some(Arc::clone(&caller.0.ended)), share: None, until: caller.0.expires_at };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(standing.bound(stream::unfold(follower, Follower::next).boxed_local())))
}

fn event(told: Notification) -> Bytes {
    let id = told.id;
    let view = serde_json::to_string(&View::from(told)).unwrap_or_default();
    format!("id: {id}\nevent: notification\ndata: {view}\n\n").into()
}

struct Follower {
    user: UserId,
    db: Db,
    signals: Receiver<Signal>,
    first: std::vec::IntoIter<Bytes>,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(first) = self.first.next() {
            return Some((Ok(first), self));
        }
        let silent = tokio::time::Instant::now() + KEEP_ALIVE;
        loop {
            match tokio::time::timeout_at(silent, self.signals.recv()).await {
                Ok(Ok(Signal::Told(told))) if told.user_id == self.user => {
                    return Some((Ok(event(Notification::clone(&told))), self));
                }
                Ok(Ok(Signal::Told(_))) => {}
                // Behind: who comes back with the last id is sent what is missing.
                Ok(Ok(Signal::End) | Err(RecvError::Closed | RecvError::Lagged(_))) => return None,
                Err(_) => {
                    let user = self.user;
                    let known = self.db.read(move |conn| users::by_id(conn, user).optional()).await.ok().flatten();
                    known.filter(|user| user.disabled_at.is_none())?;
                    return Some((Ok(sse::KEEP_ALIVE), self));
                }
            }
        }
    }
}
