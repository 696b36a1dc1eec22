//! The stateless era: 2026-07-28.
//!
//! [`Server`] owns what outlives a request: the key of `requestState`, tasks, listeners.

pub(crate) mod envelope;
pub(crate) mod headers;
pub(crate) mod http;
mod listen;
mod state;
pub(crate) mod stdio;
mod tasks;

use std::rc::Rc;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use self::{
    envelope::{Envelope, VERSION, missing},
    listen::Listeners,
    state::{Progress, Seal},
    tasks::Tasks,
};
use crate::{
    caller::{Caller, Outgoing},
    catalog,
    jobs::{self, Job},
    prompts::{self, Prompt},
    resources,
    script::{Ask, Script},
    tools::{self, Tool},
    wire::{Answer, Failure, Members, text},
};

/// The methods whose results may be cached.
const CACHEABLE: [&str; 6] =
    ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];
/// All others.
const OTHERS: [&str; 7] = [
    "tools/call",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// See the module.
pub(crate) struct Server {
    seal: Seal,
    tasks: Tasks,
    pub(crate) listeners: Listeners,
}

impl Server {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { seal: Seal::new(), tasks: Tasks::default(), listeners: Listeners::default() })
    }

    /// Works on a request; no answer: it listens until it is cancelled.
    pub(crate) async fn call(
        self: &Rc<Self>,
        id: &Value,
        method: &str,
        params: &Members,
        envelope: &Envelope,
        out: &UnboundedSender<Outgoing>,
    ) -> Option<Answer> {
        if method == "subscriptions/listen" {
            return self.listeners.enter(id, params, out).err().map(Err);
        }
        let caller = Caller { out: out.clone(), token: envelope.token.clone(), level: envelope.level };
        let answer = self.answer(method, params, envelope, &caller).await;
        Some(answer.map(|result| dressed(method, result)))
    }

    async fn answer(self: &Rc<Self>, method: &str, params: &Members, envelope: &Envelope, caller: &Caller) -> Answer {
        if let Some(result) = catalog::look_up(method) {
            return Ok(result);
        }
        match method {
            "server/discover" => Ok(discovered()),
            "resources/read" => {
                let uri = text(params, "uri")?;
                let unknown = || Failure::invalid(format!("no resource {uri}")).with(json!({ "uri": uri }));
                resources::read(uri).ok_or_else(unknown)
            }
            "prompts/get" => match prompts::get(text(params, "name")?, &arguments(params))? {
                Prompt::Ready(result) => Ok(result),
                Prompt::Asking(script) => self.play(&script, method, params, envelope)?.unwrap_or_else(Ok),
            },
            "tools/call" => self.tool(params, envelope, caller).await,
            "tasks/get" | "tasks/update" | "tasks/cancel" if envelope.tasks() => tasks::call(self, method, params),
            "tasks/get" | "tasks/update" | "tasks/cancel" => Err(missing(&tasks::required())),
            _ => Err(Failure::unknown_method(method)),
        }
    }

    async fn tool(self: &Rc<Self>, params: &Members, envelope: &Envelope, caller: &Caller) -> Answer {
        let play = |script: &Script| self.play(script, "tools/call", params, envelope);
        match tools::find(text(params, "name")?, &arguments(params))? {
            Tool::Plain(result) => Ok(result),
            Tool::Paced(pace) => tools::run(pace, caller).await,
            Tool::Asking(script) => play(&script)?.unwrap_or_else(Ok),
            Tool::Trigger(change) => {
                self.listeners.announce(change);
                Ok(tools::text_result("announced"))
            }
            Tool::Job(job) if job.needs_tasks() && !envelope.tasks() => Err(missing(&tasks::required())),
            Tool::Job(Job::AskThenTask(script)) => match play(&script)? {
                Ok(answer) => Ok(tasks::create(self, Job::AskThenTask(script), Some(answer))),
                Err(input_required) => Ok(input_required),
            },
            Tool::Job(job) if envelope.tasks() => Ok(tasks::create(self, job, None)),
            Tool::Job(Job::Asking(script)) => play(&script)?.unwrap_or_else(Ok),
            Tool::Job(job) => jobs::run(&job).await,
        }
    }

    /// Plays a script as far as this request's inputs go: its end, or what is needed next.
    fn play(
        &self,
        script: &Script,
        method: &str,
        params: &Members,
        envelope: &Envelope,
    ) -> Result<Result<Answer, Value>, Failure> {
        let call = format!("{method} {} {}", text(params, "name")?, Value::from(arguments(params)));
        let responses = responses(params)?;
        let state = params.get("requestState").map(|state| state.as_str().unwrap_or_default());
        let mut progress = match state {
            Some(state) => self.seal.open(state, &call)?,
            None => Progress { call, ..Progress::default() },
        };
        let nothing = Members::new();
        let mut responses = if script.sealed && state.is_none() { &nothing } else { &responses };
        while progress.round < script.rounds.len() {
            let asks = script.asks(progress.round, &envelope.declared);
            let asks = asks.map_err(|kind| missing(&json!({ kind.capability(): {} })))?;
            let open = take(&asks, responses, &mut progress)?;
            if !open.is_empty() {
                return Ok(Err(self.input_required(&open, &progress)));
            }
            progress.round += 1;
            responses = &nothing;
        }
        Ok(Ok((script.finish)(&progress.inputs)))
    }

    fn input_required(&self, asks: &[&Ask], progress: &Progress) -> Value {
        let requests: Members = asks.iter().map(|ask| (ask.key.to_owned(), ask.value())).collect();
        let state = self.seal.close(progress);
        json!({ "resultType": "input_required", "inputRequests": requests, "requestState": state })
    }
}

/// Whether there is such a method.
pub(crate) fn knows(method: &str) -> bool {
    CACHEABLE.contains(&method) || OTHERS.contains(&method)
}

/// Takes the inputs of a round; returns what is still open.
fn take<'a>(asks: &'a [Ask], responses: &Members, progress: &mut Progress) -> Result<Vec<&'a Ask>, Failure> {
    let mut open = Vec::new();
    for ask in asks {
        if let Some(response) = responses.get(ask.key) {
            ask.check(response)?;
            progress.inputs.insert(ask.key.to_owned(), response.clone());
        } else if !progress.inputs.contains_key(ask.key) {
            open.push(ask);
        }
    }
    Ok(open)
}

fn responses(params: &Members) -> Result<Members, Failure> {
    match params.get("inputResponses") {
        None => Ok(Members::new()),
        Some(Value::Object(responses)) => Ok(responses.clone()),
        Some(_) => Err(Failure::invalid("inputResponses must be an object")),
    }
}

fn arguments(params: &Members) -> Members {
    params.get("arguments").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn discovered() -> Value {
    json!({
        "supportedVersions": [VERSION],
        "capabilities": {
            "tools": { "listChanged": true },
            "prompts": { "listChanged": true },
            "resources": { "subscribe": true },
            "logging": {},
            "completions": {},
            "extensions": { tasks::EXTENSION: {} },
        },
        "instructions": "A server for the conformance suite.",
    })
}

/// Adds what every result carries, and what cacheable ones do.
fn dressed(method: &str, mut result: Value) -> Value {
    if result.get("resultType").is_none() {
        result["resultType"] = json!("complete");
    }
    if CACHEABLE.contains(&method) {
        result["ttlMs"] = json!(1000);
        result["cacheScope"] = json!("public");
    }
    result["_meta"]["io.modelcontextprotocol/serverInfo"] = catalog::implementation();
    result
}
