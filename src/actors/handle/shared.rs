//! What concerns shared services, and credentials that change.

use tokio::sync::oneshot;

use super::{ACCEPT_TIMEOUT, SupervisorError, SupervisorHandle};
use crate::{
    actors::{PoolView, messages::InstanceCommand},
    domain::{ids::InstanceId, instance::Mode},
};

impl SupervisorHandle {
    /// Has an instance use its credential as the database has it now. Where requests carry it, the next request does
    /// when this returns, and those under way finish with what they have; a process that was told at its start is
    /// replaced when it has answered its calls, and requests that come meanwhile wait for the new one. What does not
    /// run finds it when it comes up.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn refresh_credential(&self, id: InstanceId) -> Result<(), SupervisorError> {
        self.reconfigure(id).await?;
        let (done, refreshed) = oneshot::channel();
        self.tell(id, InstanceCommand::Refresh { done: Some(done) }).await?;
        // An error means that there was nothing to wait for.
        let _ = tokio::time::timeout(ACCEPT_TIMEOUT, refreshed).await;
        Ok(())
    }

    /// Shared services that have processes, or had, with what there is of them.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolView> {
        let routes = self.runtime.routes.all();
        let awake: Vec<_> =
            routes.iter().filter(|route| route.mode == Mode::Shared && route.status().state.serves()).collect();
        self.runtime
            .pools
            .views(|service| awake.iter().filter(|route| route.service == *service).map(|route| route.id).collect())
    }
}
