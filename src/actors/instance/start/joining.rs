//! The start of an instance that has no process, but is served by those of its service: nothing is launched.

use super::{Inputs, StartJob, Started, failed};
use crate::{
    actors::{contract, environment::Values, messages::What},
    catalog::Service,
    domain::{crash::ExitReason, fingerprint::Fingerprint, limits::Limits},
    mcp::http::{Headers, HttpTarget},
};

impl StartJob {
    /// Joins those that its service's processes serve. Reports that it runs.
    pub(super) async fn join(&self, service: &Service) -> Result<(), ExitReason> {
        if service.manifest.shared.is_none() {
            return Err(failed("the service is not shared any more; choose another mode".to_owned()));
        }
        let inputs = self.inputs(service).await?;
        let id = self.instance.id;
        let pool = self.runtime.pools.of(&self.instance.service);
        let headers = self.headers(service, inputs);
        let target = HttpTarget::among(pool, id.uuid(), contract::endpoint(id), headers);
        let child = self.http(target.based_at(contract::base(id)));
        let timeout = service.manifest.health.start_timeout();
        let opened = self.opening(timeout).knock(&child, timeout).await;
        let opened = opened.map_err(|error| error.to_string()).flatten();
        let upstream = opened.map_err(|detail| ExitReason::NotReady { detail })?;
        // Only now: what cannot be served goes back to sleep, and is tried again by the next request. What the start
        // depended on is no matter: the process did not depend on it.
        self.report(What::Spawned { running: None, fingerprint: Fingerprint::default() });
        self.report(What::Ready { started: Box::new(Started { upstream }) });
        Ok(())
    }

    /// What its requests carry from now on.
    ///
    /// # Errors
    /// When what is sealed cannot be opened.
    pub(in crate::actors::instance) async fn fresh_headers(&self, service: &Service) -> Result<Headers, ExitReason> {
        let inputs = self.inputs(service).await?;
        Ok(self.headers(service, inputs))
    }

    fn headers(&self, service: &Service, inputs: Inputs) -> Headers {
        let values = Values::new(&self.instance, service, &self.home, (None, Limits::default()), inputs.credential);
        let values = values.with_own(inputs.own_env);
        values.headers(&self.instance, service)
    }
}
