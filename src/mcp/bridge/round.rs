//! One round of a call that a stateless client makes of a session-era child: from its request to an
//! answer, which may be that the child wants to know something first.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    for_stateless::ForStateless,
    held::Kind,
    parked::{Parked, Source},
    results,
    state::binding,
};
use crate::{
    domain::ids::UserId,
    mcp::{
        ask::{Ask, Outcome, SETTLE},
        capabilities::{ClientCapabilities, LogLevel},
        discovery::level_of,
        error::{Code, error_object},
        jsonrpc::Message,
        upstream::{Event, StatelessCall},
    },
};

/// Questions of one round; a child cannot make us hold more.
const MAX_ASKS: usize = 32;

/// The request that a round answers.
pub(super) struct Turn {
    request: Message,
    caller: UserId,
    capabilities: ClientCapabilities,
    level: Option<LogLevel>,
    /// The client's progress token, raw.
    token: Option<Bytes>,
    /// Input that came with the request, by key, raw.
    given: HashMap<String, Bytes>,
    /// The token on the child's side is that of an earlier request.
    resumed: bool,
}

impl Turn {
    pub(super) fn new(call: StatelessCall, given: HashMap<String, Bytes>, resumed: bool) -> Self {
        let StatelessCall { request, meta, caller, .. } = call;
        let token = meta.progress_token.map(|range| request.body().slice(range));
        Self { caller, capabilities: meta.capabilities, level: meta.log_level, token, given, resumed, request }
    }

    /// Only these may be answered with a question (patterns/mrtr, "Supported Requests").
    fn may_ask(&self) -> bool {
        matches!(self.request.method(), "tools/call" | "prompts/get" | "resources/read")
    }
}

/// A round under way.
pub(super) struct Round {
    bridge: Arc<ForStateless>,
    source: Source,
    turn: Turn,
    asks: Vec<(String, Ask)>,
    /// What was refused to the child because the client did not declare it.
    refused: Vec<&'static str>,
    /// When what the child has asked is put to the client.
    settled: Option<Instant>,
    /// Whether anything has been asked of the client.
    offered: bool,
}

impl Round {
    /// The first round of a call.
    pub(super) const fn first(bridge: Arc<ForStateless>, source: Source, turn: Turn) -> Self {
        Self { bridge, source, turn, asks: Vec::new(), refused: Vec::new(), settled: None, offered: false }
    }

    /// A later round: what the client has given goes to the child; what it has not is asked again.
    pub(super) fn resumed(bridge: Arc<ForStateless>, parked: Parked, mut turn: Turn) -> Self {
        let mut asks = Vec::new();
        for (key, ask) in parked.asks {
            match turn.given.remove(&key) {
                Some(response) => ask.answer(Outcome::Result(response)),
                None => asks.push((key, ask)),
            }
        }
        turn.given.clear();
        let settled = (!asks.is_empty()).then(|| Instant::now() + SETTLE);
        Self {
            bridge,
            source: Source::Moved(parked.events),
            turn,
            asks,
            refused: parked.refused,
            settled,
            offered: true,
        }
    }

    /// What comes next, and the rest of the round if there is one.
    pub(super) async fn next(mut self) -> (Event, Option<Self>) {
        loop {
            let event = match self.settled {
                None => self.source.next().await,
                Some(settled) => match tokio::time::timeout_at(settled, self.source.next()).await {
                    Ok(event) => event,
                    Err(_) => return (Event::Answer(self.park()), None),
                },
            };
            match event {
                Some(Event::Note(note)) => {
                    if let Some(note) = self.note(note) {
                        return (Event::Note(note), Some(self));
                    }
                }
                Some(Event::Ask(ask)) => self.asked(ask),
                Some(Event::Answer(answer)) => return (Event::Answer(self.finish(&answer)), None),
                None => return (Event::Answer(self.failure("the server ended before it answered")), None),
            }
        }
    }

