//! A child that speaks lines of JSON-RPC on its standard input and output.
//!
//! One child serves all sessions of its instance: requests get ids minted here, answers find their
//! asker through the pending map, notifications go to the session that they concern. The calling
//! HTTP worker writes its line to the pipe itself (one thread hop less than a writer task; measured
//! as the larger part of a call's cost) and only what the pipe does not take at once waits for the
//! drain task. Reader and drain are separate tasks, so a child that does not read cannot stop us
//! from reading it.
//!
//! Owner of state: the pending map and the write backlog, both ending with the process.

mod pending;
mod reader;
mod writer;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use tokio::{
    net::unix::pipe,
    sync::{mpsc, oneshot},
};

pub use self::reader::End;
use self::{
    pending::{Pending, PendingGuard, Waiter},
    writer::LineWriter,
};
use super::{
    error::UpstreamError,
    jsonrpc::{Kind, Message, splice},
    session::{Session, Sessions},
    upstream::{Reply, Upstream},
    version,
};

/// Bounds of one stdio child.
#[derive(Clone, Copy, Debug)]
pub struct StdioLimits {
    /// Longest line that the child may write, in bytes.
    pub max_line_bytes: usize,
    /// Bytes that may wait for a child that does not read.
    pub max_backlog_bytes: usize,
    /// For one call, from hand-over to answer.
    pub call_timeout: Duration,
}

/// Progress messages that may wait for one caller; more are dropped, the answer never is.
const PROGRESS_CAPACITY: usize = 64;

/// A running stdio child.
pub struct StdioUpstream {
    writer: LineWriter,
    pending: Pending,
    sessions: Arc<Sessions>,
    hello: OnceLock<Hello>,
    limits: StdioLimits,
}

/// The child's own answer to `initialize`.
struct Hello {
    result: Message,
    version: Option<std::ops::Range<usize>>,
}

impl StdioUpstream {
    /// Takes over the pipes of a fresh child. The returned future is its reader: it must be polled
    /// (as a task of its own) and ends with the reason when the child's output does.
    pub fn start(
        stdin: pipe::Sender,
        stdout: pipe::Receiver,
        sessions: Arc<Sessions>,
        limits: StdioLimits,
    ) -> (Arc<Self>, impl Future<Output = End>) {
        let upstream = Arc::new(Self {
            writer: LineWriter::new(stdin, limits.max_backlog_bytes),
            pending: Pending::default(),
            sessions,
            hello: OnceLock::new(),
            limits,
        });
        let reading = reader::run(Arc::clone(&upstream), stdout);
        (upstream, reading)
    }

    /// Writes what the pipe did not take at once, for as long as the child lives. A task of its own.
    pub async fn drain(self: Arc<Self>) {
        self.writer.drain().await;
    }

