//! The whole vocabulary. Requests and commands are imperative; events are facts in the past tense
//! and carry the generation of the start that they belong to: a stale one is ignored.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use super::{
    instance::{Running, Started},
    supervisor::BootReport,
};
use crate::{
    db::{client_sessions::ClientSession, connections::ConnectionRecord},
    domain::{
        crash::ExitReason,
        fingerprint::Fingerprint,
        ids::{Generation, InstanceId},
        instance::Instance,
        lifecycle::Health,
        time::Timestamp,
    },
    mcp::http::Headers,
    process::{DirectorySize, Samples},
};

// === handle → supervisor ===

/// Join database and reality.
#[derive(Message)]
#[rtype(result = "BootReport")]
pub(super) struct Boot {
    pub(super) instances: Vec<Instance>,
    /// Client sessions of the last run.
    pub(super) sessions: Vec<ClientSession>,
    /// Connections of the last run.
    pub(super) connections: Vec<ConnectionRecord>,
}

/// Start the processes of shared services that run without being needed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct StartWithBerth;

/// Take on a recorded instance and start it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AddInstance {
    pub(super) instance: Instance,
    /// Client sessions of the last run.
    pub(super) sessions: Vec<ClientSession>,
    /// Connections of the last run.
    pub(super) connections: Vec<ConnectionRecord>,
}

/// Hand a command to an instance; answers whether it is known.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct ToInstance {
    pub(super) id: InstanceId,
    pub(super) command: InstanceCommand,
}

/// The actor of an instance whose mode has changed has ended: start one of the other kind.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ChangeMode {
    pub(super) id: InstanceId,
}

/// Take an instance off the route table and end it; answers whether it was known.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct RemoveInstance {
    pub(super) id: InstanceId,
    pub(super) done: oneshot::Sender<()>,
}

/// Stop everything; each receiver says whether its instance ended by itself.
#[derive(Message)]
#[rtype(result = "Vec<oneshot::Receiver<bool>>")]
pub(super) struct Shutdown;

// === supervisor → instance ===

/// What an instance is told to do. Fire and forget: the outcome shows in its status.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum InstanceCommand {
    /// Come up, with a full restart budget.
    Start,
    /// Go down until told otherwise.
    Stop,
    /// Down and up again.
    Restart,
    /// Expire at another time.
    Renew { until: Option<Timestamp> },
    /// Be debugged until then, or no longer.
    Debug { until: Option<Timestamp> },
    /// Use the credential as it is now; `done` hears when requests do. A process that was told at its start is replaced
    /// when it has answered its calls.
    Refresh { done: Option<oneshot::Sender<()>> },
    /// Use this record from the next start on; what requests carry, at once: `done` hears when that is so.
    Reconfigure { instance: Box<Instance>, done: Option<oneshot::Sender<()>> },
    /// Say what the process wrote last on its standard error.
    LastWords { reply: oneshot::Sender<Vec<String>> },
    /// Say that the commands before this one have been taken.
    Heard { reply: oneshot::Sender<()> },
    /// Check health now.
    Check { reply: oneshot::Sender<Health> },
    /// Go down, delete the files, end.
    Delete { done: oneshot::Sender<()> },
    /// Go down because Berth does; what is desired stays.
    ShutDown { graceful: oneshot::Sender<bool> },
    /// Come up, if asleep.
    Wake,
    /// A sample of all processes was taken.
    Sample { samples: Arc<Samples> },
}

// === supervisor → pool ===

/// What the processes of a shared service are told to do.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum PoolCommand {
    /// A sample of all processes was taken.
    Sample { samples: Arc<Samples> },
    /// End, because Berth does.
    ShutDown { graceful: oneshot::Sender<bool> },
}

// === instance → supervisor ===

/// An instance's actor, or a pool's, is gone: deleted, or failed by a panic.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct InstanceGone {
    pub(super) id: InstanceId,
    /// Whether it was meant to go.
    pub(super) deliberate: bool,
}

// === task → its own instance ===

/// What tasks of an instance report.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Happened {
    pub(super) generation: Generation,
    pub(super) what: What,
}

/// Facts about one start.
pub(super) enum What {
    /// Something is being waited for, in words.
    Progressed { text: String },
    /// The process exists (a remote server has none).
    Spawned { running: Option<Box<Running>>, fingerprint: Fingerprint },
    /// It answered.
    Ready { started: Box<Started> },
    /// It ended, or never came up.
    Ended { reason: ExitReason },
    /// What its requests are to carry from now on.
    Dressed { headers: Result<Headers, ExitReason>, done: Option<oneshot::Sender<()>> },
    /// A health check came to an end.
    Probed { outcome: Result<(), String> },
    /// Disk use was measured.
    Measured { disk: DirectorySize, logs: DirectorySize },
}
