//! What both eras share of a child on pipes: ids, hand-over, answers, time-outs.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{net::unix::pipe, time::Instant};

use super::{
    StdioLimits, closed,
    noise::Noise,
    pending::{Client, First, Pending},
    reader::{self, End},
    writer::LineWriter,
};
use crate::mcp::{
    ask::Outcome,
    error::{Code, UpstreamError},
    jsonrpc::{Kind, Message},
    upstream::Reply,
};

/// What an era makes of what the child says unasked. Runs on the reader's thread; must not block.
pub(super) trait Listener: Send + Sync {
    /// A notification that is not the progress of a call.
    fn notified(&self, message: &Message);
    /// A request of the child.
    fn asked(&self, request: Message);
}

/// The pipes of one child. Ends with its process.
pub struct Pipe {
    pub(super) writer: LineWriter,
    pub(super) pending: Pending,
    /// Weak: the listener holds the pipe.
    listener: OnceLock<Weak<dyn Listener>>,
    pub(super) noise: Noise,
    pub(super) limits: StdioLimits,
}

impl Pipe {
    /// Takes over the pipes of a fresh child. The returned future is its reader: it must be polled
    /// (as a task of its own) and ends with the reason when the child's output does.
    pub fn start(
        stdin: pipe::Sender,
        stdout: pipe::Receiver,
        limits: StdioLimits,
    ) -> (Arc<Self>, impl Future<Output = End>) {
        let pipe = Arc::new(Self {
            writer: LineWriter::new(stdin, limits.max_backlog_bytes),
            pending: Pending::default(),
            listener: OnceLock::new(),
            noise: Noise::default(),
            limits,
        });
        let reading = reader::run(Arc::clone(&pipe), stdout);
        (pipe, reading)
    }

    /// Writes what the pipe did not take at once, for as long as the child lives. A task of its own.
    pub async fn drain(self: Arc<Self>) {
        self.writer.drain().await;
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

    /// What it wrote on its standard output that is not MCP, in one sentence; `None` when there was nothing.
    #[must_use]
    pub fn noise(&self) -> Option<String> {
        self.noise.summary()
    }

    /// Calls that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// From now on what the child says unasked goes to `listener`.
    pub(super) fn listen(&self, listener: Weak<dyn Listener>) {
        let _ = self.listener.set(listener);
    }

    /// Takes one message of the child.
    pub(super) fn take(&self, message: Message) {
        match message.kind() {
            Kind::Response => {
                let known = message.minted_id().is_some_and(|id| self.pending.answer(id, message));
                if !known {
                    log::debug!("an answer that nobody waits for was dropped");
                }
            }
            Kind::Notification if message.method() == "notifications/progress" => self.route_progress(&message),
            Kind::Notification => {
                if let Some(listener) = self.listener() {
                    listener.notified(&message);
                }
            }
            Kind::Request => match self.listener() {
                Some(listener) => listener.asked(message),
                None => self.respond(message.id(), &too_early()),
            },
        }
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.listener.get().and_then(Weak::upgrade)
    }

    /// The token on the wire is the id that we minted; its asker gets its own token back.
    fn route_progress(&self, message: &Message) {
        let Some((range, token)) = message.raw_param("progressToken") else { return };
        let Some(id) = token.parse().ok() else { return };
        let Some(client_token) = self.pending.token(id) else { return };
        // Full: the client is slow; progress may be lost, the answer has its own channel.
        let _ = self.pending.note(id, message.spliced(&[(range, client_token.as_ref())]));
    }

    /// Answers a request of the child.
    pub(super) fn respond(&self, id: &str, outcome: &Outcome) {
        let mut line = outcome.response(id);
        super::one_line(&mut line);
        // A failure means that the child is ending: it asks nothing any more.
        let _ = self.writer.send_anyway(Bytes::from(line));
    }

    /// A request of our own.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: Option<&str>,
        timeout: Duration,
    ) -> Result<Message, UpstreamError> {
        let (id, receiver) = self.pending.insert(None)?;
        let _forgotten = Forgotten { pending: &self.pending, id };
        let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"{params}}}\n");
        self.writer.send(Bytes::from(line))?;
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(First::Answer(answer))) => answer,
            Ok(_) => Err(closed()),
            Err(_) => Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }),
        }
    }

    /// Hands `request` over with our id in place of the client's, and our progress token at `token`.
    pub(super) async fn call(
        self: Arc<Self>,
        request: Message,
        client: Client,
        token: Option<std::ops::Range<usize>>,
        how: How,
    ) -> Result<Reply, UpstreamError> {
        let timeout = how.timeout.unwrap_or(FOREVER);
        let (id, receiver) = self.pending.insert_in_turn(client).await?;
        let mut call = self.hand_over(&request, id, token, how.abandoned)?;
        let begun = Instant::now();
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(First::Answer(answer))) => {
                call.answered();
                Ok(Reply::Answer(answer?.with_id(request.id())))
            }
            Ok(Ok(First::Stream(stream))) => {
                Ok(Reply::Events(stream.events(call, request.id().to_owned(), begun, timeout).boxed_local()))
            }
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(call.time_out(timeout)),
        }
    }

    fn hand_over(
        self: &Arc<Self>,
        request: &Message,
        id: u64,
        token: Option<std::ops::Range<usize>>,
        abandoned: Abandoned,
    ) -> Result<InFlight, UpstreamError> {
        let call = InFlight { pipe: Arc::clone(self), id, abandoned, over: false };
        let mut digits = itoa::Buffer::new();
        let minted = digits.format(id).as_bytes();
        let id_span = request.id_span().unwrap_or_default();
        let line = match token {
            None => request.to_line(&mut [(id_span, minted)]),
            Some(token) => request.to_line(&mut [(id_span, minted), (token, minted)]),
        };
        self.writer.send(line)?;
        Ok(call)
    }

    /// Tells the child that nobody waits for this call any more.
    pub(super) fn cancel(&self, id: u64, reason: &str) {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id},\"reason\":\"{reason}\"}}}}\n"
        );
        let _ = self.writer.send_anyway(Bytes::from(line));
    }
}

/// Forgets a request of our own when its answer is not waited for any more.
struct Forgotten<'a> {
    pending: &'a Pending,
    id: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.pending.remove(self.id);
    }
}

fn too_early() -> Outcome {
    Outcome::refusal(Code::MethodNotFound, "nothing can be asked before the conversation is open")
}

/// Longer than any process lives.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How a call ends without its answer.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// When its client goes away.
    pub(super) abandoned: Abandoned,
    /// When the child takes too long; `None` for streams that stay open.
    pub(super) timeout: Option<Duration>,
}

/// What a caller's going away means to the child.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Abandoned {
    /// Nothing: session-era clients cancel by a notification.
    GoesOn,
    /// The call is cancelled.
    Cancels,
}

/// A call that is being answered. Dropping it forgets the call.
pub(super) struct InFlight {
    pipe: Arc<Pipe>,
    id: u64,
    abandoned: Abandoned,
    over: bool,
}

impl InFlight {
    /// The answer has come: there is nothing left to forget.
    pub(super) const fn answered(&mut self) {
        self.over = true;
    }

    /// Gives the call up.
    pub(super) fn time_out(&mut self, timeout: Duration) -> UpstreamError {
        self.over = true;
        self.pipe.pending.remove(self.id);
        self.pipe.cancel(self.id, "timed out");
        UpstreamError::TimedOut { seconds: timeout.as_secs() }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.over && self.pipe.pending.remove(self.id) && self.abandoned == Abandoned::Cancels {
            self.pipe.cancel(self.id, "the client went away");
        }
    }
}