    /// Opens the conversation with the child (lifecycle, "Initialization").
    ///
    /// # Errors
    /// When it does not answer in time, refuses, or ends.
    pub async fn initialize(&self, timeout: Duration) -> Result<(), UpstreamError> {
        let params = format!(
            r#"{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"berth","version":"{}"}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        );
        let answer = self.ask("initialize", Some(&params), timeout).await?;
        let result = answer.result().ok_or_else(|| UpstreamError::Protocol { detail: refusal(&answer) })?;
        let version = protocol_version_span(&answer, result);
        if self.hello.set(Hello { result: answer, version }).is_err() {
            return Ok(());
        }
        self.writer.send(Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"))?;
        self.follow_again();
        Ok(())
    }

    /// Fails every waiting caller with `reason`; later calls fail at once.
    pub fn close(&self, reason: &str) {
        self.writer.close();
        self.pending.fail_all(reason);
    }

    /// Ends the child's input: a well-behaved server exits now (stdio, "Shutdown").
    pub fn close_input(&self) {
        self.writer.close();
    }

    /// Calls that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// A request of our own.
    async fn ask(&self, method: &str, params: Option<&str>, timeout: Duration) -> Result<Message, UpstreamError> {
        let (sender, receiver) = oneshot::channel();
        let guard = self.pending.insert(Waiter::Once(sender), None)?;
        let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{method}\"{params}}}\n", guard.id());
        self.writer.send(Bytes::from(line))?;
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }),
        }
    }

    /// A restarted child has forgotten what clients follow.
    fn follow_again(&self) {
        let mut uris: Vec<String> = self.sessions.all().iter().flat_map(|session| session.subscriptions()).collect();
        uris.sort_unstable();
        uris.dedup();
        for uri in uris {
            self.tell("resources/subscribe", &uri);
        }
    }

    /// A request about a resource whose answer nobody waits for.
    fn tell(&self, method: &str, uri: &str) {
        let uri = serde_json::Value::from(uri);
        let id = self.pending.mint();
        let line =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{\"uri\":{uri}}}}}\n");
        // A failure means that the child is ending; its successor is told by `follow_again`.
        let _ = self.writer.send(Bytes::from(line));
    }

    fn cancel(&self, minted: u64) {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{minted},\"reason\":\"timed out\"}}}}\n"
        );
        let _ = self.writer.send(Bytes::from(line));
    }

    /// Registers `request` and writes it with our id (and our progress token) in place.
    fn hand_over(
        self: &Arc<Self>,
        session: &Arc<Session>,
        request: &Message,
        waiter: Waiter,
        token: Option<std::ops::Range<usize>>,
    ) -> Result<PendingGuard, UpstreamError> {
        let guard = self.pending.insert(waiter, Some((session.id(), request.id())))?;
        let mut digits = itoa::Buffer::new();
        let minted = digits.format(guard.id()).as_bytes();
        let id = request.id_span().unwrap_or_default();
        let line = match token {
            None => request.to_line(&mut [(id, minted)]),
            Some(token) => request.to_line(&mut [(id, minted), (token, minted)]),
        };
        self.writer.send(line)?;
        Ok(guard)
    }

    async fn call_once(self: Arc<Self>, session: Arc<Session>, request: Message) -> Result<Reply, UpstreamError> {
        let (sender, receiver) = oneshot::channel();
        let mut guard = self.hand_over(&session, &request, Waiter::Once(sender), None)?;
        let answer = match tokio::time::timeout(self.limits.call_timeout, receiver).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(closed()),
            Err(_) => {
                self.cancel(guard.id());
                return Err(UpstreamError::TimedOut { seconds: self.limits.call_timeout.as_secs() });
            }
        };
        guard.disarm();
        Ok(Reply::Message(answer.with_id(request.id())))
    }

    /// A request that asked for progress: messages as they come, the answer last.
    async fn call_with_progress(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
        token: std::ops::Range<usize>,
    ) -> Result<Reply, UpstreamError> {
        let (progress, mut receiver) = mpsc::channel(PROGRESS_CAPACITY);
        let (sender, answer) = oneshot::channel();
        let client_token = request.body().slice(token.clone());
        let waiter = Waiter::Progress { answer: sender, progress, token: client_token };
        let guard = self.hand_over(&session, &request, waiter, Some(token))?;
        let answer = self.answer_in_time(answer, guard, request.id().to_owned());
        let mut answer = answer.boxed_local();
        // The first message decides: an immediate answer needs no stream.
        tokio::select! {
            biased;
            Some(first) = receiver.recv() => {
                let messages = stream::once(async move { first }).chain(rest(receiver, answer));
                Ok(Reply::Messages(messages.boxed_local()))
            }
            message = &mut answer => Ok(Reply::Message(message)),
        }
    }

    /// The answer, or the error message that stands for it.
    async fn answer_in_time(
        self: Arc<Self>,
        answer: oneshot::Receiver<Result<Message, UpstreamError>>,
        guard: PendingGuard,
        id: String,
    ) -> Bytes {
        let outcome = match tokio::time::timeout(self.limits.call_timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                self.cancel(guard.id());
                Err(UpstreamError::TimedOut { seconds: self.limits.call_timeout.as_secs() })
            }
        };
        match outcome {
            Ok(message) => message.with_id(&id),
            Err(error) => super::error::error_message(&id, super::error::Code::Internal, &error.to_string()),
        }
    }

    /// The client's `resources/unsubscribe` when others still follow: answered here.
    fn unfollow(&self, session: &Session, request: &Message) -> Option<Bytes> {
        let uri = request.param("uri")?;
        session.unsubscribe(&uri);
        self.sessions
            .anyone_follows(&uri)
            .then(|| Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, request.id())))
    }

    /// Rewrites the client's `requestId` to ours. `None`: the request is not running any more.
    fn translate_cancel(&self, session: &Session, message: &Message) -> Option<Bytes> {
        let (range, id) = message.raw_param("requestId")?;
        let minted = self.pending.find(session.id(), id)?;
        Some(message.to_line(&mut [(range, minted.to_string().as_bytes())]))
    }
}

