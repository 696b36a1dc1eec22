//! An HTTP child of the session era.
//!
//! Each of our sessions is a session of its own at the child, under the id that the child gave; the
//! client never sees that id. A child that was restarted has forgotten its sessions and says 404: the
//! session is opened anew there with the client's own `initialize`, and the client does not notice. A
//! stream that the child closes before its answer is resumed where it broke off.
//!
//! What we agree on with the client and with the child may be two versions: the child is sent the one
//! that it answered, the client the one that we answered.

mod asking;
mod call;
mod listening;
mod opening;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use awc::{
    ClientResponse,
    http::{Method, StatusCode},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};

use self::{
    call::{Call, Cancel, Ids},
    listening::Listening,
};
use super::{
    HttpChild, HttpTarget, RESUME_HEADER, SESSION_HEADER, VERSION_HEADER, bad_status, events::Messages,
    is_event_stream, repeat::Repeat,
};
use crate::mcp::{
    capabilities::LogLevel,
    error::UpstreamError,
    jsonrpc::Message,
    session::{ChildSession, Session},
    upstream::{Pulse, Reply, SessionPeer, Terms},
    version,
};

/// How long a child may take to hear that a session has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running child.
pub struct SessionHttp {
    child: Arc<HttpChild>,
    /// Tells this run of the child from the ones before.
    number: u64,
}

impl SessionHttp {
    /// Whether the child serves MCP yet: a session of our own, opened and ended.
    ///
    /// # Errors
    /// When it does not accept connections or refuses `initialize`.
    pub async fn initialize(child: Arc<HttpChild>, timeout: Duration) -> Result<Arc<Self>, UpstreamError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let this = Arc::new(Self { child, number: NEXT.fetch_add(1, Relaxed) });
        this.knock(timeout).await?;
        Ok(this)
    }

    async fn knock(self: &Arc<Self>, timeout: Duration) -> Result<(), UpstreamError> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"berth","version":"{}"}}}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        );
        let attempt = async {
            let (fresh, _) = self.hello(Bytes::from(body), version::LATEST_SESSION_ERA).await?;
            fresh.end().await;
            Ok(())
        };
        tokio::time::timeout(timeout, attempt)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }))
    }

    /// Sends one request in the child's session `at`.
    async fn send(
        &self,
        method: Method,
        at: &ChildSession,
        resume: Option<&str>,
        (body, repeat): (Bytes, Repeat),
    ) -> Result<ClientResponse, UpstreamError> {
        let session = at.id.as_deref().map(|id| (SESSION_HEADER, id));
        let resume = resume.map(|id| (RESUME_HEADER, id));
        let version = (VERSION_HEADER, at.version.as_str());
        let more: Vec<(&str, &str)> = [Some(version), session, resume].into_iter().flatten().collect();
        self.child.send(&method, &more, body, repeat).await
    }

    /// Sends what the child merely accepts. That it does is not waited for, nor is there anything to
    /// be done when it does not.
    fn tell(self: Arc<Self>, at: Arc<ChildSession>, body: Bytes) {
        actix_rt::spawn(async move {
            let telling = async {
                let mut response = self.send(Method::POST, &at, None, (body, Repeat::Unsent)).await?;
                self.child.collect(&mut response).await
            };
            let _ = self.child.until(self.child.deadline(), telling).await;
        });
    }

    async fn delete(&self, at: &ChildSession) {
        // A child may refuse DELETE (405) or be gone: either way there is nothing left to do.
        let _ =
            tokio::time::timeout(FAREWELL, self.send(Method::DELETE, at, None, (Bytes::new(), Repeat::Unsent))).await;
    }

    /// Sends `body`; opens the session anew, once, when the child has forgotten it.
    async fn send_in_session(
        self: &Arc<Self>,
        method: Method,
        session: &Session,
        (body, repeat): (Bytes, Repeat),
    ) -> Result<ClientResponse, UpstreamError> {
        // A session that was kept over a restart of ours is not known to the child yet.
        let known = session.child_session();
        if let Some(at) = &known {
            let response = self.send(method.clone(), at, None, (body.clone(), repeat)).await?;
            if response.status() != StatusCode::NOT_FOUND || at.id.is_none() {
                return Ok(response);
            }
        }
        let at = self.reopened(session, known.as_ref()).await?;
        let response = self.send(method, &at, None, (body, repeat)).await?;
        let lost = response.status() == StatusCode::NOT_FOUND && at.id.is_some();
        if lost { Err(UpstreamError::SessionLost) } else { Ok(response) }
    }
}

