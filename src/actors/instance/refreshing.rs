//! A credential (or, where requests carry it, the configuration) that is another from now on.
//!
//! What each request is told changes for the next request: those under way keep what they have, and sessions,
//! streams and questions stay. What a process was told at its start takes another start.

use actix::{AsyncContext, Context};
use tokio::sync::oneshot;

use super::{InstanceActor, child};
use crate::{
    actors::messages::{Happened, What},
    domain::{
        crash::ExitReason,
        manifest::{Launch, Manifest, Transport},
    },
    mcp::http::Headers,
};

impl InstanceActor {
    /// Uses the instance's credential as it is now. `done` hears when requests that come later do.
    pub(super) fn refresh(&mut self, context: &mut Context<Self>, done: Option<oneshot::Sender<()>>) {
        let service = self.runtime.catalog.get(&self.instance.service);
        let Some(service) = service.filter(|service| is_told_by_requests(&service.manifest)) else {
            return self.replace(context);
        };
        if let Some(starting) = self.starting.take() {
            // It may have read what was before.
            self.stopping = Some(child::ending(starting.give_up(self.stopping.take())));
            return if self.running.is_some() { self.restart(context) } else { self.begin_start(context) };
        }
        if !self.state().serves() {
            return;
        }
        let (job, actor, generation) = (self.job(context), context.address(), self.generation);
        actix_rt::spawn(async move {
            let headers = job.fresh_headers(&service).await;
            actor.do_send(Happened { generation, what: What::Dressed { headers, done } });
        });
    }

    /// What its requests carry is known.
    pub(super) fn dressed(
        &mut self,
        context: &mut Context<Self>,
        headers: Result<Headers, ExitReason>,
        done: Option<oneshot::Sender<()>>,
    ) {
        match headers {
            Ok(headers) => {
                let upstream = self.route.upstream();
                if let Some(target) = upstream.as_ref().and_then(|upstream| upstream.pulse.http_base()) {
                    target.redress(headers);
                }
            }
            // Better nothing than what was taken back.
            Err(reason) => self.fell(context, reason),
        }
        // Nobody may wait for it any more.
        let _ = done.map(|done| done.send(()));
    }
}

/// Whether the credential reaches the server in each request, and in no other way.
fn is_told_by_requests(manifest: &Manifest) -> bool {
    let credential = &manifest.credential;
    let at_start = credential.env.is_some() || manifest.env.values().any(|value| value.contains("{credential}"));
    match manifest.launch {
        // What its URL holds is known from the start.
        Launch::Remote { .. } => !manifest.launch.url_template().is_some_and(|url| url.contains("{credential}")),
        _ => {
            let in_requests = manifest.shared.is_some() || credential.header.is_some();
            manifest.transport == Transport::Http && in_requests && !at_start
        }
    }
}
