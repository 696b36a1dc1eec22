//! Whose process an actor keeps: an instance's own, or that of one connection of it.
//!
//! What differs between the two is a value here, so that the actor never asks which it is.

use std::time::Duration;

use crate::{
    actors::{Recorder, Runtime},
    domain::{
        ids::InstanceId,
        instance::{Instance, Status},
        usage::UsageHour,
    },
    mcp::session::SessionId,
    process::InstanceDirs,
};

/// Names and places of the processes that one actor starts, one after the other.
#[derive(Clone)]
pub(in crate::actors) struct Home {
    /// Marks its processes; no other actor has it.
    pub(in crate::actors) mark: InstanceId,
    /// The process title.
    pub(in crate::actors) name: String,
    /// `{SESSION_ID}`.
    pub(in crate::actors) session: String,
    /// Its own directories.
    pub(in crate::actors) dirs: InstanceDirs,
    /// Whether it is woken at the times that its service names.
    pub(in crate::actors) wakes_by_plan: bool,
    /// How long a client session may be without a request.
    pub(in crate::actors) session_idle: Duration,
}

impl Home {
    /// An instance's own. All its sessions are served by one process, so they have one id for it.
    pub(in crate::actors) fn of_instance(runtime: &Runtime, instance: &Instance) -> Self {
        Self {
            mark: instance.id,
            name: instance.process_name(),
            session: instance.id.uuid().simple().to_string(),
            dirs: runtime.paths.of(instance),
            wakes_by_plan: true,
            session_idle: runtime.config.session_idle,
        }
    }

    /// That of one connection. `None`: never, an id of ours is 128 bits as a UUID is.
    pub(in crate::actors) fn of_connection(runtime: &Runtime, instance: &Instance, id: SessionId) -> Option<Self> {
        let session = id.to_string();
        Some(Self {
            mark: session.parse().ok()?,
            name: format!("{}-{}", instance.process_name(), session.get(..8)?),
            dirs: runtime.paths.of_connection(instance, id),
            wakes_by_plan: false,
            session,
            session_idle: runtime.config.connection_keep,
        })
    }
}

/// Where what becomes of a process is written down.
pub(in crate::actors) enum Chronicle {
    /// As the instance's own state.
    Instance(Recorder, InstanceId),
    /// Failures and limits alone, as events of the instance that it is a connection of.
    Connection(Recorder, InstanceId, SessionId),
}

impl Chronicle {
    pub(super) fn state(&self, status: &Status, last_good: Option<std::collections::BTreeMap<String, String>>) {
        if let Self::Instance(recorder, id) = self {
            recorder.state(*id, status, last_good);
        }
    }

    /// A part of an hour. Of a connection only the CPU time: the rest is counted for all of them at once.
    pub(super) fn usage(&self, part: UsageHour) {
        match self {
            Self::Instance(recorder, id) => recorder.usage(*id, part),
            Self::Connection(recorder, id, _) => {
                recorder.usage(*id, UsageHour { cpu_ms: part.cpu_ms, ..UsageHour::of(part.hour) });
            }
        }
    }

    pub(super) fn event(&self, kind: &'static str, detail: serde_json::Value) {
        match self {
            Self::Instance(recorder, id) => recorder.event(*id, kind, detail),
            Self::Connection(recorder, id, connection) if kind == "ended" => {
                // Only so much of it as tells it from others: who knows all of it can speak for the client.
                let name: String = connection.to_string().chars().take(8).collect();
                let detail = serde_json::json!({ "connection": name, "detail": detail });
                recorder.event(*id, "connection_ended", detail);
            }
            Self::Connection(recorder, id, _) if kind == "limit_hit" => recorder.event(*id, kind, detail),
            Self::Connection(..) => {}
        }
    }
}
