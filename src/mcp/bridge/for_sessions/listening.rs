//! What a stateless child announces, for all clients with sessions at once: one listen stream, opened
//! anew when they follow something else, and when the child has ended it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream::LocalBoxStream};
use tokio::sync::Notify;

use super::ForSessions;
use crate::mcp::{
    discovery::our_keys,
    error::UpstreamError,
    jsonrpc::Message,
    meta::RequestMeta,
    mirrored::Mirrored,
    upstream::{Event, Reply, StatelessCall},
};

/// Before a stream that has ended is opened anew; doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Clients that begin, or follow things, do so several times in a row.
const GATHER: Duration = Duration::from_millis(20);

type Stream = LocalBoxStream<'static, Event>;

/// An open stream, and what it was opened for.
type Current = Option<(serde_json::Value, Stream)>;

/// Listens until the bridge is gone.
pub(super) async fn run(bridge: Weak<ForSessions>, changed: Arc<Notify>) {
    let (mut current, mut pause): (Current, _) = (None, FIRST_PAUSE);
    loop {
        let Some((wanted, opening)) = bridge.upgrade().map(|bridge| (bridge.wanted(), bridge.open())) else { return };
        let Some(wanted) = wanted else {
            current = None;
            changed.notified().await;
            continue;
        };
        if current.as_ref().is_none_or(|(heard, _)| *heard != wanted) {
            // The stream before is read until this one is open: nothing is missed between the two.
            let opened = tokio::select! {
                opened = opening(wanted.clone()) => opened,
                () = drain(&bridge, &mut current) => continue,
            };
            current = opened
                .inspect_err(|error| log::debug!("the child cannot be listened to: {error}"))
                .ok()
                .map(|it| (wanted, it));
        }
        let heard = current.is_some();
        tokio::select! {
            () = read(&bridge, &mut current) => {
                // Ended, or never opened.
                tokio::time::sleep(pause).await;
                pause = if heard { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            }
            () = changed.notified() => tokio::time::sleep(GATHER).await,
        }
    }
}

/// Reads the stream for as long as it lasts, and never ends.
async fn drain(bridge: &Weak<ForSessions>, current: &mut Current) {
    read(bridge, current).await;
    std::future::pending::<()>().await;
}

/// Reads the stream to its end, if there is one.
async fn read(bridge: &Weak<ForSessions>, current: &mut Current) {
    if let Some((_, stream)) = current {
        announce(bridge, stream).await;
    }
    *current = None;
}

/// Hands on what the stream says, to its end.
async fn announce(bridge: &Weak<ForSessions>, stream: &mut Stream) {
    while let Some(event) = stream.next().await {
        let (Event::Note(note), Some(bridge)) = (event, bridge.upgrade()) else { return };
        if note.method() != "notifications/subscriptions/acknowledged" {
            bridge.announced(&note);
        }
    }
}

impl ForSessions {
    /// What the sessions want to hear; `None` when nobody wants anything that the child can say.
    fn wanted(&self) -> Option<serde_json::Value> {
        let can =
            |pointer: &str| self.discovered.pointer(pointer).and_then(serde_json::Value::as_bool).unwrap_or_default();
        let sessions = self.sessions.all();
        if sessions.is_empty() {
            return None;
        }
        let mut uris: Vec<String> = sessions.iter().flat_map(|session| session.subscriptions()).collect();
        uris.sort_unstable();
        uris.dedup();
        let mut wanted = serde_json::Map::new();
        for list in ["tools", "prompts", "resources"] {
            if can(&format!("/capabilities/{list}/listChanged")) {
                wanted.insert(format!("{list}ListChanged"), true.into());
            }
        }
        if !uris.is_empty() {
            wanted.insert("resourceSubscriptions".to_owned(), uris.into());
        }
        (!wanted.is_empty()).then_some(serde_json::Value::Object(wanted))
    }

    /// How a stream is opened; holds the child but not the bridge.
    fn open(&self) -> impl FnOnce(serde_json::Value) -> futures_util::future::LocalBoxFuture<'static, Opened> + use<> {
        let (peer, caller) = (Arc::clone(&self.peer), self.owner);
        move |wanted| {
            Box::pin(async move {
                let params = format!(r#"{{"notifications":{wanted},"_meta":{{{}}}}}"#, our_keys());
                let request = Message::own("subscriptions/listen", &params);
                let meta = RequestMeta::read(&request)
                    .map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
                match peer.call(StatelessCall { request, meta, caller, mirrored: Mirrored::default() }).await? {
                    Reply::Events(events) => Ok(events),
                    Reply::Answer(answer) => Err(UpstreamError::Refused {
                        detail: String::from_utf8_lossy(answer.body()).chars().take(300).collect(),
                    }),
                }
            })
        }
    }
}

type Opened = Result<Stream, UpstreamError>;
