//! Open listen streams of one session-era child: who wants to hear what, and what is followed for them.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::for_stateless::ForStateless;
use crate::mcp::{
    discovery::SUBSCRIPTION_ID,
    jsonrpc::Message,
    meta::{borrowed, with_protocol_keys},
    session::MAX_URI,
};

/// Messages that may wait for one listener before it counts as too slow.
const CAPACITY: usize = 32;
/// Resources that one listener may follow.
const MAX_RESOURCES: usize = 1000;

/// What a listener wants to hear (patterns/subscriptions, "Notification Filter").
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Filter {
    pub(super) tools_list_changed: bool,
    pub(super) prompts_list_changed: bool,
    pub(super) resources_list_changed: bool,
    pub(super) resource_subscriptions: Vec<String>,
}

impl Filter {
    /// Reads the member `notifications` of the request.
    pub(super) fn read(request: &Message) -> Result<Self, String> {
        let Some((_, raw)) = request.raw_param("notifications") else {
            return Err("`notifications` must say what to listen for".to_owned());
        };
        let mut filter: Self = serde_json::from_str(raw).map_err(|error| format!("`notifications`: {error}"))?;
        let mut seen = HashSet::new();
        filter.resource_subscriptions.retain(|uri| seen.insert(uri.clone()));
        if filter.resource_subscriptions.len() > MAX_RESOURCES {
            return Err(format!("at most {MAX_RESOURCES} resources can be followed by one request"));
        }
        if filter.resource_subscriptions.iter().any(|uri| uri.len() > MAX_URI) {
            return Err(format!("the URI of a followed resource has at most {MAX_URI} bytes"));
        }
        Ok(filter)
    }

    /// What of it a child with these capabilities can honour.
    pub(super) fn honoured(mut self, capabilities: &serde_json::Value) -> Self {
        let can = |pointer: &str| capabilities.pointer(pointer).and_then(serde_json::Value::as_bool) == Some(true);
        self.tools_list_changed &= can("/tools/listChanged");
        self.prompts_list_changed &= can("/prompts/listChanged");
        self.resources_list_changed &= can("/resources/listChanged");
        if !can("/resources/subscribe") {
            self.resource_subscriptions.clear();
        }
        self
    }

    /// As the acknowledgement shows it: what is not honoured is left out.
    pub(super) fn shown(&self) -> serde_json::Value {
        let mut shown = serde_json::Map::new();
        for (name, wanted) in [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ] {
            if wanted {
                shown.insert(name.to_owned(), true.into());
            }
        }
        if !self.resource_subscriptions.is_empty() {
            shown.insert("resourceSubscriptions".to_owned(), self.resource_subscriptions.clone().into());
        }
        serde_json::Value::Object(shown)
    }

    fn wants(&self, note: &Message) -> bool {
        match note.method() {
            "notifications/tools/list_changed" => self.tools_list_changed,
            "notifications/prompts/list_changed" => self.prompts_list_changed,
            "notifications/resources/list_changed" => self.resources_list_changed,
            "notifications/resources/updated" => {
                note.param("uri").is_some_and(|uri| self.resource_subscriptions.contains(&uri))
            }
            _ => false,
        }
    }
}

struct Listener {
    filter: Filter,
    /// The raw id of its request: every message on its stream carries it.
    id: String,
    sender: mpsc::Sender<Message>,
}

/// The listeners of one child.
#[derive(Default)]
pub(super) struct Listeners {
    open: Mutex<HashMap<u64, Listener>>,
    followed: Mutex<HashMap<String, usize>>,
    next: AtomicU64,
}

impl Listeners {
    /// Adds a listener; returns its number, its messages, and the resources that nobody followed yet.
    pub(super) fn add(&self, filter: Filter, id: String) -> (u64, mpsc::Receiver<Message>, Vec<String>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let number = self.next.fetch_add(1, Relaxed);
        let mut fresh = Vec::new();
        {
            let mut followed = self.followed.lock();
            for uri in &filter.resource_subscriptions {
                let count = followed.entry(uri.clone()).or_default();
                *count += 1;
                if *count == 1 {
                    fresh.push(uri.clone());
                }
            }
        }
        self.open.lock().insert(number, Listener { filter, id, sender });
        (number, receiver, fresh)
    }

    /// Removes a listener; returns the resources that nobody follows any more.
    pub(super) fn remove(&self, number: u64) -> Vec<String> {
        let filter = self.open.lock().remove(&number).map(|listener| listener.filter);
        filter.map(|filter| self.unfollow(&filter)).unwrap_or_default()
    }

    /// Whether a listener follows this resource.
    pub(super) fn follow(&self, uri: &str) -> bool {
        self.followed.lock().contains_key(uri)
    }

    fn unfollow(&self, filter: &Filter) -> Vec<String> {
        let mut followed = self.followed.lock();
        let mut left = Vec::new();
        for uri in &filter.resource_subscriptions {
            if let Some(count) = followed.get_mut(uri) {
                *count -= 1;
                if *count == 0 {
                    followed.remove(uri);
                    left.push(uri.clone());
                }
            }
        }
        left
    }

    /// Hands `note` to everybody who wants to hear it. A listener that is too slow loses its stream: it
    /// must not believe that nothing has changed.
    pub(super) fn announce(&self, note: &Message) {
        let mut open = self.open.lock();
        open.values_mut().filter(|listener| listener.filter.wants(note)).for_each(|listener| {
            if listener.sender.try_send(tagged(note, &listener.id)).is_err() {
                // Closing the channel ends the stream; its guard then removes the listener.
                listener.sender = mpsc::channel(1).0;
            }
        });
    }
}

/// `note` with the id of the subscription that it is delivered for.
pub(super) fn tagged(note: &Message, id: &str) -> Message {
    let keys = format!(r#""{SUBSCRIPTION_ID}":{id}"#);
    match with_protocol_keys(note, &keys, None) {
        Ok(edits) => note.spliced_anew(&borrowed(&edits)),
        Err(_) => note.clone(),
    }
}

/// Removes a listener when its stream is dropped.
pub(super) struct Listening {
    pub(super) bridge: Weak<ForStateless>,
    pub(super) number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.unlisten(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn only_what_was_asked_for_is_heard_and_it_is_tagged() {
        let listeners = Listeners::default();
        let filter =
            Filter { tools_list_changed: true, resource_subscriptions: vec!["a:1".into()], ..Filter::default() };
        let (number, mut heard, fresh) = listeners.add(filter.clone(), "\"l\"".to_owned());
        assert_eq!(fresh, ["a:1"]);
        assert!(listeners.add(filter, "2".to_owned()).2.is_empty());

        listeners.announce(&message(r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#));
        listeners
            .announce(&message(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"b"}}"#));
        assert!(heard.try_recv().is_err());
        listeners.announce(&message(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#));
        let got: serde_json::Value = serde_json::from_slice(heard.try_recv().unwrap().body()).unwrap();
        assert_eq!(got["params"]["_meta"][SUBSCRIPTION_ID], "l");

        assert!(listeners.remove(number).is_empty());
        assert_eq!(listeners.remove(number + 1), ["a:1"]);
    }

    #[test]
    fn a_slow_listener_loses_its_stream() {
        let listeners = Listeners::default();
        let (_, mut heard, _) = listeners.add(Filter { tools_list_changed: true, ..Filter::default() }, "1".to_owned());
        let note = message(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
        for _ in 0..=CAPACITY {
            listeners.announce(&note);
        }
        for _ in 0..CAPACITY {
            assert!(heard.try_recv().is_ok());
        }
        assert_eq!(heard.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }
}
