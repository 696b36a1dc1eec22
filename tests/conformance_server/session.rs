//! The session era: 2025-11-25 and older.
//!
//! [`Session`] owns all state of one client. Requests to the client go out while the call that
//! needs them waits; their ids are the keys of the script, so that the log of a run can be read,
//! with a number behind them from the second time on: an id is never used twice in a session.

pub(crate) mod http;
mod log;
pub(crate) mod stdio;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    sync::{
        mpsc::UnboundedSender,
        oneshot::{self, Sender},
    },
    task::AbortHandle,
};

use crate::{
    caller::{Caller, Outgoing, severity},
    catalog,
    jobs::{self, Job},
    prompts::{self, Prompt},
    resources,
    script::{Ask, Inputs, Needs, Script},
    tools::{self, Change, Tool, error_result},
    wire::{Answer, Failure, Members, code, meta, notification, request, response, text},
};

/// The versions of this era, newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What every session of the process hears.
pub(crate) type Announce = Rc<dyn Fn(Change)>;

/// One client.
pub(crate) struct Session {
    /// Where messages go that belong to no call.
    news: UnboundedSender<Outgoing>,
    announce: Announce,
    /// As negotiated; none before `initialize`.
    version: Cell<Option<&'static str>>,
    /// The client's capabilities.
    declared: RefCell<Members>,
    level: Cell<Option<usize>>,
    subscribed: RefCell<BTreeSet<String>>,
    asked: RefCell<HashMap<String, Sender<Result<Value, Value>>>>,
    /// How often each key was an id.
    used: RefCell<HashMap<&'static str, u32>>,
    running: RefCell<HashMap<String, AbortHandle>>,
}

impl Session {
    pub(crate) fn new(news: UnboundedSender<Outgoing>, announce: Announce) -> Rc<Self> {
        Rc::new(Self {
            news,
            announce,
            version: Cell::default(),
            declared: RefCell::default(),
            level: Cell::default(),
            subscribed: RefCell::default(),
            asked: RefCell::default(),
            used: RefCell::default(),
            running: RefCell::default(),
        })
    }

    /// Works on a request; the answer goes to `out`.
    pub(crate) fn request(self: &Rc<Self>, id: Value, method: String, params: Members, out: UnboundedSender<Outgoing>) {
        let session = Rc::clone(self);
        let key = id.to_string();
        let caller = Caller {
            out,
            token: meta(&params).remove("progressToken"),
            level: self.level.get().or_else(|| severity("info")),
        };
        let ended = key.clone();
        let work = actix_web::rt::spawn(async move {
            let answer = session.call(&method, &params, &caller).await;
            session.running.borrow_mut().remove(&ended);
            caller.answer(response(&id, &answer));
        });
        self.running.borrow_mut().insert(key, work.abort_handle());
    }

    /// Takes a notification of the client.
    pub(crate) fn notified(&self, method: &str, params: &Members) {
        if method == "notifications/cancelled"
            && let Some(id) = params.get("requestId")
            && let Some(work) = self.running.borrow_mut().remove(&id.to_string())
        {
            work.abort();
        }
    }

    /// Takes the client's answer to a request of ours.
    pub(crate) fn answered(&self, id: &Value, answer: Result<Value, Value>) {
        if let Some(waiting) = id.as_str().and_then(|id| self.asked.borrow_mut().remove(id)) {
            let _ = waiting.send(answer);
        }
    }

    /// Tells the client of a change that concerns it.
    pub(crate) fn hear(&self, change: Change) {
        let concerned = change != Change::Watched || self.subscribed.borrow().contains(resources::WATCHED);
        if self.version.get().is_some() && concerned {
            let _ = self.news.send(Outgoing::Messages(vec![notification(change.method(), &change.params())]));
        }
    }

    async fn call(&self, method: &str, params: &Members, caller: &Caller) -> Answer {
        if let Some(answer) = self.lifecycle(method, params) {
            return answer;
        }
        if let Some(result) = catalog::look_up(method) {
            return Ok(result);
        }
        match method {
            "logging/setLevel" => {
                let level = severity(text(params, "level")?).ok_or_else(|| Failure::invalid("unknown level"))?;
                self.level.set(Some(level));
                Ok(json!({}))
            }
            "resources/subscribe" => {
                self.subscribed.borrow_mut().insert(text(params, "uri")?.to_owned());
                Ok(json!({}))
            }
            "resources/unsubscribe" => {
                self.subscribed.borrow_mut().remove(text(params, "uri")?);
                Ok(json!({}))
            }
            "resources/read" => read(text(params, "uri")?),
            "prompts/get" => self.prompt(params, caller).await,
            "tools/call" => self.tool(params, caller).await,
            _ => Err(Failure::unknown_method(method)),
        }
    }

