//! Watches a process until it ends, and says why.

use std::{sync::Arc, time::Duration};

use actix::Addr;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::InstanceActor;
use crate::{
    actors::messages::{Happened, What},
    domain::{crash::ExitReason, ids::Generation},
    mcp::stdio::End,
    process::{ProcessTree, PumpReport},
};

/// How long what a process wrote last may take to be read after its end.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long a process may live on after it has closed its output.
const AFTER_CLOSE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Watch {
    pub(super) exit: oneshot::Receiver<ExitReason>,
    pub(super) reading: Option<JoinHandle<End>>,
    pub(super) pump: Option<JoinHandle<PumpReport>>,
    pub(super) tree: Arc<ProcessTree>,
    pub(super) ended: watch::Sender<bool>,
    pub(super) actor: Addr<InstanceActor>,
    pub(super) generation: Generation,
}

impl Watch {
    /// Ends with the process.
    pub(super) async fn run(mut self) {
        let reason = self.reason().await;
        self.ended.send_replace(true);
        if let Some(pump) = &mut self.pump {
            let _ = timeout(LAST_WORDS, pump).await;
        }
        self.actor.do_send(Happened { generation: self.generation, what: What::Ended { reason } });
    }

    async fn reason(&mut self) -> ExitReason {
        let Some(mut reading) = self.reading.take() else { return exited(&mut self.exit).await };
        tokio::select! {
            reason = exited(&mut self.exit) => {
                let _ = timeout(LAST_WORDS, reading).await;
                reason
            }
            end = &mut reading => self.stopped_speaking(end.unwrap_or(End::Closed)).await,
        }
    }

    /// The process lives, but no longer speaks.
    async fn stopped_speaking(&mut self, end: End) -> ExitReason {
        if end == End::Closed
            && let Ok(reason) = timeout(AFTER_CLOSE, exited(&mut self.exit)).await
        {
            return reason;
        }
        self.tree.kill().await;
        ExitReason::Protocol { detail: end.to_string() }
    }
}

async fn exited(exit: &mut oneshot::Receiver<ExitReason>) -> ExitReason {
    let lost = || ExitReason::Lost { detail: "nobody was watching the process any more".to_owned() };
    exit.await.unwrap_or_else(|_| lost())
}
