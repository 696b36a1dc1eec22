//! An HTTP child of the session era.
//!
//! Each of our sessions is a session of its own at the child, under the id that the child gave; the
//! client never sees that id; clients without sessions share one of our own, under ids of ours. A child that was restarted has forgotten its sessions and says 404: the
//! session is opened anew there with the client's own `initialize`, and the client does not notice. A
//! stream that the child closes before its answer is resumed where it broke off.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use awc::{
    ClientResponse,
    http::{Method, StatusCode},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use tokio::time::Instant;

use super::{
    Counted, HttpChild, HttpTarget, RESUME_HEADER, SESSION_HEADER, VERSION_HEADER, bad_status, broken,
    events::Messages, is_event_stream,
};
use crate::mcp::{
    ask::{Ask, Outcome},
    clock::Clock,
    error::{Code, UpstreamError},
    jsonrpc::{Kind, Message},
    session::Session,
    upstream::{Event, Pulse, Reply, SessionPeer, Terms},
    version,
};

/// A running child.
pub struct SessionHttp {
    child: Arc<HttpChild>,
    next: AtomicU64,
}

impl SessionHttp {
    /// Whether the child serves MCP yet: a session of our own, opened and ended.
    ///
    /// # Errors
    /// When it does not accept connections or refuses `initialize`.
    pub async fn initialize(child: Arc<HttpChild>, timeout: Duration) -> Result<Arc<Self>, UpstreamError> {
        let this = Arc::new(Self { child, next: AtomicU64::new(1) });
        this.knock(timeout).await?;
        Ok(this)
    }

    /// An id for a request in our own session, which clients that use the same ids share.
    fn mint(&self) -> String {
        self.next.fetch_add(1, Relaxed).to_string()
    }