    /// What may come before `initialize`, and the refusal of what may not.
    fn lifecycle(&self, method: &str, params: &Members) -> Option<Answer> {
        match method {
            "initialize" => Some(self.initialize(params)),
            "ping" => Some(Ok(json!({}))),
            // As the SDKs of this era answer a method that they never heard of.
            "server/discover" => Some(Err(Failure::unknown_method(method))),
            _ if self.version.get().is_none() => {
                Some(Err(Failure::new(code::INVALID_REQUEST, "initialize comes first")))
            }
            _ => None,
        }
    }

    fn initialize(&self, params: &Members) -> Answer {
        if self.version.get().is_some() {
            return Err(Failure::new(code::INVALID_REQUEST, "the session is initialized"));
        }
        let asked = text(params, "protocolVersion")?;
        let version = VERSIONS.into_iter().find(|version| *version == asked).unwrap_or(VERSIONS[0]);
        self.version.set(Some(version));
        let declared = params.get("capabilities").and_then(Value::as_object).cloned().unwrap_or_default();
        self.declared.replace(declared);
        Ok(json!({
            "protocolVersion": version,
            "capabilities": {
                "tools": { "listChanged": true },
                "prompts": { "listChanged": true },
                "resources": { "subscribe": true },
                "logging": {},
                "completions": {},
            },
            "serverInfo": catalog::implementation(),
            "instructions": "A server for the conformance suite.",
        }))
    }

    async fn prompt(&self, params: &Members, caller: &Caller) -> Answer {
        match prompts::get(text(params, "name")?, &arguments(params))? {
            Prompt::Ready(result) => Ok(result),
            Prompt::Asking(script) => {
                self.play(&script, caller).await.unwrap_or_else(|why| Err(Failure::new(code::INTERNAL, why)))
            }
        }
    }

    async fn tool(&self, params: &Members, caller: &Caller) -> Answer {
        match tools::find(text(params, "name")?, &arguments(params))? {
            Tool::Plain(result) => Ok(result),
            Tool::Paced(pace) => tools::run(pace, caller).await,
            Tool::Asking(script) | Tool::Job(Job::Asking(script) | Job::AskThenTask(script)) => {
                self.play(&script, caller).await.unwrap_or_else(|why| Ok(error_result(&why)))
            }
            Tool::Job(job) => jobs::run(&job).await,
            Tool::Trigger(change) => {
                (self.announce)(change);
                Ok(tools::text_result("announced"))
            }
        }
    }

    /// Plays a script with real requests. The error says what the client could not give.
    async fn play(&self, script: &Script, caller: &Caller) -> Result<Answer, String> {
        let declared = self.declared.borrow().clone();
        let mut inputs = Inputs::new();
        for round in 0..script.rounds.len() {
            let asks = script
                .asks(round, &declared)
                .map_err(|kind| format!("the client does not support {}", kind.capability()))?;
            for (ask, answer) in self.ask(asks, caller).await {
                match answer {
                    Ok(answer) => {
                        ask.check(&answer).map_err(|failure| failure.message)?;
                        inputs.insert(ask.key.to_owned(), answer);
                    }
                    Err(_) if script.needs == Needs::WhatThereIs => {}
                    Err(error) => return Err(format!("{} failed: {error}", ask.kind.method())),
                }
            }
        }
        Ok((script.finish)(&inputs))
    }

    /// Sends requests together and waits for all answers.
    async fn ask(&self, asks: Vec<Ask>, caller: &Caller) -> Vec<(Ask, Result<Value, Value>)> {
        let mut messages = Vec::new();
        let mut waiting = Vec::new();
        for ask in asks {
            let id = self.next_id(ask.key);
            let (sender, answer) = oneshot::channel();
            messages.push(request(&json!(id), ask.kind.method(), &ask.params));
            self.asked.borrow_mut().insert(id, sender);
            waiting.push(async { (ask, answer.await.unwrap_or_else(|_| Err(json!("the client has gone")))) });
        }
        caller.send(messages);
        join_all(waiting).await
    }

    fn next_id(&self, key: &'static str) -> String {
        let mut used = self.used.borrow_mut();
        let times = used.entry(key).or_default();
        *times += 1;
        if *times == 1 { key.to_owned() } else { format!("{key}-{times}") }
    }
}

fn read(uri: &str) -> Answer {
    resources::read(uri)
        .ok_or_else(|| Failure::new(code::RESOURCE_NOT_FOUND, format!("no resource {uri}")).with(json!({ "uri": uri })))
}

fn arguments(params: &Members) -> Members {
    params.get("arguments").and_then(Value::as_object).cloned().unwrap_or_default()
}