impl SessionPeer for SessionHttp {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        async move {
            let hello = self.hello(initialize.into_body(), session.version());
            let (fresh, answer) = self.child.until(self.child.deadline(), hello).await?;
            fresh.claimed_by(&session)?;
            Ok(opening::with_version(&answer, session.version()))
        }
        .boxed_local()
    }

    fn call(
        self: Arc<Self>,
        session: Arc<Session>,
        request: Message,
        terms: Terms,
    ) -> LocalBoxFuture<'static, Result<Reply, UpstreamError>> {
        async move {
            note_wishes(&session, &request);
            let (counted, deadline) = (self.child.counted(), self.child.deadline());
            let (sent, ids) = Ids::of(request, terms)?;
            let mut cancel = Cancel::new(&self, &session, &ids, terms);
            let repeat = Repeat::of(&sent);
            let sending = self.send_in_session(Method::POST, &session, (sent.into_body(), repeat));
            let response = self.child.until(deadline, sending).await.map_err(|error| cancel.failed(error))?;
            if is_event_stream(&response) && response.status().is_success() {
                let messages = Messages::new(response, self.child.max_answer_bytes);
                let call = Call::new(self, session, messages, ids, cancel, deadline, counted);
                return Ok(Reply::Events(call.events().boxed_local()));
            }
            let reading = self.child.plain_answer(response);
            let answer = self.child.until(deadline, reading).await.map_err(|error| cancel.failed(error))?;
            cancel.over();
            Ok(Reply::Answer(answer.with_id(&ids.client)))
        }
        .boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let notifying = async {
                let mut response =
                    self.send_in_session(Method::POST, &session, (message.into_body(), Repeat::Unsent)).await?;
                if response.status().is_success() {
                    return self.child.collect(&mut response).await.map(drop);
                }
                Err(bad_status(&response))
            };
            self.child.until(self.child.deadline(), notifying).await
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let Some(listening) = Listening::begin(&session, self.number) else { return Ok(()) };
            let response = self.child.until(self.child.deadline(), self.open_stream(&session)).await?;
            let messages = Messages::new(response, self.child.max_answer_bytes);
            actix_rt::spawn(listening::pump(Arc::downgrade(&self), listening, messages));
            Ok(())
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            if let Some(at) = session.child_session().filter(|at| at.id.is_some()) {
                self.delete(&at).await;
            }
        }
        .boxed_local()
    }
}

/// What the session must be told again when the child has forgotten it.
fn note_wishes(session: &Session, request: &Message) {
    match request.method() {
        "resources/subscribe" => {
            if let Some(uri) = request.param("uri") {
                // Too many: the child decides what it makes of them, but they are not told again.
                let _ = session.subscribe(&uri);
            }
        }
        "resources/unsubscribe" => {
            if let Some(uri) = request.param("uri") {
                session.unsubscribe(&uri);
            }
        }
        "logging/setLevel" => {
            if let Some(level) = request.param("level").and_then(|level| LogLevel::read(&level)) {
                session.set_level(level);
            }
        }
        _ => {}
    }
}

impl Pulse for SessionHttp {
    fn ping(self: Arc<Self>, timeout: Duration) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move { self.knock(timeout).await }.boxed_local()
    }

    fn in_flight(&self) -> usize {
        self.child.in_flight.load(Relaxed)
    }

    fn http_base(&self) -> Option<&HttpTarget> {
        Some(&self.child.target)
    }
}
