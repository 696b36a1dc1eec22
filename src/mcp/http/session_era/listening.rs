//! What the child says on its own account: its GET stream, for as long as a session listens.
//!
//! Invariant: a session that is marked as listening to this child has a pump, or one is about to be.

use std::{
    ops::ControlFlow,
    sync::{Arc, Weak},
};

use awc::{
    ClientResponse,
    http::{Method, StatusCode},
};
use bytes::Bytes;

use super::SessionHttp;
use crate::mcp::{
    error::UpstreamError,
    http::{bad_status, events::Messages, is_event_stream, repeat::Repeat},
    jsonrpc::{Kind, Message},
    session::Session,
    upstream::Event,
};

/// A session listens to the child `number` for as long as this is held.
pub(super) struct Listening {
    session: Weak<Session>,
    number: u64,
}

impl Listening {
    /// `None` when it does already.
    pub(super) fn begin(session: &Arc<Session>, number: u64) -> Option<Self> {
        session.start_listening(number).then(|| Self { session: Arc::downgrade(session), number })
    }

    /// The session, if it still listens to this child.
    fn session(&self) -> Option<Arc<Session>> {
        self.session.upgrade().filter(|session| session.listens_to(self.number))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.stop_listening(self.number);
        }
    }
}

/// Hands what the child says to the session, until either is gone. A child that does not offer its
/// stream any more ends the client's too: it comes back and is told so.
pub(super) async fn pump(peer: Weak<SessionHttp>, listening: Listening, messages: Messages) {
    let Some(gone) = listening.session().map(|session| session.gone()) else { return };
    tokio::select! {
        () = gone.cancelled() => {}
        () = read(&peer, &listening, messages) => {
            let session = listening.session();
            // First: the client may be back before this goes any further.
            drop(listening);
            if let (Some(session), Some(_)) = (session, peer.upgrade()) {
                session.streams().hang_up_own();
            }
        }
    }
}

/// Returns when the child offers no stream any more, or somebody is gone.
async fn read(peer: &Weak<SessionHttp>, listening: &Listening, mut messages: Messages) {
    loop {
        let next = messages.next().await;
        let (Some(running), Some(session)) = (peer.upgrade(), listening.session()) else { return };
        match next {
            Some(Ok(message)) => running.deliver(&session, message),
            Some(Err(_)) | None => {
                drop((running, session));
                if resume(peer, listening, &mut messages).await.is_break() {
                    return;
                }
            }
        }
    }
}

/// Tries until the stream is open again.
async fn resume(peer: &Weak<SessionHttp>, listening: &Listening, messages: &mut Messages) -> ControlFlow<()> {
    loop {
        // Nobody is held meanwhile: both may go.
        tokio::time::sleep(messages.pause()).await;
        let (Some(peer), Some(session)) = (peer.upgrade(), listening.session()) else { return ControlFlow::Break(()) };
        let resuming = peer.resume_stream(&session, messages.last_id());
        match peer.child.until(peer.child.deadline(), resuming).await {
            Ok(response) => {
                messages.go_on(response);
                return ControlFlow::Continue(());
            }
            Err(UpstreamError::NotOffered { .. }) => return ControlFlow::Break(()),
            Err(error) => log::debug!("the child's own stream is not there: {error}"),
        }
    }
}

impl SessionHttp {
    /// The child's own stream in `session`, from now on.
    pub(super) async fn open_stream(self: &Arc<Self>, session: &Session) -> Result<ClientResponse, UpstreamError> {
        match self.send_in_session(Method::GET, session, (Bytes::new(), Repeat::Unsent)).await {
            Ok(response) => stream_of(response),
            // The session has just been opened there: it is the stream that is not found.
            Err(UpstreamError::SessionLost) => Err(NOT_OFFERED),
            Err(error) => Err(error),
        }
    }

    /// The same from where it broke off; from now on where the child cannot do that.
    async fn resume_stream(
        self: &Arc<Self>,
        session: &Session,
        seen: Option<String>,
    ) -> Result<ClientResponse, UpstreamError> {
        if let (Some(at), Some(seen)) = (session.child_session(), seen) {
            let response = self.send(Method::GET, &at, Some(&seen), (Bytes::new(), Repeat::Unsent)).await?;
            let status = response.status();
            if !status.is_client_error() || status == StatusCode::METHOD_NOT_ALLOWED {
                return stream_of(response);
            }
        }
        self.open_stream(session).await
    }

    fn deliver(self: &Arc<Self>, session: &Session, message: Message) {
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

const NOT_OFFERED: UpstreamError = UpstreamError::NotOffered { what: "a stream of its own" };

fn stream_of(response: ClientResponse) -> Result<ClientResponse, UpstreamError> {
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => Err(NOT_OFFERED),
        status if !status.is_success() => Err(bad_status(&response)),
        _ if !is_event_stream(&response) => Err(NOT_OFFERED),
        _ => Ok(response),
    }
}