    async fn knock(&self, timeout: Duration) -> Result<(), UpstreamError> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"berth","version":"{}"}}}}}}"#,
            version::LATEST_SESSION_ERA,
            env!("CARGO_PKG_VERSION")
        );
        let attempt = async {
            let response = self.child.send(self.child.request(&Method::POST), Bytes::from(body), timeout).await?;
            let session = session_of(&response);
            let answer = self.answer_of(response).await?;
            if answer.result().is_none() {
                return Err(UpstreamError::Refused { detail: "it refused `initialize`".to_owned() });
            }
            if let Some(session) = session {
                self.delete(&session).await;
            }
            Ok(())
        };
        tokio::time::timeout(timeout, attempt)
            .await
            .unwrap_or(Err(UpstreamError::TimedOut { seconds: timeout.as_secs() }))
    }

    /// Sends one request in the child's session of `session`.
    async fn send(
        &self,
        method: Method,
        session: &Session,
        resume: Option<&str>,
        body: Bytes,
    ) -> Result<ClientResponse, UpstreamError> {
        let mut request = self.child.request(&method).insert_header((VERSION_HEADER, session.version()));
        if let Some(id) = session.child_session() {
            request = request.insert_header((SESSION_HEADER, id));
        }
        if let Some(id) = resume {
            request = request.insert_header((RESUME_HEADER, id));
        }
        self.child.send(request, body, self.child.call_timeout).await
    }

    async fn delete(&self, session: &str) {
        let request = self.child.request(&Method::DELETE).insert_header((SESSION_HEADER, session));
        // A child may refuse DELETE (405) or be gone: either way there is nothing left to do.
        let _ = self.child.send(request, Bytes::new(), Duration::from_secs(5)).await;
    }

    /// Sends `body`; opens the session anew, once, when the child has forgotten it.
    async fn send_in_session(
        &self,
        method: Method,
        session: &Session,
        body: Bytes,
    ) -> Result<ClientResponse, UpstreamError> {
        // A session that was kept over a restart of ours is not known to the child yet.
        let known = session.child_session().is_some() || session.is_open_at_child();
        if known {
            let response = self.send(method.clone(), session, None, body.clone()).await?;
            if response.status() != StatusCode::NOT_FOUND || session.child_session().is_none() {
                return Ok(response);
            }
        }
        self.reopen(session).await?;
        let response = self.send(method, session, None, body).await?;
        if response.status() == StatusCode::NOT_FOUND { Err(UpstreamError::SessionLost) } else { Ok(response) }
    }

    async fn reopen(&self, session: &Session) -> Result<(), UpstreamError> {
        session.set_child_session(None);
        let hello = session.hello().clone();
        let response = self.send(Method::POST, session, None, hello).await?;
        session.set_child_session(session_of(&response));
        self.answer_of(response).await?;
        session.set_open_at_child();
        let initialized = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let mut accepted = self.send(Method::POST, session, None, initialized).await?;
        self.child.collect(&mut accepted).await?;
        self.go_on(session).await;
        Ok(())
    }

    /// The new session at the child knows nothing of what the client had asked for.
    async fn go_on(&self, session: &Session) {
        let mut requests: Vec<(&str, serde_json::Value)> = session
            .subscriptions()
            .into_iter()
            .map(|uri| ("resources/subscribe", serde_json::json!({ "uri": uri })))
            .collect();
        if let Some(level) = session.level() {
            requests.push(("logging/setLevel", serde_json::json!({ "level": level.as_str() })));
        }
        for (method, params) in requests {
            let request = Message::own(method, &params.to_string());
            if let Ok(mut response) = self.send(Method::POST, session, None, request.body().clone()).await {
                let _ = self.child.collect(&mut response).await;
            }
        }
    }

    /// The one response in an answer, whether it came as JSON or as events.
    async fn answer_of(&self, mut response: ClientResponse) -> Result<Message, UpstreamError> {
        if !response.status().is_success() {
            return Err(bad_status(&response));
        }
        if !is_event_stream(&response) {
            let body = self.child.collect(&mut response).await?;
            return Message::parse(body).map_err(|error| broken(&error));
        }
        let mut messages = Messages::new(response, self.child.max_answer_bytes);
        while let Some(message) = messages.next().await {
            let message = message?;
            if message.kind() == Kind::Response {
                return Ok(message);
            }
        }
        Err(UpstreamError::Protocol { detail: "its event stream ended without an answer".to_owned() })
    }

    async fn reply_of(
        self: Arc<Self>,
        session: Arc<Session>,
        mut response: ClientResponse,
        id: String,
        mut unanswered: Unanswered,
    ) -> Result<Reply, UpstreamError> {
        if is_event_stream(&response) && response.status().is_success() {
            let messages = Messages::new(response, self.child.max_answer_bytes);
            let counted = self.child.counted();
            let call = Call { peer: self, session, messages, id, unanswered, clock: Arc::default(), _counted: counted };
            return Ok(Reply::Events(call.events().boxed_local()));
        }
        // A refusal may carry its reason as a JSON-RPC error; that is the answer then.
        let status = bad_status(&response);
        let success = response.status().is_success();
        let body = self.child.collect(&mut response).await?;
        unanswered.over();
        match Message::parse(body) {
            Ok(message) if message.kind() == Kind::Response => Ok(Reply::Answer(message.with_id(&id))),
            Err(error) if success => Err(broken(&error)),
            _ => Err(status),
        }
    }

    /// A request of the child: answered here, or on its way to the client.
    fn asked(self: &Arc<Self>, session: &Arc<Session>, request: Message, clock: Option<Arc<Clock>>) -> Option<Ask> {
        let (peer, session, id) = (Arc::clone(self), Arc::clone(session), request.id().to_owned());
        if let Some(clock) = &clock {
            clock.stop();
        }
        let ping = request.method() == "ping";
        let ask = Ask::new(request, move |outcome| {
            if let Some(clock) = clock {
                clock.resume();
            }
            let body = Bytes::from(outcome.response(&id));
            // Whoever answers does so on a thread of ours; the child's acceptance is not waited for.
            actix_rt::spawn(async move {
                if let Ok(mut response) = peer.send(Method::POST, &session, None, body).await {
                    let _ = peer.child.collect(&mut response).await;
                }
            });
        });
        if ping {
            ask.answer(Outcome::Result(Bytes::from_static(b"{}")));
            return None;
        }
        Some(ask)
    }

    /// Hands what the child says on its own account to the session, until either is gone.
    async fn pump(peer: Weak<Self>, session: Weak<Session>, mut messages: Messages) {
        let Some(gone) = session.upgrade().map(|session| session.gone()) else { return };
        loop {
            let next = tokio::select! {
                () = gone.cancelled() => return,
                next = messages.next() => next,
            };
            let (Some(peer), Some(session)) = (peer.upgrade(), session.upgrade()) else { return };
            match next {
                Some(Ok(message)) => peer.deliver(&session, message),
                Some(Err(_)) | None => {
                    tokio::time::sleep(messages.pause()).await;
                    let resume = messages.last_id();
                    match peer.send(Method::GET, &session, resume.as_deref(), Bytes::new()).await {
                        Ok(response) if response.status().is_success() => messages.go_on(response),
                        _ => {
                            session.set_listening(false);
                            return;
                        }
                    }
                }
            }
        }
    }

    fn deliver(self: &Arc<Self>, session: &Arc<Session>, message: Message) {
        let event = match message.kind() {
            Kind::Notification => Event::Note(message),
            Kind::Request => match self.asked(session, message, None) {
                Some(ask) => Event::Ask(ask),
                None => return,
            },
            Kind::Response => return,
        };
        // An ask that nobody takes is answered by being dropped.
        if let Some(Event::Note(note)) = session.deliver(event) {
            session.keep(note);
        }
    }
}

