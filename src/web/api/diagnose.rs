//! One report about an instance: what is, what was, the likely cause of its trouble and what to do next.

use std::{fs, path::PathBuf, sync::Arc};

use actix_web::{
    HttpResponse,
    web::{Data, Path},
};
use serde_json::{Value, json};

use super::instances::find;
use crate::{
    catalog::Service,
    db::{OptionalExtension, credentials, events},
    domain::{
        diagnosis::{Facts, Finding, diagnose},
        ids::InstanceId,
        instance::{Instance, Status},
        lifecycle::Health,
        limits::{Limits, Usage},
        manifest::CredentialKind,
        time::Timestamp,
    },
    process::{self, inspect},
    routing::Traffic,
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// Events of the report.
const EVENTS: u32 = 10;

/// What only a look at this machine tells.
struct Seen {
    processes: Vec<inspect::ProcessView>,
    listener: Option<inspect::Listener>,
    disk_free: Option<u64>,
    logs: Vec<Value>,
}

/// Everything that the report is made from.
struct Case {
    instance: Instance,
    status: Status,
    service: Option<Arc<Service>>,
    traffic: Traffic,
    last_used: Option<Timestamp>,
    usage: Option<Usage>,
    checked: Health,
    stderr: Vec<String>,
    credential: Option<credentials::Credential>,
    events: Vec<events::Event>,
    package: Result<crate::catalog::Plan, String>,
    seen: Seen,
}

/// The report. It checks the health of the instance, and changes nothing.
pub async fn report(caller: Caller, state: Data<AppState>, path: Path<InstanceId>) -> Result<HttpResponse, ApiError> {
    let instance = find(&caller.0, &state, path.into_inner(), true).await?;
    let case = Case::gather(&state, instance).await?;
    let facts = case.facts(&state);
    Ok(HttpResponse::Ok().json(case.render(&state, &facts, &diagnose(&facts))))
}

impl Case {
    async fn gather(state: &AppState, instance: Instance) -> Result<Self, ApiError> {
        let id = instance.id;
        // An instance whose actor is just being replaced has none to ask.
        let checked = state.supervisor.check(id).await.unwrap_or(Health::Unknown);
        let stderr = state.supervisor.last_words(id).await.unwrap_or_default();
        let route = state.routes.get(id);
        let status = route.as_ref().map_or_else(|| Status::of(&instance), |route| route.status());
        let service = state.catalog.get(&instance.service);
        let package = match &service {
            Some(service) => state.supervisor.package(Arc::clone(service)).await,
            None => Err(format!("the service {} is not in the catalog any more", instance.service)),
        };
        let credential_id = instance.credential_id;
        let (credential, events) = state
            .db
            .read(move |conn| {
                let credential = credential_id.map(|id| credentials::by_id(conn, id).optional()).transpose()?;
                Ok((credential.flatten(), events::list(conn, id, EVENTS, None)?))
            })
            .await?;
        Ok(Self {
            traffic: route.as_ref().map(|route| route.traffic()).unwrap_or_default(),
            last_used: route.as_ref().map(|route| route.last_used()),
            usage: route.as_ref().and_then(|route| route.usage()),
            seen: look(state, &instance, &status).await?,
            instance,
            status,
            service,
            checked,
            stderr,
            credential,
            events,
            package,
        })
    }

    fn limits(&self, state: &AppState) -> Limits {
        let service = self.service.as_ref().map(|service| service.manifest.limits).unwrap_or_default();
        state.config.runtime.limits(self.instance.limits, service)
    }

    fn credential_kind(&self) -> CredentialKind {
        self.service.as_ref().map(|service| service.manifest.credential.kind).unwrap_or_default()
    }

    fn facts(&self, state: &AppState) -> Facts {
        let listens = |listener: &inspect::Listener| *listener != inspect::Listener::Nobody;
        Facts {
            state: self.status.state,
            health: self.status.health,
            check_error: self.status.check_error.clone(),
            progress: self.status.progress.clone(),
            crash: self.status.last_error.clone(),
            stderr: self.stderr.clone(),
            needs_credential: self.credential_kind() != CredentialKind::None,
            has_credential: self.credential.is_some(),
            package_error: self.package.as_ref().err().cloned(),
            port: self.status.port.zip(self.seen.listener.as_ref().map(listens)),
            start_seconds: self.service.as_ref().map_or(0, |service| service.manifest.health.start_seconds),
            limits: self.limits(state),
            usage: self.usage,
            disk_free: self.seen.disk_free,
            calls: (self.traffic.in_flight, state.config.runtime.max_in_flight),
        }
    }

    fn render(&self, state: &AppState, facts: &Facts, findings: &[Finding]) -> Value {
        let (instance, status) = (&self.instance, &self.status);
        let (range, leased) = state.supervisor.ports();
        json!({
            "id": instance.id,
            "name": instance.process_name(),
            "service": instance.service,
            "status": status.state,
            "desired": instance.desired,
            "mode": instance.mode,
            "progress": status.progress,
            "expires_at": status.expires_at,
            "debug_until": status.debug_until.filter(|until| *until > Timestamp::now()),
            "likely_cause": findings.first(),
            "findings": findings,
            "process": self.process(),
            "port": status.port.map(|port| json!({
                "number": port, "listener": self.seen.listener, "range": range.to_string(), "leased": leased,
            })),
            "health": {
                "now": self.checked, "last": status.health, "checked_at": status.checked_at, "error": status.check_error,
            },
            "limits": limits_in_force(state, facts),
            "walls": status.walls,
            "errors": { "last": status.last_error, "restarts": status.restarts, "stderr": self.stderr, "events": self.events() },
            "credential": {
                "needed": facts.needs_credential, "kind": self.credential_kind(), "present": facts.has_credential,
                "hint": self.credential.as_ref().map(|credential| &credential.hint),
            },
            "package": match &self.package {
                Ok(plan) => json!({ "name": plan.installs, "installed": plan.installed }),
                Err(error) => json!({ "installed": false, "error": error }),
            },
            "clients": {
                "sessions": self.traffic.sessions, "in_flight": self.traffic.in_flight, "parked": self.traffic.parked,
                "listens": self.traffic.listens, "last_used": self.last_used,
            },
            "disk": {
                "bytes": self.usage.map(|usage| usage.disk_bytes), "log_bytes": self.usage.map(|usage| usage.log_bytes),
                "free_bytes": self.seen.disk_free, "logs": self.seen.logs,
            },
        })
    }

    fn process(&self) -> Value {
        let Some((leader, children)) = self.seen.processes.split_first() else { return Value::Null };
        let sum = |of: fn(&inspect::ProcessView) -> u64| self.seen.processes.iter().map(of).sum::<u64>();
        json!({
            "pid": leader.pid, "name": leader.name, "age_seconds": leader.age_seconds,
            "ready_since": self.status.started_at,
            "cpu_percent": self.usage.map(|usage| usage.cpu_percent),
            "memory_bytes": sum(|process| process.memory_bytes),
            "threads": sum(|process| u64::from(process.threads)),
            "open_files": sum(|process| u64::from(process.open_files)),
            "children": children,
        })
    }

    fn events(&self) -> Vec<Value> {
        let event = |event: &events::Event| json!({ "at": event.at, "kind": event.kind, "detail": event.detail });
        self.events.iter().map(event).collect()
    }
}

/// Each limit with what is used of it and by what it holds.
fn limits_in_force(state: &AppState, facts: &Facts) -> Vec<Value> {
    let (limits, usage) = (json!(facts.limits), json!(facts.usage));
    let member = |what: &str| match what {
        "memory" => "memory_bytes".to_owned(),
        "cpu" => "cpu_percent".to_owned(),
        "disk" => "disk_bytes".to_owned(),
        "log" => "log_bytes".to_owned(),
        other => other.to_owned(),
    };
    let line = |item: &process::Enforcement| {
        let member = member(item.what);
        json!({
            "what": item.what, "limit": limits.get(&member), "used": usage.get(&member), "how": item.how.as_str(),
            "detail": item.detail,
        })
    };
    state.enforcement.iter().map(line).collect()
}

async fn look(state: &AppState, instance: &Instance, status: &Status) -> Result<Seen, ApiError> {
    let (pid, port) = (status.pid, status.port);
    let logs = state.paths.logs(instance);
    let data = state.config.storage.data_dir.clone();
    let is_up = status.state.serves();
    let look = move || Seen {
        processes: pid.map(inspect::processes_of).unwrap_or_default(),
        // The port that it had last is not its own while it is down.
        listener: port.filter(|_| is_up || pid.is_some()).map(|port| inspect::listener_on(port, pid)),
        disk_free: inspect::disk_free(&data),
        logs: log_files(&logs),
    };
    tokio::task::spawn_blocking(look).await.map_err(ApiError::internal)
}

fn log_files(folder: &PathBuf) -> Vec<Value> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> =
        files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()))).collect();
    files.sort();
    files.into_iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect()
}
