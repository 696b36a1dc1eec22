//! What is shown of an instance: its record joined with what its actor publishes.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    domain::{
        crash::CrashCard,
        ids::{InstanceId, UserId},
        instance::{Instance, Mode, Status},
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
    usage: Option<Usage>,
    last_error: Option<CrashCard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    walls: Arc<[WallReport]>,
}

impl InstanceView {
    /// The record joined with what its actor publishes.
    pub fn of(instance: Instance, state: &AppState) -> Self {
        let route = state.routes.get(instance.id);
        let status = route.as_ref().map_or_else(|| Status::of(&instance), |route| route.status());
        let base = state.public_url.as_str().trim_end_matches('/');
        let manifest = state.catalog.get(&instance.service).map(|service| service.manifest.limits).unwrap_or_default();
        Self {
            url: format!("{base}/{}/{}/mcp", instance.service, instance.id),
            slug_url: format!("{base}/{}/{}/mcp", instance.slug, instance.service),
            id: instance.id,
            owner: instance.user_id,
            slug: instance.slug,
            service: instance.service,
            number: instance.number,
            label: instance.label,
            mode: instance.mode,
            status: status.state,
            health: status.health,
            port: status.port,
            pid: status.pid,
            created_at: instance.created_at,
            started_at: status.started_at,
            expires_at: status.expires_at,
            restarts: status.restarts,
            limits: instance.limits.or(manifest),
            usage: route.and_then(|route| route.usage()),
            last_error: status.last_error,
            progress: status.progress,
            walls: status.walls,
        }
    }
}
