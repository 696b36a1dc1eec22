//! A call that needs input of its client, written once for both eras.
//!
//! A script is a row of rounds; each asks for one or more inputs and needs all of them. The session
//! era plays it as requests to the client while the call waits, the stateless era as
//! `input_required` results and retries.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Value, json};

use crate::wire::{Answer, Failure, Members};

/// What was answered, by key.
pub(crate) type Inputs = BTreeMap<String, Value>;

/// The kinds of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Elicitation,
    Sampling,
    Roots,
}

impl Kind {
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// The client capability that it needs.
    pub(crate) const fn capability(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }
}

/// One input asked for.
#[derive(Clone)]
pub(crate) struct Ask {
    /// Its name: key of `inputRequests`, id of the request in the session era.
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) params: Value,
}

impl Ask {
    /// A form with these properties, of which `required` must be filled.
    pub(crate) fn form(key: &'static str, message: &str, properties: &Value, required: &[&str]) -> Self {
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        Self { key, kind: Kind::Elicitation, params: json!({ "message": message, "requestedSchema": schema }) }
    }

    pub(crate) fn sample(key: &'static str, text: &str, max_tokens: u32) -> Self {
        let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
        Self { key, kind: Kind::Sampling, params: json!({ "messages": [message], "maxTokens": max_tokens }) }
    }

    pub(crate) fn roots(key: &'static str) -> Self {
        Self { key, kind: Kind::Roots, params: json!({}) }
    }

    /// As a member of `inputRequests`.
    pub(crate) fn value(&self) -> Value {
        json!({ "method": self.kind.method(), "params": self.params })
    }

    /// Whether an answer has the form that its kind prescribes.
    pub(crate) fn check(&self, answer: &Value) -> Result<(), Failure> {
        let fits = match self.kind {
            Kind::Elicitation => self.fits_form(answer),
            Kind::Sampling => answer["role"].is_string() && answer["model"].is_string() && !answer["content"].is_null(),
            Kind::Roots => answer["roots"].is_array(),
        };
        if fits { Ok(()) } else { Err(Failure::invalid(format!("the answer to {} does not fit", self.key))) }
    }

    fn fits_form(&self, answer: &Value) -> bool {
        match answer["action"].as_str() {
            Some("accept") => {
                let required = self.params["requestedSchema"]["required"].as_array();
                required.into_iter().flatten().filter_map(Value::as_str).all(|name| !answer["content"][name].is_null())
            }
            Some("decline" | "cancel") => true,
            _ => false,
        }
    }
}

/// What undeclared capabilities mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The call is refused without them.
    All,
    /// It makes do with what the client has.
    WhatThereIs,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) rounds: Vec<Vec<Ask>>,
    pub(crate) needs: Needs,
    /// Stateless era: every retry must bring the state that the server handed out.
    pub(crate) sealed: bool,
    pub(crate) finish: Rc<dyn Fn(&Inputs) -> Answer>,
}

impl Script {
    pub(crate) fn new(rounds: Vec<Vec<Ask>>, finish: impl Fn(&Inputs) -> Answer + 'static) -> Self {
        Self { rounds, needs: Needs::All, sealed: false, finish: Rc::new(finish) }
    }

    /// The asks of a round that this client can be sent; the error names what it lacks.
    pub(crate) fn asks(&self, round: usize, declared: &Members) -> Result<Vec<Ask>, Kind> {
        let has = |ask: &Ask| declared.contains_key(ask.kind.capability());
        let asks = self.rounds.get(round).map(Vec::as_slice).unwrap_or_default();
        match (self.needs, asks.iter().find(|ask| !has(ask))) {
            (Needs::All, Some(lacking)) => Err(lacking.kind),
            _ => Ok(asks.iter().filter(|ask| has(ask)).cloned().collect()),
        }
    }
}