    fn failure(&self, text: &str) -> Message {
        Message::failure(self.turn.request.id(), Code::Internal, text)
    }

    /// The note, if it belongs on this request's stream: its progress, and log lines that it wants.
    fn note(&self, note: Message) -> Option<Message> {
        match note.method() {
            "notifications/progress" => {
                let token = self.turn.token.as_ref()?;
                if !self.turn.resumed {
                    return Some(note);
                }
                let (range, _) = note.raw_param("progressToken")?;
                Some(note.spliced(&[(range, token.as_ref())]))
            }
            "notifications/message" => self.turn.level.is_some_and(|least| level_of(&note) >= least).then_some(note),
            _ => {
                self.bridge.announced(&note);
                None
            }
        }
    }

    fn asked(&mut self, ask: Ask) {
        let request = ask.request();
        let (method, params) = (request.method(), request.params());
        if !self.turn.may_ask() || !self.turn.capabilities.allows(method, params) {
            let required = ClientCapabilities::required_for(method, params);
            if !self.refused.contains(&required) {
                self.refused.push(required);
            }
            let text = format!("the client did not declare what {method} needs");
            ask.answer(Outcome::refusal(Code::MethodNotFound, &text));
            return;
        }
        if self.asks.len() >= MAX_ASKS {
            let text = format!("at most {MAX_ASKS} requests can be put to a client at once");
            ask.answer(Outcome::refusal(Code::Internal, &text));
            return;
        }
        self.offered = true;
        let mut key = key_of(request.id());
        while self.asks.iter().any(|(other, _)| *other == key) {
            key.push('\'');
        }
        match self.turn.given.remove(&key) {
            Some(response) => ask.answer(Outcome::Result(response)),
            None => {
                // From the first on: a child that never stops asking must not keep its client waiting.
                self.settled.get_or_insert_with(|| Instant::now() + SETTLE);
                self.asks.push((key, ask));
            }
        }
    }

    /// Leaves the call waiting, and says what for.
    fn park(self) -> Message {
        let Some(counted) = self.bridge.held.take(Kind::Parked) else {
            return self.failure("too many calls wait for input on this instance; answer those first");
        };
        let bound = binding(self.turn.caller, &self.turn.request);
        let Ok((id, state)) = self.bridge.sealer.mint(&bound) else {
            return self.failure("no randomness for the state of this call");
        };
        let requests: Vec<String> = self.asks.iter().map(|(key, ask)| input_request(key, ask)).collect();
        let result = format!(
            r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":"{state}"}}"#,
            requests.join(",")
        );
        let answer = Message::success(self.turn.request.id(), &result);
        let parked = Parked { events: self.source.moved(), asks: self.asks, refused: self.refused, _counted: counted };
        self.bridge.park(id, parked);
        answer
    }

    /// The child's answer as one of the stateless era. A call that failed because its client could not
    /// be asked is told what it would have had to declare.
    fn finish(&self, answer: &Message) -> Message {
        let id = self.turn.request.id();
        if !self.refused.is_empty() && !self.offered && results::is_failure(answer) {
            let data = results::required(&self.refused);
            let text = "the server needs a capability that the client did not declare";
            return Message::response(id, "error", &error_object(Code::MissingCapability, text, Some(&data)));
        }
        results::complete(&answer.with_id(id), self.turn.request.method(), self.bridge.server_info())
    }
}

/// The key of an ask: the child's own id is unique among what it waits for, but for its type.
fn key_of(id: &str) -> String {
    serde_json::from_str::<String>(id).unwrap_or_else(|_| id.to_owned())
}

fn input_request(key: &str, ask: &Ask) -> String {
    let request = ask.request();
    let (key, method) = (serde_json::Value::from(key), serde_json::Value::from(request.method()));
    let params = request.params().map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    format!(r#"{key}:{{"method":{method}{params}}}"#)
}
