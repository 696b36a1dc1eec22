//! The first words with a fresh child: in which era it is spoken to, and how clients of both reach it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    actors::{Runtime, eras::Version},
    domain::ids::UserId,
    mcp::{
        bridge::{HeldLimits, of_session_child, of_stateless_child},
        era::Era,
        error::UpstreamError,
        http::{HttpChild, SessionHttp, StatelessHttp},
        session::Sessions,
        stdio::{Pipe, Probed, SessionStdio, StatelessStdio},
        upstream::Upstream,
    },
    process::{
        StderrTail,
        inspect::{self, Listener},
    },
};

/// How the child is reached, before the conversation with it is open.
pub(super) enum Speaks {
    /// On pipes, in the era that this version of the service is taken to speak.
    Stdio { pipe: Arc<Pipe>, version: Version, era: Era },
    /// Over HTTP, where asking does no harm.
    Http(Arc<HttpChild>, Listening),
}

/// Who must be found listening before anything is said: what is said may carry a credential.
pub(super) enum Listening {
    /// A program in a network of its own, where nobody else is.
    Alone,
    /// On a port that any program of this host could have taken before it.
    Among { port: u16, leader: u32 },
}

impl Listening {
    /// `Err` as long as it is not the program that listens.
    async fn check(&self) -> Result<(), String> {
        let Self::Among { port, leader } = *self else { return Ok(()) };
        let look = move || inspect::listener_on(port, Some(leader));
        match tokio::task::spawn_blocking(look).await {
            Ok(Listener::Own { .. }) => Ok(()),
            Ok(Listener::Nobody) => Err(format!("it does not listen on port {port}")),
            Ok(Listener::Other) => Err(format!("another process listens on port {port}: it is not spoken to")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Speaks {
    /// Why it could not be opened, and what it said instead of MCP.
    pub(super) fn with_noise(&self, detail: String, tail: &StderrTail) -> String {
        match self {
            Self::Stdio { pipe, .. } => match pipe.noise() {
                Some(noise) => format!("{detail}; {}", tail.masked(&noise)),
                None => detail,
            },
            Self::Http(..) => detail,
        }
    }
}

/// What is needed to open it.
pub(super) struct Opening<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) sessions: &'a Arc<Sessions>,
    pub(super) owner: UserId,
    pub(super) timeout: Duration,
}

impl Opening<'_> {
    /// Waits for the child's first answer.
    pub(super) async fn open(&self, speaks: &Speaks) -> Result<Upstream, String> {
        match speaks {
            Speaks::Stdio { pipe, version, era: Era::Stateless } => self.open_stateless(pipe, version).await,
            Speaks::Stdio { pipe, version, era: Era::Session } => self.open_session(pipe, version).await,
            Speaks::Http(http, listening) => self.wait_for_port(http, listening).await,
        }
    }

    async fn open_session(&self, pipe: &Arc<Pipe>, version: &Version) -> Result<Upstream, String> {
        let opening = SessionStdio::initialize(Arc::clone(pipe), Arc::clone(self.sessions), self.timeout);
        match opening.await {
            Ok(child) => {
                self.runtime.eras.confirm(version).await;
                self.session_child(child)
            }
            Err(error) => {
                if matches!(error, UpstreamError::Refused { .. }) {
                    self.runtime.eras.forget(version).await;
                }
                Err(format!("initialize: {error}"))
            }
        }
    }

    async fn open_stateless(&self, pipe: &Arc<Pipe>, version: &Version) -> Result<Upstream, String> {
        match StatelessStdio::probe(Arc::clone(pipe), self.timeout).await {
            Ok(Probed::Stateless(child)) => {
                let discovered = child.discovered().clone();
                let sessions = Arc::clone(self.sessions);
                Ok(of_stateless_child(child, &discovered, sessions, self.owner, self.limits()))
            }
            Ok(Probed::Session) => {
                self.runtime.eras.forget(version).await;
                Err("server/discover: it does not speak 2026-07-28 any more; it is probed anew".to_owned())
            }
            Err(error) => Err(format!("server/discover: {error}")),
        }
    }

    fn session_child<P>(&self, child: Arc<P>) -> Result<Upstream, String>
    where
        P: crate::mcp::upstream::SessionPeer + crate::mcp::upstream::Pulse + 'static,
    {
        of_session_child(child, Arc::clone(self.sessions), self.owner, self.limits())
            .map_err(|error| format!("no randomness: {error}"))
    }

    fn limits(&self) -> HeldLimits {
        let config = &self.runtime.config;
        HeldLimits { parked: config.max_parked, listens: config.max_sessions, patience: config.ask_patience }
    }

    async fn wait_for_port(&self, http: &Arc<HttpChild>, listening: &Listening) -> Result<Upstream, String> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = Duration::from_millis(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match listening.check().await {
                Err(reason) => reason,
                Ok(()) => match self.knock(http, left.min(Duration::from_secs(5))).await {
                    Ok(upstream) => return upstream,
                    Err(error) => error.to_string(),
                },
            };
            if left <= pause {
                return Err(format!(
                    "no answer at its MCP endpoint within {:.1} s: {error}",
                    self.timeout.as_secs_f32()
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// One attempt over HTTP, in the newer era first.
    pub(super) async fn knock(
        &self,
        http: &Arc<HttpChild>,
        timeout: Duration,
    ) -> Result<Result<Upstream, String>, UpstreamError> {
        match StatelessHttp::probe(Arc::clone(http), timeout).await {
            Ok(Some(child)) => {
                let discovered = child.discovered().clone();
                let sessions = Arc::clone(self.sessions);
                return Ok(Ok(of_stateless_child(child, &discovered, sessions, self.owner, self.limits())));
            }
            // Some servers leave unknown requests unanswered.
            Ok(None) | Err(UpstreamError::TimedOut { .. }) => {}
            Err(error) => return Err(error),
        }
        SessionHttp::initialize(Arc::clone(http), timeout).await.map(|child| self.session_child(child))
    }
}
