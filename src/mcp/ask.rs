//! A child's own request (sampling, elicitation, roots) on its way to the client and back.
//!
//! Invariant: every ask is answered exactly once. One that is dropped, because its client went away
//! or never replied, is answered with an error: a child must not wait for ever.

use std::time::Duration;

use bytes::Bytes;

use super::{
    error::{Code, error_object},
    jsonrpc::Message,
};

/// How long to wait for more after the child has asked something: servers that ask several things at
/// once write them one after another, and all belong in one answer. Every round with a question costs
/// this much, and a person who answers does not notice it.
pub(super) const SETTLE: Duration = Duration::from_millis(25);

/// Questions of a stdio child that come within this time of one another belong to the same call. Less
/// than [`SETTLE`], so that it is over when a client has read what it is asked and calls again.
pub(super) const BURST: Duration = Duration::from_millis(20);

/// What the client said, or what stands for it: raw JSON.
pub enum Outcome {
    /// The member `result`.
    Result(Bytes),
    /// The member `error`.
    Error(Bytes),
}

impl Outcome {
    /// The outcome that a response carries.
    #[must_use]
    pub fn of(response: &Message) -> Self {
        let bytes = |text: &str| response.body().slice(response.span_of(text));
        match (response.result(), response.error()) {
            (Some(result), _) => Self::Result(bytes(result)),
            (None, Some(error)) => Self::Error(bytes(error)),
            (None, None) => Self::refusal(Code::Internal, "the client's answer was empty"),
        }
    }

    /// An error of ours.
    #[must_use]
    pub fn refusal(code: Code, text: &str) -> Self {
        Self::Error(Bytes::from(error_object(code, text, None)))
    }

    /// The response to the child's request `id` (raw JSON).
    #[must_use]
    pub fn response(&self, id: &str) -> Vec<u8> {
        let (member, value): (&str, &Bytes) = match self {
            Self::Result(value) => ("result", value),
            Self::Error(value) => ("error", value),
        };
        let mut out = Vec::with_capacity(value.len() + id.len() + 40);
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b",\"");
        out.extend_from_slice(member.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
        out.push(b'}');
        out
    }
}

/// Takes the outcome back to the child. Never blocks; runs on any thread of the data plane.
type Responder = Box<dyn FnOnce(Outcome) + Send>;

/// One request of a child that waits for a client.
pub struct Ask {
    request: Message,
    respond: Option<Responder>,
}

impl Ask {
    /// `request` as the child wrote it; `respond` is called exactly once.
    #[must_use]
    pub fn new(request: Message, respond: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self { request, respond: Some(Box::new(respond)) }
    }

    /// The child's request; its id is the child's own.
    #[must_use]
    pub const fn request(&self) -> &Message {
        &self.request
    }

    /// Answers it.
    pub fn answer(mut self, outcome: Outcome) {
        self.respond_once(outcome);
    }

    fn respond_once(&mut self, outcome: Outcome) {
        if let Some(respond) = self.respond.take() {
            respond(outcome);
        }
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if self.respond.is_some() {
            self.respond_once(Outcome::refusal(Code::Internal, "the client went away without an answer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn asked() -> (Ask, Arc<Mutex<Vec<String>>>) {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let request =
            Message::parse(Bytes::from_static(br#"{"jsonrpc":"2.0","id":"x","method":"roots/list"}"#)).unwrap();
        let listener = Arc::clone(&said);
        let ask = Ask::new(request, move |outcome| {
            listener.lock().unwrap().push(String::from_utf8(outcome.response("\"x\"")).unwrap());
        });
        (ask, said)
    }

    #[test]
    fn an_answer_reaches_the_child_once() {
        let (ask, said) = asked();
        let response = br#"{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}"#;
        ask.answer(Outcome::of(&Message::parse(Bytes::from_static(response)).unwrap()));
        assert_eq!(*said.lock().unwrap(), [r#"{"jsonrpc":"2.0","id":"x","result":{"roots":[]}}"#]);
    }

    #[test]
    fn a_dropped_ask_is_answered_with_an_error() {
        let (ask, said) = asked();
        drop(ask);
        let said = said.lock().unwrap();
        assert!(said.len() == 1 && said[0].contains("-32603"), "{said:?}");
    }
}
