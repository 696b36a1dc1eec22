//! Waiting for a child: one that sleeps is woken, one on its way up is waited for.

use std::{sync::Weak, time::Duration};

use tokio::sync::Notify;

use super::{Link, Route};
use crate::{
    domain::{crash::ExitReason, instance::Status, lifecycle::State},
    mcp::{error::Unavailable, session::SessionId, upstream::Upstream},
    routing::Connections,
};

/// What wakes a child that sleeps.
pub(super) enum Doorbell {
    /// Its own actor hears it.
    Own(Notify),
    /// The house decides: processes of connections are counted together.
    House { id: SessionId, connections: Weak<Connections> },
}

impl Route {
    /// Returns when a request waits for the sleeping child.
    pub async fn wanted(&self) {
        match &self.doorbell {
            Doorbell::Own(wanted) => wanted.notified().await,
            Doorbell::House { .. } => std::future::pending().await,
        }
    }

    /// The child, waiting up to `patience` while it is on its way up; one that sleeps is woken.
    ///
    /// # Errors
    /// When it is down and not coming, or does not come in time: the text says what to do.
    pub async fn connect(&self, patience: Duration) -> Result<Upstream, Unavailable> {
        if let Link::Up(upstream) = &**self.link.load() {
            return Ok(upstream.clone());
        }
        let coming = tokio::time::timeout(patience, self.wait_for_link()).await;
        coming.unwrap_or_else(|_| {
            let status = self.status();
            let progress = status.progress.map(|progress| format!(" ({progress})")).unwrap_or_default();
            Err(Unavailable { detail: format!("the instance is still {}{progress}; try again shortly", status.state) })
        })
    }

    async fn wait_for_link(&self) -> Result<Upstream, Unavailable> {
        let mut status = self.status.clone();
        let failed_before = status.borrow().failed_wakes;
        loop {
            let now = status.borrow_and_update().clone();
            if let Link::Up(upstream) = &**self.link.load() {
                return Ok(upstream.clone());
            }
            if now.failed_wakes > failed_before {
                return Err(unavailable(&Status { state: State::Failed, ..now }));
            }
            if now.state == State::Idle {
                self.ring().await?;
            }
            // `running` without a link: its process has just ended, and the actor is about to say so.
            if !now.state.will_run() && !now.state.serves() {
                return Err(unavailable(&now));
            }
            if status.changed().await.is_err() {
                return Err(Unavailable { detail: "the instance is being removed".to_owned() });
            }
        }
    }

    async fn ring(&self) -> Result<(), Unavailable> {
        match &self.doorbell {
            Doorbell::Own(wanted) => {
                wanted.notify_one();
                Ok(())
            }
            Doorbell::House { id, connections } => match connections.upgrade() {
                Some(connections) => connections.wake(*id).await,
                None => Err(unavailable(&Status { state: State::Deleted, ..self.status() })),
            },
        }
    }
}

/// Why there is no child, and what to do.
#[must_use]
pub fn unavailable(status: &Status) -> Unavailable {
    let crash = status.last_error.as_ref().map(|card| card.summary()).unwrap_or_default();
    let reason = status.last_error.as_ref().map(|card| &card.reason);
    let detail = match status.state {
        State::Failed if matches!(reason, Some(ExitReason::QuotaReached { .. })) => {
            format!("the instance is {crash}")
        }
        State::Stopped => "the instance is stopped; its owner can toggle it on".to_owned(),
        State::Expired => "the instance has expired; its owner can renew it".to_owned(),
        State::Failed => format!("the instance failed: {crash}; fix the cause and restart it"),
        State::Disconnected => format!("the instance has lost its process: {crash}; restore it"),
        state => format!("the instance is {state}"),
    };
    Unavailable { detail }
}
