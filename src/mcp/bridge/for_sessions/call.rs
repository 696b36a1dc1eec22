//! A call of a client with a session, at a child of the stateless era: asked and made again until it
//! is answered.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{ForSessions, Running};
use crate::mcp::{
    ask::{Ask, Outcome},
    bridge::results,
    error::{Code, UpstreamError},
    jsonrpc::Message,
    members::{Member, members, only},
    meta::RequestMeta,
    mirrored::Mirrored,
    session::Session,
    upstream::{Event, Reply, StatelessCall},
};

/// Rounds after which a child that keeps asking is taken to be looping.
const MAX_ROUNDS: usize = 16;
/// Questions of one round; a child cannot make us hold more.
const MAX_QUESTIONS: usize = 32;

/// A call of a session's client, through as many rounds as the child needs.
pub(super) struct Call {
    bridge: Arc<ForSessions>,
    session: Arc<Session>,
    /// The client's id, raw.
    id: String,
    /// As the child is sent it, without input.
    request: Message,
    cancelled: CancellationToken,
    _running: Running,
    rounds: usize,
}

/// Where a call stands.
enum Stage {
    /// The child is at work.
    Working(LocalBoxStream<'static, Event>),
    /// The client is being asked: what is still to be sent to it, and what is awaited from it.
    Asking { questions: Vec<Ask>, awaited: Vec<(String, oneshot::Receiver<Outcome>)>, state: Option<String> },
}

impl Call {
    /// A call of `request`, in which everything is said that the child needs to know.
    pub(super) fn new(
        bridge: Arc<ForSessions>,
        session: Arc<Session>,
        request: Message,
        running: Running,
        cancelled: CancellationToken,
    ) -> Self {
        let id = request.id().to_owned();
        Self { bridge, session, id, request, cancelled, _running: running, rounds: 0 }
    }

    /// Makes the call.
    pub(super) async fn reply(self) -> Result<Reply, UpstreamError> {
        let request = self.request.clone();
        let stage = match self.send(request).await? {
            Reply::Answer(answer) => match wanted(&answer) {
                None => return Ok(Reply::Answer(self.last(&answer))),
                Some(result) => Stage::asking(&result),
            },
            Reply::Events(events) => Stage::Working(events),
        };
        let events = stream::unfold(Some((self, stage)), |state| async move {
            let (call, stage) = state?;
            Some(call.next(stage).await)
        });
        Ok(Reply::Events(events.boxed_local()))
    }

    async fn send(&self, request: Message) -> Result<Reply, UpstreamError> {
        let meta =
            RequestMeta::read(&request).map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
        let caller = self.session.owner();
        let call = StatelessCall { request, meta, caller, mirrored: Mirrored::default() };
        tokio::select! {
            () = self.cancelled.cancelled() => Err(given_up()),
            reply = Arc::clone(&self.bridge.peer).call(call) => reply,
        }
    }

    async fn next(mut self, mut stage: Stage) -> (Event, Option<(Self, Stage)>) {
        loop {
            stage = match stage {
                Stage::Working(mut events) => {
                    let event = tokio::select! {
                        () = self.cancelled.cancelled() => return (self.failed(&given_up()), None),
                        event = events.next() => event,
                    };
                    match event {
                        Some(Event::Answer(answer)) => match wanted(&answer) {
                            None => return (Event::Answer(self.last(&answer)), None),
                            Some(result) => Stage::asking(&result),
                        },
                        Some(event) => return (event, Some((self, Stage::Working(events)))),
                        None => return (self.failed(&no_answer()), None),
                    }
                }
                Stage::Asking { mut questions, awaited, state } => match questions.pop() {
                    Some(ask) => return (Event::Ask(ask), Some((self, Stage::Asking { questions, awaited, state }))),
                    None => match self.go_on(awaited, state).await {
                        Ok(Ok(next)) => next,
                        Ok(Err(answer)) => return (Event::Answer(answer), None),
                        Err(error) => return (self.failed(&error), None),
                    },
                },
            };
        }
    }

    /// The last answer, as this client reads it.
    fn last(&self, answer: &Message) -> Message {
        results::plain(answer).with_id(&self.id)
    }

    fn failed(&self, error: &UpstreamError) -> Event {
        Event::Answer(Message::failure(&self.id, Code::Internal, &error.to_string()))
    }

