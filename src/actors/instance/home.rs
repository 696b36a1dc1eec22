//! Whose process an actor keeps: an instance's own, that of one connection of it, or one of a shared service.
//!
//! What differs between them is a value here, so that the actor never asks which it is.

use std::time::Duration;

use crate::{
    actors::{Recorder, Runtime},
    domain::{
        fingerprint::Fingerprint,
        ids::InstanceId,
        instance::{Instance, Mode, Status},
        manifest::SharedSpec,
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
    /// Whom its processes run as.
    pub(in crate::actors) runs_as: RunsAs,
    /// The port that it is to listen on, where that is fixed.
    pub(in crate::actors) port: Option<u16>,
    /// Whether its processes are somebody's, who has places for so many.
    pub(in crate::actors) takes_place: bool,
    /// Whether it has no process, but is served by those of its service.
    pub(in crate::actors) is_pooled: bool,
}

/// Whom processes run as, where Berth is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::actors) enum RunsAs {
    /// The person with this ordinal.
    Person(u32),
    /// The shared service with this ordinal.
    Service(u32),
}

impl Home {
    /// An instance's own. All its sessions are served by one process, so they have one id for it.
    pub(in crate::actors) fn of_instance(runtime: &Runtime, instance: &Instance) -> Self {
        Self {
            mark: instance.id,
            name: instance.process_name(),
            session: instance.id.uuid().simple().to_string(),
            dirs: runtime.paths.of(instance),
            wakes_by_plan: instance.mode != Mode::Shared,
            session_idle: runtime.config.session_idle,
            runs_as: RunsAs::Person(instance.user_number),
            port: None,
            takes_place: instance.mode != Mode::Shared,
            is_pooled: instance.mode == Mode::Shared,
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
            runs_as: RunsAs::Person(instance.user_number),
            port: None,
            takes_place: true,
            is_pooled: false,
        })
    }

    /// That of a process that is only tried: it is nobody's, who would have to have a place for it.
    pub(in crate::actors) fn of_trial(runtime: &Runtime, trial: &Instance) -> Self {
        Self {
            name: format!("mcp-trial-{}", trial.service),
            dirs: runtime.paths.of_trial(trial.id),
            wakes_by_plan: false,
            takes_place: false,
            is_pooled: false,
            ..Self::of_instance(runtime, trial)
        }
    }

    /// That of the process `number` of a shared service, whose record is `worker`.
    pub(in crate::actors) fn of_worker(runtime: &Runtime, worker: &Instance, spec: &SharedSpec, number: u16) -> Self {
        let ordinal = spec.port.saturating_sub(*runtime.config.shared_ports.iter().start());
        Self {
            mark: worker.id,
            name: format!("mcp-shared-{}-{number}", worker.service),
            session: worker.id.uuid().simple().to_string(),
            dirs: runtime.paths.of_worker(&worker.service, number),
            wakes_by_plan: false,
            session_idle: runtime.config.session_idle,
            // The first port of a service is its own, and so is this.
            runs_as: RunsAs::Service(ordinal.into()),
            port: spec.port.checked_add(number),
            takes_place: false,
            is_pooled: false,
        }
    }
}

/// Where what becomes of a process is written down.
pub(in crate::actors) enum Chronicle {
    /// As the instance's own state.
    Instance(Recorder, InstanceId),
    /// Failures and limits alone, as events of the instance that it is a connection of.
    Connection(Recorder, InstanceId, SessionId),
    /// In Berth's own log alone.
    Log,
}

impl Chronicle {
    pub(super) fn state(&self, status: &Status, last_good: Option<Fingerprint>) {
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
            Self::Log => {}
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
            Self::Connection(..) | Self::Log => {}
        }
    }
}
