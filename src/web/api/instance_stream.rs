//! The states of one's instances as they change, as server-sent events.
//!
//! `ready` comes first: `{id: status}` of all that there are, so that who has a list knows whether it still holds.
//! Then `instance`, what `GET /api/v1/mcps/{id}` shows, for each that is new or has changed, and `gone`, `{id}`.
//! A name or a configuration that is changed without a start is told with the next change of state.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Query},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;

use super::instance_view::InstanceView;
use crate::{
    auth::{
        Principal,
        policy::{Action, allows},
    },
    db::{OptionalExtension, instances},
    domain::{
        ids::InstanceId,
        instance::Status,
        lifecycle::{Health, State},
        time::Timestamp,
    },
    mcp::{front::Standing, sse},
    routing::Route,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// Between two looks at what is published.
const LOOK: Duration = Duration::from_millis(250);
/// Looks without news after which a stream shows that it lives: 15 s.
const QUIET: u32 = 60;

/// `?all=true`, for administrators.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    #[serde(default)]
    all: bool,
}

/// The stream.
pub async fn follow(caller: Caller, state: Data<AppState>, query: Query<Which>) -> Result<HttpResponse, ApiError> {
    if query.all {
        caller.may(Action::Administer)?;
    }
    let standing = Standing { proof: Some(Arc::clone(&caller.0.ended)), share: None, until: caller.0.expires_at };
    let caller = Arc::clone(&caller.0);
    let mut follower = Follower { state, caller, everybody: query.all, shown: HashMap::new() };
    let first = follower.ready();
    let news = stream::unfold(follower, Follower::next);
    let events = stream::once(std::future::ready(Ok(first))).chain(news);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(standing.bound(events.boxed_local())))
}

/// What of a status is worth an event: not that it was checked again.
#[derive(Clone, PartialEq)]
struct Shown {
    state: State,
    health: Health,
    pid: Option<u32>,
    progress: Option<String>,
    restarts: u32,
    started_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    debug_until: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl From<Status> for Shown {
    fn from(status: Status) -> Self {
        Self {
            state: status.state,
            health: status.health,
            pid: status.pid,
            progress: status.progress,
            restarts: status.restarts,
            started_at: status.started_at,
            expires_at: status.expires_at,
            debug_until: status.debug_until,
            failed_at: status.last_error.map(|card| card.at),
        }
    }
}

struct Follower {
    state: Data<AppState>,
    caller: Arc<Principal>,
    everybody: bool,
    shown: HashMap<InstanceId, Shown>,
}

impl Follower {
    fn routes(&self) -> impl Iterator<Item = Arc<Route>> {
        let is_theirs = |route: &Arc<Route>| {
            (self.everybody || route.owner == self.caller.user)
                && allows(&self.caller, Action::View { id: route.id, owner: route.owner })
        };
        self.state.routes.all().into_iter().filter(is_theirs)
    }

    fn ready(&mut self) -> Bytes {
        let now: HashMap<_, _> = self.routes().map(|route| (route.id, Shown::from(route.status()))).collect();
        let states: BTreeMap<String, State> = now.iter().map(|(id, shown)| (id.to_string(), shown.state)).collect();
        self.shown = now;
        event("ready", &states)
    }

    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        for _ in 0..QUIET {
            tokio::time::sleep(LOOK).await;
            if self.state.draining.load(Ordering::Acquire) {
                return None;
            }
            let (changed, gone) = self.look();
            let mut events: Vec<u8> = Vec::new();
            for id in changed {
                events.extend(self.view(id).await.iter().flat_map(|view| event("instance", view)));
            }
            for id in gone {
                events.extend(event("gone", &json!({ "id": id })));
            }
            if !events.is_empty() {
                return Some((Ok(events.into()), self));
            }
        }
        Some((Ok(sse::KEEP_ALIVE), self))
    }

    /// What has changed since the last look, and what is not there any more.
    fn look(&mut self) -> (Vec<InstanceId>, Vec<InstanceId>) {
        let now: HashMap<_, _> = self.routes().map(|route| (route.id, Shown::from(route.status()))).collect();
        let changed = now.iter().filter(|(id, shown)| self.shown.get(id) != Some(shown)).map(|(id, _)| *id).collect();
        let gone = self.shown.keys().filter(|id| !now.contains_key(id)).copied().collect();
        self.shown = now;
        (changed, gone)
    }

    async fn view(&self, id: InstanceId) -> Option<InstanceView> {
        let row = self.state.db.read(move |conn| instances::by_id(conn, id).optional()).await.ok().flatten()?;
        Some(InstanceView::of(row, &self.state))
    }
}

fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}
