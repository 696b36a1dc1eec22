//! Health checks: every 30 s (or as the manifest says), every 5 s for a while after a restart, and on
//! demand. Too many failures in a row make the instance unhealthy; twice as many end its process.

use std::time::Duration;

use actix::{AsyncContext, Context, SpawnHandle};
use tokio::sync::oneshot;

use super::InstanceActor;
use crate::{
    actors::messages::{Happened, What},
    domain::{
        crash::ExitReason,
        lifecycle::{Event, Health},
        manifest::HealthSpec,
        time::Timestamp,
    },
    mcp::{
        http::{PassRequest, pass},
        upstream::Upstream,
    },
};

/// Between checks after a restart.
const WATCHFUL: Duration = Duration::from_secs(5);
/// Checks at that pace.
const WATCHFUL_CHECKS: u32 = 12;

/// The record of checks since the last start.
#[derive(Default)]
pub(super) struct HealthRecord {
    failures: u32,
    watchful: u32,
    timer: Option<SpawnHandle>,
    /// Who asked for a check and waits.
    askers: Vec<oneshot::Sender<Health>>,
}

impl HealthRecord {
    pub(super) fn started(&mut self, after_failure: bool) {
        self.failures = 0;
        self.watchful = if after_failure { WATCHFUL_CHECKS } else { 0 };
    }

    pub(super) fn cancel(&mut self, context: &mut Context<InstanceActor>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        for asker in self.askers.drain(..) {
            let _ = asker.send(Health::Unknown);
        }
    }
}

impl InstanceActor {
    fn health_spec(&self) -> HealthSpec {
        self.runtime
            .catalog
            .get(&self.instance.service)
            .map(|service| service.manifest.health.clone())
            .unwrap_or_default()
    }

    /// Plans the next check. Processes of a shared service are checked by those who keep them.
    pub(super) fn schedule_probe(&mut self, context: &mut Context<Self>) {
        if self.home.is_pooled {
            return;
        }
        let interval = self.health_spec().interval();
        let wait = if self.health.watchful > 0 || self.health.failures > 0 { interval.min(WATCHFUL) } else { interval };
        self.health.watchful = self.health.watchful.saturating_sub(1);
        if let Some(timer) = self.health.timer.take() {
            context.cancel_future(timer);
        }
        self.health.timer = Some(context.run_later(wait, |actor, context| {
            actor.health.timer = None;
            actor.probe(context);
        }));
    }

    pub(super) fn check_now(&mut self, context: &mut Context<Self>, reply: oneshot::Sender<Health>) {
        if !self.state().serves() {
            let _ = reply.send(Health::Unknown);
            return;
        }
        self.health.askers.push(reply);
        self.probe(context);
    }

    fn probe(&mut self, context: &mut Context<Self>) {
        let Some(upstream) = self.route.upstream() else { return };
        let (actor, generation, mut spec) = (context.address(), self.generation, self.health_spec());
        if self.home.is_pooled {
            // The endpoint says how a process is; this is about one of its instances.
            spec.endpoint = None;
        }
        actix_rt::spawn(async move {
            let outcome = check(upstream, &spec).await;
            actor.do_send(Happened { generation, what: What::Probed { outcome } });
        });
    }

    pub(super) fn probed(&mut self, context: &mut Context<Self>, outcome: Result<(), String>) {
        let retries = self.health_spec().retries;
        let health = if outcome.is_ok() { Health::Healthy } else { Health::Unhealthy };
        self.health.failures = if outcome.is_ok() { 0 } else { self.health.failures + 1 };
        self.status.send_modify(|status| {
            status.health = health;
            status.checked_at = Some(Timestamp::now());
            status.check_error = outcome.as_ref().err().cloned();
        });
        self.route.trace.line(format_args!("health check: {}", if outcome.is_ok() { "passed" } else { "failed" }));
        for asker in self.health.askers.drain(..) {
            let _ = asker.send(health);
        }
        if self.home.is_pooled {
            return;
        }
        match outcome {
            Ok(()) => {
                if self.advance(Event::HealthRegained) {
                    self.note("healthy", serde_json::json!({}));
                }
            }
            Err(detail) if self.health.failures >= retries.saturating_mul(2) => {
                self.fell(context, ExitReason::Unhealthy { detail });
                return;
            }
            Err(detail) => {
                if self.health.failures >= retries && self.advance(Event::HealthLost) {
                    self.note("unhealthy", serde_json::json!({ "reason": detail }));
                }
            }
        }
        self.schedule_probe(context);
    }
}

/// The endpoint where the manifest names one, else an MCP `ping`.
async fn check(upstream: Upstream, spec: &HealthSpec) -> Result<(), String> {
    let timeout = spec.timeout();
    if let (Some(path), Some(target)) = (&spec.endpoint, upstream.pulse.http_base()) {
        let request = PassRequest {
            method: "GET".to_owned(),
            path: path.clone(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
        };
        let answer = pass(target, request, timeout).await.map_err(|error| error.to_string())?;
        return if (200..300).contains(&answer.status) {
            Ok(())
        } else {
            Err(format!("{path} answered HTTP {}", answer.status))
        };
    }
    upstream.pulse.ping(timeout).await.map_err(|error| error.to_string())
}
