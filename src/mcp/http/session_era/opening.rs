//! How one of our sessions becomes one at the child: at first, and anew when the child has forgotten it.
//!
//! Invariant: a session at the child that nobody has claimed is ended there. A session of ours gets its
//! new one only once that is complete, so that no other call goes out in it before its `initialized`.

use std::{ops::Range, sync::Arc};

use awc::{ClientResponse, http::Method};
use bytes::Bytes;

use super::SessionHttp;
use crate::mcp::{
    error::UpstreamError,
    http::{SESSION_HEADER, bad_status, repeat::Repeat},
    jsonrpc::Message,
    session::{ChildSession, Session},
};

/// A session at the child that belongs to none of ours yet.
pub(super) struct Fresh {
    peer: Arc<SessionHttp>,
    at: Option<Arc<ChildSession>>,
}

impl Fresh {
    /// From now on it is `session` at the child.
    ///
    /// # Errors
    /// When `session` has ended meanwhile.
    pub(super) fn claimed_by(mut self, session: &Session) -> Result<(), UpstreamError> {
        if session.gone().is_cancelled() {
            return Err(UpstreamError::SessionLost);
        }
        if let Some(at) = self.at.take() {
            session.set_child_session(at);
        }
        Ok(())
    }

    /// Ends it.
    pub(super) async fn end(mut self) {
        if let Some(at) = self.at.take().filter(|at| at.id.is_some()) {
            self.peer.delete(&at).await;
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(at) = self.at.take().filter(|at| at.id.is_some()) {
            let peer = Arc::clone(&self.peer);
            actix_rt::spawn(async move { peer.delete(&at).await });
        }
    }
}

impl SessionHttp {
    /// Opens a session at the child with the `initialize` in `body`; the child's answer to it.
    /// `version` is what is spoken where the child does not say.
    pub(super) async fn hello(self: &Arc<Self>, body: Bytes, version: &str) -> Result<(Fresh, Message), UpstreamError> {
        let response = self.child.send(&Method::POST, &[], body, Repeat::Always).await?;
        let (id, version) = (session_of(&response), version.to_owned());
        let failed = response.status().is_server_error().then(|| bad_status(&response));
        let mut fresh = Fresh { peer: Arc::clone(self), at: Some(Arc::new(ChildSession { id: id.clone(), version })) };
        let answer = self.child.answer_of(response).await?;
        if answer.result().is_none() {
            return Err(failed.unwrap_or_else(|| UpstreamError::Refused { detail: refusal(&answer) }));
        }
        if let Some((_, version)) = version_in(&answer) {
            fresh.at = Some(Arc::new(ChildSession { id, version }));
        }
        Ok((fresh, answer))
    }

    /// What `session` is at the child after the child has forgotten `lost`. Calls that find out at
    /// the same time open it anew once.
    pub(super) async fn reopened(
        self: &Arc<Self>,
        session: &Session,
        lost: Option<&Arc<ChildSession>>,
    ) -> Result<Arc<ChildSession>, UpstreamError> {
        let _turn = session.reopening().await;
        if let Some(at) = session.child_session()
            && !lost.is_some_and(|lost| Arc::ptr_eq(lost, &at))
        {
            return Ok(at);
        }
        let (fresh, _) = self.hello(session.hello().clone(), session.version()).await?;
        if let Some(at) = &fresh.at {
            let initialized = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
            let mut accepted = self.send(Method::POST, at, None, (initialized, Repeat::Unsent)).await?;
            self.child.collect(&mut accepted).await?;
            self.go_on(session, at).await;
        }
        fresh.claimed_by(session)?;
        session.child_session().ok_or(UpstreamError::SessionLost)
    }

    /// The new session at the child knows nothing of what the client had asked for.
    async fn go_on(&self, session: &Session, at: &ChildSession) {
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
            if let Ok(mut response) = self.send(Method::POST, at, None, (request.into_body(), Repeat::Unsent)).await {
                let _ = self.child.collect(&mut response).await;
            }
        }
    }
}

fn session_of(response: &ClientResponse) -> Option<String> {
    response.headers().get(SESSION_HEADER)?.to_str().ok().map(str::to_owned)
}

/// The child's own words, where it has any.
fn refusal(answer: &Message) -> String {
    #[derive(serde::Deserialize)]
    struct Words {
        message: String,
    }
    let words = answer.error().and_then(|error| serde_json::from_str::<Words>(error).ok());
    match words {
        Some(Words { message }) => {
            format!("it refused `initialize`: {}", message.chars().take(500).collect::<String>())
        }
        None => "it refused `initialize`".to_owned(),
    }
}

/// The version in an answer to `initialize`, and where it lies, quotes included.
fn version_in(answer: &Message) -> Option<(Range<usize>, String)> {
    #[derive(serde::Deserialize)]
    struct Result<'a> {
        #[serde(borrow, rename = "protocolVersion")]
        version: &'a serde_json::value::RawValue,
    }
    let result: Result<'_> = serde_json::from_str(answer.result()?).ok()?;
    Some((answer.span_of(result.version.get()), serde_json::from_str(result.version.get()).ok()?))
}

/// An answer to `initialize` that says another version.
pub(super) fn with_version(answer: &Message, version: &str) -> Message {
    match version_in(answer) {
        Some((range, said)) if said != version => answer.spliced(&[(range, format!("\"{version}\"").as_bytes())]),
        _ => answer.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn the_version_is_read_and_replaced() {
        let said = answer(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"protocolVersion":"2025-06-18","b":2}}"#);
        assert_eq!(version_in(&said).unwrap().1, "2025-06-18");
        let told = with_version(&said, "2025-11-25");
        assert_eq!(told.result().unwrap(), r#"{"a":1,"protocolVersion":"2025-11-25","b":2}"#);
        assert_eq!(with_version(&told, "2025-11-25").body(), told.body());
        let none = answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(version_in(&none).is_none() && with_version(&none, "2025-11-25").body() == none.body());
    }

    #[test]
    fn a_refusal_is_told_in_the_childs_words() {
        let refused = answer(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not you"}}"#);
        assert_eq!(refusal(&refused), "it refused `initialize`: not you");
    }
}
