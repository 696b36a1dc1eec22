//! The protocol: what each method answers, the same over both transports.
//!
//! [`Server`] owns all state of the process. Locks are held for single map operations only.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::{
    listing,
    options::{Early, Options, Transport},
    sink::{Message, Sink},
    tools,
    wire::{self, CallParams, Envelope, INVALID_PARAMS, METHOD_NOT_FOUND, Meta},
};

/// The revisions that this server speaks, newest last.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is in `out`.
    Answered,
    /// The sink gets the answer, perhaps never.
    Later,
    /// A notification or an answer: there is nothing to say.
    Silent,
    /// Not JSON-RPC. Over stdio it is dropped.
    Malformed,
}

/// The state of one process.
#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) options: Options,
    /// What `set` stored.
    pub(crate) memory: Mutex<BTreeMap<String, String>>,
    /// The request ids of `notifications/cancelled`, as JSON text.
    pub(crate) cancelled: Mutex<Vec<String>>,
    /// Resources subscribed to, in order of arrival.
    pub(crate) subscribed: Mutex<Vec<String>>,
    /// The level of the last `logging/setLevel`.
    pub(crate) level: Mutex<String>,
    /// GET streams of the HTTP transport.
    pub(crate) streams: Mutex<Vec<mpsc::Sender<Message>>>,
    /// Answers that `ask` waits for, by our own request id.
    pub(crate) asked: Mutex<BTreeMap<u64, std_mpsc::Sender<String>>>,
    /// Calls of `never`, kept so that their HTTP answers stay open.
    pub(crate) parked: Mutex<Vec<Sink>>,
    /// What `alloc` holds.
    pub(crate) ballast: Mutex<Vec<Vec<u8>>>,
    /// Files and sockets that `attack` keeps open.
    pub(crate) held: Mutex<Vec<Box<dyn Any + Send>>>,
    calls: AtomicU64,
    /// Whether `initialize` has come.
    begun: AtomicBool,
}