/// A call whose answer comes as events.
struct Call {
    peer: Arc<SessionHttp>,
    session: Arc<Session>,
    messages: Messages,
    /// The client's own id.
    id: String,
    unanswered: Unanswered,
    clock: Arc<Clock>,
    _counted: Counted,
}

impl Call {
    fn events(self) -> impl stream::Stream<Item = Event> {
        stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            match call.next().await {
                Ok(Event::Answer(answer)) => Some((Event::Answer(answer), None)),
                Ok(event) => Some((event, Some(call))),
                Err(error) => {
                    Some((Event::Answer(Message::failure(&call.id, Code::Internal, &error.to_string())), None))
                }
            }
        })
    }

    async fn next(&mut self) -> Result<Event, UpstreamError> {
        let timeout = self.peer.child.call_timeout;
        let mut deadline = Instant::now() + timeout;
        loop {
            let Ok(next) = tokio::time::timeout_at(deadline, self.messages.next()).await else {
                let left = self.clock.left(timeout).ok_or(UpstreamError::TimedOut { seconds: timeout.as_secs() })?;
                deadline = Instant::now() + left;
                continue;
            };
            match next {
                Some(Ok(message)) => match message.kind() {
                    Kind::Response if message.answers(&self.unanswered.id) => {
                        self.unanswered.over();
                        return Ok(Event::Answer(message.with_id(&self.id)));
                    }
                    Kind::Response => log::debug!("an answer that nobody waits for was dropped"),
                    Kind::Notification => return Ok(Event::Note(message)),
                    Kind::Request => {
                        let clock = Some(Arc::clone(&self.clock));
                        if let Some(ask) = self.peer.asked(&self.session, message, clock) {
                            return Ok(Event::Ask(ask));
                        }
                    }
                },
                Some(Err(_)) | None => self.resume().await?,
            }
        }
    }

    /// The child closed the connection before its answer: it is fetched where it broke off
    /// (2025-11-25 transports, "Resumability and Redelivery").
    async fn resume(&mut self) -> Result<(), UpstreamError> {
        let lost = || UpstreamError::Protocol { detail: "its event stream ended without an answer".to_owned() };
        let id = self.messages.last_id().ok_or_else(lost)?;
        tokio::time::sleep(self.messages.pause()).await;
        let response = self.peer.send(Method::GET, &self.session, Some(&id), Bytes::new()).await?;
        if !response.status().is_success() || !is_event_stream(&response) {
            return Err(lost());
        }
        self.messages.go_on(response);
        Ok(())
    }
}

