//! What is shown of an instance: its record joined with what its actor publishes.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    domain::{
        crash::CrashCard,
        ids::{CredentialId, InstanceId, UserId},
        instance::{Desired, Instance, Mode, Status},
        lifecycle::{Health, State},
        limits::{Limits, Usage},
        names::ServiceName,
        time::Timestamp,
        walls::WallReport,
    },
    web::state::AppState,
};

/// What is shown of an instance.
#[derive(Serialize)]
pub struct InstanceView {
    id: InstanceId,
    owner: UserId,
    slug: String,
    service: ServiceName,
    number: u32,
    label: String,
    mode: Mode,
    /// What its owner wants: running or stopped.
    desired: Desired,
    /// What its owner filled in.
    config: BTreeMap<String, String>,
    credential_id: Option<CredentialId>,
    status: State,
    health: Health,
    port: Option<u16>,
    pid: Option<u32>,
    url: String,
    slug_url: String,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    restarts: u32,
    limits: Limits,
    /// 0: never.
    idle_seconds: u64,
    /// By what each limit holds on this machine.
    limits_enforced: Vec<LimitEnforced>,
    usage: Option<Usage>,
    last_error: Option<CrashCard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    /// Only while it is debugged.
    #[serde(skip_serializing_if = "Option::is_none")]
    debug_until: Option<Timestamp>,
    /// The walls around its process, as they were built.
    walls: Arc<[WallReport]>,
}

/// One limit, and by what it holds.
#[derive(Serialize)]
pub struct LimitEnforced {
    what: &'static str,
    how: &'static str,
    detail: String,
}

impl LimitEnforced {
    /// The lines of the probe that are about limits of instances.
    pub fn all(state: &AppState) -> Vec<Self> {
        const LIMITS: [&str; 6] = ["memory", "cpu", "processes", "open_files", "disk", "log"];
        let lines = state.enforcement.iter().filter(|line| LIMITS.contains(&line.what));
        lines.map(|line| Self { what: line.what, how: line.how.as_str(), detail: line.detail.clone() }).collect()
    }
}

/// The URL of an instance's MCP endpoint.
pub(super) fn address_of(instance: &Instance, state: &AppState) -> String {
    let base = state.public_url.as_str().trim_end_matches('/');
    format!("{base}/{}/{}/mcp", instance.service, instance.id)
}

impl InstanceView {
    /// The record joined with what its actor publishes.
    pub fn of(instance: Instance, state: &AppState) -> Self {
        let route = state.routes.get(instance.id);
        let status = route.as_ref().map_or_else(|| Status::of(&instance), |route| route.status());
        let base = state.public_url.as_str().trim_end_matches('/');
        let url = address_of(&instance, state);
        let service = state.catalog.get(&instance.service);
        let manifest = service.as_ref().map(|service| service.manifest.limits).unwrap_or_default();
        let idle = service.and_then(|service| service.manifest.idle_seconds);
        let idle = instance.idle_after(idle, state.config.runtime.idle);
        Self {
            url,
            slug_url: format!("{base}/{}/{}/mcp", instance.slug, instance.service),
            id: instance.id,
            owner: instance.user_id,
            slug: instance.slug,
            service: instance.service,
            number: instance.number,
            label: instance.label,
            mode: instance.mode,
            desired: instance.desired,
            config: instance.config,
            credential_id: instance.credential_id,
            status: status.state,
            health: status.health,
            port: status.port,
            pid: status.pid,
            created_at: instance.created_at,
            started_at: status.started_at,
            expires_at: status.expires_at,
            restarts: status.restarts,
            idle_seconds: idle.map_or(0, |idle| idle.as_secs()),
            limits: state.config.runtime.limits(instance.limits, manifest),
            limits_enforced: LimitEnforced::all(state),
            usage: route.and_then(|route| route.usage()),
            last_error: status.last_error,
            progress: status.progress,
            debug_until: status.debug_until.filter(|until| *until > Timestamp::now()),
            walls: status.walls,
        }
    }
}