/// Locks, whatever another thread did while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server with nothing stored.
    pub(crate) fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Handles one message. An immediate answer goes to `out`, without a line end.
    pub(crate) fn handle(self: &Arc<Self>, line: &[u8], sink: &Sink, out: &mut Vec<u8>) -> Outcome {
        let Ok(message) = serde_json::from_slice::<Envelope<'_>>(line) else {
            return Outcome::Malformed;
        };
        match message.id {
            Some(id) if !message.method.is_empty() => self.request(id.get(), &message, sink, out),
            Some(id) => self.answered(id, &message),
            None => self.notified(&message),
        }
    }

    fn request(self: &Arc<Self>, id: &str, message: &Envelope<'_>, sink: &Sink, out: &mut Vec<u8>) -> Outcome {
        let begun = self.begun.fetch_or(message.method == "initialize", Ordering::Relaxed);
        if !begun && message.method != "initialize" {
            match self.options.early {
                Early::Answered => {}
                Early::Ignored => return Outcome::Silent,
                Early::Exits => {
                    eprintln!("{} before initialize", message.method);
                    std::process::exit(71);
                }
            }
        }
        if message.method == "tools/call" {
            return self.call(id, message.params, sink, out);
        }
        if message.method == "initialize" && self.options.mute {
            lock(&self.parked).push(sink.clone());
            return Outcome::Later;
        }
        match self.answer_to(&message.method, message.params) {
            Ok(result) => wire::result(out, id, &result),
            Err((code, text)) => wire::error(out, id, code, &text),
        }
        Outcome::Answered
    }

    /// Every method but `tools/call`.
    fn answer_to(&self, method: &str, params: Option<&RawValue>) -> Result<String, (i32, String)> {
        match method {
            "initialize" => self.initialize(params),
            "ping" => Ok("{}".to_owned()),
            "logging/setLevel" => {
                *lock(&self.level) = field(params, "level")?;
                Ok("{}".to_owned())
            }
            "resources/subscribe" => {
                lock(&self.subscribed).push(field(params, "uri")?);
                Ok("{}".to_owned())
            }
            "resources/unsubscribe" => {
                let uri = field(params, "uri")?;
                lock(&self.subscribed).retain(|known| *known != uri);
                Ok("{}".to_owned())
            }
            _ => listing::answer(method, params),
        }
    }

    fn initialize(&self, params: Option<&RawValue>) -> Result<String, (i32, String)> {
        if self.options.refuse.is_some() && self.options.refuse == client_name(params) {
            return Err((INVALID_PARAMS, "clients of this name are not served".to_owned()));
        }
        let asked = field(params, "protocolVersion").unwrap_or_default();
        let known = VERSIONS.iter().copied().find(|known| *known == asked).unwrap_or(VERSIONS[3]);
        let version = self.options.only.as_deref().unwrap_or(known);
        let name = self.options.name.as_deref().unwrap_or("fake-mcp");
        let capabilities = r#"{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"prompts":{"listChanged":true},"logging":{},"completions":{}}"#;
        Ok(format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{{"name":{},"version":"1.0.0"}},"instructions":"Misbehaves on request."}}"#,
            wire::json(name)
        ))
    }

    fn call(self: &Arc<Self>, id: &str, params: Option<&RawValue>, sink: &Sink, out: &mut Vec<u8>) -> Outcome {
        if self.options.crash_after.is_some_and(|limit| self.calls.fetch_add(1, Ordering::Relaxed) >= limit) {
            eprintln!("crashing after the agreed number of calls");
            std::process::exit(70);
        }
        let Ok(call) = wire::parse::<CallParams<'_>>(params) else {
            wire::error(out, id, INVALID_PARAMS, "params must be {name, arguments}");
            return Outcome::Answered;
        };
        let arguments = call.arguments.map_or("{}", RawValue::get);
        match tools::quick(self, &call.name, arguments, id, out) {
            Some(Ok(())) => return Outcome::Answered,
            Some(Err(message)) => {
                wire::error(out, id, INVALID_PARAMS, &message);
                return Outcome::Answered;
            }
            None => {}
        }
        let token = call.meta.as_ref().and_then(|meta: &Meta<'_>| meta.progress_token);
        tools::start_slow(self, &call.name, arguments, id, token.map(RawValue::get), sink);
        Outcome::Later
    }

    /// The client answered a request of ours.
    fn answered(&self, id: &RawValue, message: &Envelope<'_>) -> Outcome {
        let waiting = id.get().parse().ok().and_then(|id: u64| lock(&self.asked).remove(&id));
        if let (Some(waiting), Some(answer)) = (waiting, message.result.or(message.error)) {
            let _ = waiting.send(answer.get().to_owned());
        }
        Outcome::Silent
    }

    fn notified(&self, message: &Envelope<'_>) -> Outcome {
        #[derive(Deserialize)]
        struct Cancelled<'a> {
            #[serde(borrow, rename = "requestId")]
            request_id: &'a RawValue,
        }
        if message.method == "notifications/cancelled"
            && let Ok(params) = wire::parse::<Cancelled<'_>>(message.params)
        {
            lock(&self.cancelled).push(params.request_id.get().to_owned());
        }
        Outcome::Silent
    }

    /// Sends a notification that belongs to no request.
    pub(crate) fn announce(&self, message: Vec<u8>) {
        match self.options.transport {
            Transport::Stdio => Sink::Stdout.note(message),
            Transport::Http => {
                lock(&self.streams).retain(|stream| stream.try_send(Message::Note(message.clone())).is_ok());
            }
        }
    }
}

/// Who says hello.
fn client_name(params: Option<&RawValue>) -> Option<String> {
    let hello: serde_json::Value = wire::parse(params).ok()?;
    Some(hello["clientInfo"]["name"].as_str()?.to_owned())
}

/// One string of an object of parameters.
pub(crate) fn field(params: Option<&RawValue>, name: &str) -> Result<String, (i32, String)> {
    let object: BTreeMap<String, serde_json::Value> = wire::parse(params).unwrap_or_default();
    match object.get(name) {
        Some(serde_json::Value::String(text)) => Ok(text.clone()),
        _ => Err((INVALID_PARAMS, format!("{name} must be a string"))),
    }
}

/// The answer to a method that does not exist.
pub(crate) fn unknown_method(method: &str) -> (i32, String) {
    (METHOD_NOT_FOUND, format!("no method {method}"))
}