/// A request that the child has not answered. Dropped before that, it is cancelled where its client
/// keeps no session: the child does not take a closed connection for a cancellation.
struct Unanswered {
    peer: Weak<SessionHttp>,
    session: Arc<Session>,
    /// Its id at the child.
    id: String,
    cancels: bool,
}

impl Unanswered {
    const fn over(&mut self) {
        self.cancels = false;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(peer) = self.peer.upgrade().filter(|_| self.cancels) else { return };
        let params = format!(r#"{{"requestId":{},"reason":"the client went away"}}"#, self.id);
        let told = peer.notify(Arc::clone(&self.session), Message::note("notifications/cancelled", &params));
        actix_rt::spawn(async move {
            if let Err(error) = told.await {
                log::debug!("a call could not be cancelled: {error}");
            }
        });
    }
}

fn session_of(response: &ClientResponse) -> Option<String> {
    response.headers().get(SESSION_HEADER)?.to_str().ok().map(str::to_owned)
}

impl SessionPeer for SessionHttp {
    fn open(
        self: Arc<Self>,
        session: Arc<Session>,
        initialize: Message,
    ) -> LocalBoxFuture<'static, Result<Message, UpstreamError>> {
        async move {
            let request = self.child.request(&Method::POST);
            let response = self.child.send(request, initialize.body().clone(), self.child.call_timeout).await?;
            session.set_child_session(session_of(&response));
            let answer = self.answer_of(response).await?;
            session.set_open_at_child();
            Ok(answer)
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
            let client_id = request.id().to_owned();
            let request = if session.is_internal() { request.with_id(&self.mint()) } else { request };
            let unanswered = Unanswered {
                peer: Arc::downgrade(&self),
                session: Arc::clone(&session),
                id: request.id().to_owned(),
                cancels: terms.stateless,
            };
            let counted = self.child.counted();
            let response = self.send_in_session(Method::POST, &session, request.body().clone()).await?;
            let reply = self.reply_of(session, response, client_id, unanswered).await;
            drop(counted);
            reply
        }
        .boxed_local()
    }

    fn notify(
        self: Arc<Self>,
        session: Arc<Session>,
        message: Message,
    ) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            let mut response = self.send_in_session(Method::POST, &session, message.body().clone()).await?;
            if response.status().is_success() {
                return self.child.collect(&mut response).await.map(|_| ());
            }
            Err(bad_status(&response))
        }
        .boxed_local()
    }

    fn listen(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, Result<(), UpstreamError>> {
        async move {
            if session.set_listening(true) {
                return Ok(());
            }
            let opened = self.send_in_session(Method::GET, &session, Bytes::new()).await;
            match opened {
                Ok(response) if response.status().is_success() => {
                    let messages = Messages::new(response, self.child.max_answer_bytes);
                    let pump = Self::pump(Arc::downgrade(&self), Arc::downgrade(&session), messages);
                    actix_rt::spawn(pump);
                    Ok(())
                }
                outcome => {
                    session.set_listening(false);
                    let response = outcome?;
                    Err(match response.status() {
                        StatusCode::METHOD_NOT_ALLOWED => UpstreamError::NotOffered { what: "a stream of its own" },
                        _ => bad_status(&response),
                    })
                }
            }
        }
        .boxed_local()
    }

    fn end(self: Arc<Self>, session: Arc<Session>) -> LocalBoxFuture<'static, ()> {
        async move {
            if let Some(id) = session.child_session() {
                self.delete(&id).await;
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
                session.subscribe(&uri);
            }
        }
        "resources/unsubscribe" => {
            if let Some(uri) = request.param("uri") {
                session.unsubscribe(&uri);
            }
        }
        "logging/setLevel" => {
            if let Some(level) =
                request.param("level").and_then(|level| crate::mcp::capabilities::LogLevel::read(&level))
            {
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
