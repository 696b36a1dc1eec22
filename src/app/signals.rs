//! The signals that end a run.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listened for from the start, so that none that comes early kills.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    again: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            again: listen(SignalKind::user_defined1())?,
        })
    }

    /// Waits for TERM or INT, which end Berth, or USR1, after which it starts again; returns whether it does.
    pub(super) async fn wait(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.again.recv() => true,
        }
    }
}
