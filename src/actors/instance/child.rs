//! A process that an instance has, from its spawn to its end.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    actors::{places::Place, ports::PortLease},
    domain::walls::WallReport,
    mcp::stdio::Pipe,
    process::{Door, ProcessTree, StderrTail, logs::LogFile},
};

/// Everything that ends with the process. Dropping it kills the process tree and frees the port.
pub(in crate::actors) struct Running {
    pub(super) pid: u32,
    pub(super) tree: Arc<ProcessTree>,
    pub(super) tail: Arc<StderrTail>,
    /// Where its standard error goes.
    pub(super) log: Option<Arc<LogFile>>,
    /// Becomes true when the leader has ended.
    pub(super) ended: watch::Receiver<bool>,
    /// The pipes of a stdio child.
    pub(super) stdio: Option<Arc<Pipe>>,
    /// The standard input of a child that does not speak there; many servers end when it closes.
    pub(super) stdin: Option<tokio::net::unix::pipe::Sender>,
    pub(super) port: Option<PortLease>,
    /// Its place among the processes of its owner.
    pub(super) _place: Option<Place>,
    /// The walls around it.
    pub(super) walls: Arc<[WallReport]>,
    /// The way into its own network and out of it, where it has one.
    pub(super) door: Option<Door>,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Its port, where it listens on one.
    pub(super) fn port(&self) -> Option<u16> {
        self.port.as_ref().map(PortLease::port)
    }

    /// The last lines of its standard error.
    pub(super) fn stderr_tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// Answers everybody who waits for it.
    pub(super) fn fail_callers(&self, reason: &str) {
        if let Some(stdio) = &self.stdio {
            stdio.close(reason);
        }
    }

    /// Input closed, signal, grace, kill: the whole tree. Waits for an earlier process first.
    /// Returns whether everything ended by itself.
    pub(super) async fn stop(mut self, grace: Duration, previous: Option<Ending>) -> bool {
        let before = finished(previous).await;
        self.stdin = None;
        if let Some(stdio) = &self.stdio {
            stdio.close_input();
        }
        let mut ended = self.ended.clone();
        let outcome = self.tree.stop(grace, async move { ended.wait_for(|ended| *ended).await.map(|_| ()) }).await;
        if !outcome.graceful {
            log::info!("process {} had to be killed", self.pid);
        }
        self.fail_callers("the instance was stopped");
        self.door = None;
        for task in self.tasks.drain(..) {
            task.abort();
        }
        before && outcome.graceful
    }
}

/// The end of a process, for all who wait for it; whether it ended by itself.
pub(in crate::actors) type Ending = Shared<BoxFuture<'static, bool>>;

/// The end that `task` brings about, whoever waits for it.
pub(in crate::actors) fn ending(task: impl Future<Output = bool> + 'static) -> Ending {
    let task = actix_rt::spawn(task);
    // An error means that the task has panicked: the process was killed by `Drop`.
    async move { task.await.unwrap_or(false) }.boxed().shared()
}

/// Waits for the end of a process; whether it ended by itself. None: there was none to end.
pub(super) async fn finished(ending: Option<Ending>) -> bool {
    match ending {
        Some(ending) => ending.await,
        None => true,
    }
}