fn rest(receiver: mpsc::Receiver<Bytes>, answer: LocalBoxFuture<'static, Bytes>) -> impl stream::Stream<Item = Bytes> {
    stream::unfold(Some((receiver, answer)), |state| async move {
        let (mut receiver, mut answer) = state?;
        tokio::select! {
            biased;
            Some(message) = receiver.recv() => Some((message, Some((receiver, answer)))),
            message = &mut answer => Some((message, None)),
        }
    })
}

fn closed() -> UpstreamError {
    UpstreamError::Closed { reason: "its process has ended".to_owned() }
}

fn refusal(answer: &Message) -> String {
    let text = String::from_utf8_lossy(answer.body());
    format!("it refused `initialize`: {}", text.trim_end().chars().take(500).collect::<String>())
}

/// Where the version lies in the child's answer, quotes included.
fn protocol_version_span(answer: &Message, result: &str) -> Option<std::ops::Range<usize>> {
    #[derive(serde::Deserialize)]
    struct Version<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: Option<&'a serde_json::value::RawValue>,
    }
    let parsed: Version<'_> = serde_json::from_str(result).ok()?;
    let raw = parsed.version?.get();
    let start = (raw.as_ptr() as usize).checked_sub(answer.body().as_ptr() as usize)?;
    Some(start..start + raw.len())
}

impl Upstream for StdioUpstream {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Bytes, UpstreamError>> {
        async move {
            let hello = self.hello.get().ok_or_else(closed)?;
            let quoted = format!("\"{}\"", session.version());
            let mut edits: Vec<(std::ops::Range<usize>, &[u8])> = Vec::with_capacity(2);
            edits.extend(hello.result.id_span().map(|range| (range, initialize.id().as_bytes())));
            edits.extend(hello.version.clone().map(|range| (range, quoted.as_bytes())));
            edits.sort_by_key(|(range, _)| range.start);
            Ok(Bytes::from(splice(hello.result.body(), &edits)))
        }
        .boxed_local()
    }

    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            match request.method() {
                "resources/subscribe" => {
                    if let Some(uri) = request.param("uri") {
                        session.subscribe(&uri);
                    }
                }
                "resources/unsubscribe" => {
                    if let Some(answer) = self.unfollow(&session, &request) {
                        return Ok(Reply::Message(answer));
                    }
                }
                _ => {}
            }
            let token =
                request.progress_token().map_err(|error| UpstreamError::Protocol { detail: error.to_string() })?;
            match token {
                None => self.call_once(session, request).await,
                Some(token) => self.call_with_progress(session, request, token).await,
            }
        }
        .boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            // Answers have nothing to answer (we declare no client capabilities), and the child
            // has been told `initialized` once already.
            let line = match (message.kind(), message.method()) {
                (Kind::Response, _)
                | (_, "notifications/initialized" | "notifications/roots/list_changed" | "notifications/progress") => {
                    None
                }
                (_, "notifications/cancelled") => self.translate_cancel(&session, &message),
                _ => Some(message.to_line(&mut [])),
            };
            line.map_or(Ok(()), |line| self.writer.send(line))
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            let receiver = session
                .open_stream()
                .map_err(|_| UpstreamError::NotOffered { what: "a second stream for one session" })?;
            let messages = stream::unfold(receiver, |mut receiver| async move {
                receiver.recv().await.map(|message| (message, receiver))
            });
            Ok(Reply::Messages(messages.boxed_local()))
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            for uri in session.subscriptions() {
                session.unsubscribe(&uri);
                if !self.sessions.anyone_follows(&uri) {
                    self.tell("resources/unsubscribe", &uri);
                }
            }
        }
        .boxed_local()
    }

    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        // An error answer is an answer: the child lives and reads.
        async move { self.ask("ping", None, timeout).await.map(|_| ()) }.boxed_local()
    }
}