    /// Waits for the client's answers and makes the call again with them.
    async fn go_on(
        &mut self,
        awaited: Vec<(String, oneshot::Receiver<Outcome>)>,
        state: Option<String>,
    ) -> Result<Result<Stage, Message>, UpstreamError> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return Err(UpstreamError::Protocol { detail: format!("it asked {MAX_ROUNDS} times without an answer") });
        }
        let mut responses = Vec::with_capacity(awaited.len());
        for (key, outcome) in awaited {
            let outcome = tokio::select! {
                () = self.cancelled.cancelled() => return Err(given_up()),
                outcome = outcome => outcome.map_err(|_| given_up())?,
            };
            match outcome {
                Outcome::Result(result) => {
                    responses.push(format!("{key}:{}", String::from_utf8_lossy(&result)));
                }
                // The stateless era has no way to say that the client failed.
                Outcome::Error(error) => {
                    return Ok(Err(Message::response(&self.id, "error", &String::from_utf8_lossy(&error))));
                }
            }
        }
        // A request of its own, so under an id of its own (patterns/mrtr, "Client Requirements").
        let again = Message::own(self.request.method(), "{}");
        let request = with_input(&self.request, &responses, state.as_deref()).with_id(again.id());
        Ok(match self.send(request).await? {
            Reply::Answer(answer) => match wanted(&answer) {
                None => Err(self.last(&answer)),
                Some(result) => Ok(Stage::asking(&result)),
            },
            Reply::Events(events) => Ok(Stage::Working(events)),
        })
    }
}

/// What the child wants to know before it answers, raw.
struct Wanted {
    /// Key (with its quotes) and request of each.
    requests: Vec<(String, String)>,
    state: Option<String>,
}

impl Stage {
    fn asking(wanted: &Wanted) -> Self {
        let (mut questions, mut awaited) = (Vec::new(), Vec::new());
        for (key, request) in wanted.requests.iter().take(MAX_QUESTIONS) {
            let Some(request) = question(key, request) else { continue };
            let (sender, receiver) = oneshot::channel();
            questions.push(Ask::new(request, move |outcome| drop(sender.send(outcome))));
            awaited.push((key.clone(), receiver));
        }
        // Taken from the end: the first question first.
        questions.reverse();
        Self::Asking { questions, awaited, state: wanted.state.clone() }
    }
}

/// The request that the client will read; the session gives it an id of its own.
fn question(key: &str, request: &str) -> Option<Message> {
    let fields = members(request)?;
    let raw = |name: &str| only(&fields, name).ok().flatten().map(|field: Member<'_>| field.value);
    let params = raw("params").map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    let text = format!(r#"{{"jsonrpc":"2.0","id":{key},"method":{}{params}}}"#, raw("method")?);
    Message::parse(Bytes::from(text)).ok()
}

/// What an answer asks for; `None` when it is final.
fn wanted(answer: &Message) -> Option<Wanted> {
    let result = answer.result()?;
    memchr::memmem::find(result.as_bytes(), b"input_required")?;
    let fields = members(result)?;
    let raw = |name: &str| only(&fields, name).ok().flatten().map(|field| field.value);
    if raw("resultType") != Some("\"input_required\"") {
        return None;
    }
    let requests = raw("inputRequests").and_then(members).unwrap_or_default();
    let requests = requests.iter().map(|field| (field.key.to_owned(), field.value.to_owned())).collect();
    Some(Wanted { requests, state: raw("requestState").map(str::to_owned) })
}

/// The request again, with input.
fn with_input(request: &Message, responses: &[String], state: Option<&str>) -> Message {
    let Some(span) = request.params_span() else { return request.clone() };
    let mut added = format!(r#""inputResponses":{{{}}},"#, responses.join(","));
    if let Some(state) = state {
        added.push_str(&format!(r#""requestState":{state},"#));
    }
    // There is `_meta` in there, so something follows.
    let at = span.start + 1;
    request.spliced(&[(at..at, added.as_bytes())])
}

fn given_up() -> UpstreamError {
    UpstreamError::Closed { reason: "the call was cancelled".to_owned() }
}

fn no_answer() -> UpstreamError {
    UpstreamError::Protocol { detail: "it gave no answer".to_owned() }
}
