//! Packages of services: what there is and what must be installed. And trying a service apart from all instances:
//! started as an instance is, asked for its tools, ended, forgotten.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::Addr;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{ACCEPT_TIMEOUT, SupervisorError, SupervisorHandle};
use crate::{
    actors::{
        messages::RemoveInstance,
        supervisor::{SupervisorActor, Trial, TryOut},
    },
    catalog::{Catalog, InstallError, Plan, Service, Versions},
    domain::{
        ids::{CredentialId, InstanceId, UserId},
        instance::{Desired, Instance, Mode, Status},
        lifecycle::State,
        limits::Limits,
        manifest::{CredentialKind, Launch, Manifest},
        time::Timestamp,
    },
    mcp::front::rest::{RestError, list_tools},
    routing::Route,
};

/// Trials at a time, of everybody.
pub(super) const AT_A_TIME: usize = 2;
/// What stands for a credential that nobody gave: many servers list their tools all the same.
const MADE_UP: &str = "trial-without-a-credential";
/// Beyond the time that the service may take to start: for the ends of what came before.
const MARGIN: Duration = Duration::from_secs(15);

/// Why something could not be tried.
#[derive(Debug, Error)]
pub enum TrialError {
    /// It cannot be installed.
    #[error("{0}")]
    Install(#[from] InstallError),
    /// As many as may be are being tried.
    #[error("other services are being tried; try again in a minute")]
    Busy,
    /// It did not come up.
    #[error("it did not start: {0}")]
    NotStarted(String),
    /// It came up and did not list its tools.
    #[error("it started, and did not list its tools: {0}")]
    NotListed(#[from] RestError),
    /// The supervisor did not do it.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
}

/// What is tried, and as whom.
pub struct TrialOf {
    /// The service.
    pub service: Service,
    /// Who tries it, and their ordinal: its process runs as theirs do.
    pub user: (UserId, u32),
    /// The credential that it is given, one of theirs; none: one that is made up.
    pub credential: Option<CredentialId>,
    /// What they fill its fields with.
    pub config: BTreeMap<String, String>,
}

/// Ends what is tried, also when nobody waits any more.
struct Ending {
    supervisor: Addr<SupervisorActor>,
    id: InstanceId,
    _place: OwnedSemaphorePermit,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Who waits has `end`.
        self.supervisor.do_send(RemoveInstance { id: self.id, done: oneshot::channel().0 });
    }
}

impl Ending {
    /// Ends it now, and waits until all of it is gone.
    async fn end(self) {
        let (done, gone) = oneshot::channel();
        if let Ok(true) = self.supervisor.send(RemoveInstance { id: self.id, done }).timeout(ACCEPT_TIMEOUT).await {
            // An error means that its actor is gone, and with it its process.
            let _ = gone.await;
        }
    }
}

impl SupervisorHandle {
    /// Removes what a run that was killed has left of what it tried.
    pub(super) async fn clear_trials(&self) {
        let left = self.runtime.paths.trials();
        // What cannot be removed is in nobody's way: every trial has a directory of its own.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(left)).await;
    }

    /// What would have to be installed before an instance of `service` can start, and whether it is.
    ///
    /// # Errors
    /// When a tool that it needs is missing, in words.
    pub async fn package(&self, service: Arc<Service>) -> Result<Plan, String> {
        let installer = self.runtime.installer.clone();
        let planned = tokio::task::spawn_blocking(move || installer.plan(&service).map_err(|error| error.to_string()));
        planned.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The versions of a service's package that are newer than its own; `None` where it is no package.
    ///
    /// # Errors
    /// When the tool is missing, or the registry does not answer.
    pub async fn versions(&self, launch: &Launch) -> Result<Option<Versions>, InstallError> {
        self.runtime.installer.versions(launch).await
    }

    /// Installs what the service needs.
    ///
    /// # Errors
    /// When that fails.
    pub async fn install(&self, service: &Service) -> Result<(), InstallError> {
        self.runtime.installer.ensure(service, &|_| {}).await.map(drop)
    }

    /// The tools of a service, as it lists them itself: it is installed, started behind the walls of an instance in a
    /// directory of its own, asked, and ended. It is in nobody's list, and no request reaches it.
    ///
    /// # Errors
    /// When it cannot be installed, does not start, or does not answer.
    pub async fn try_tools(&self, of: TrialOf) -> Result<Vec<Value>, TrialError> {
        let place = Arc::clone(&self.trials).try_acquire_owned().map_err(|_| TrialError::Busy)?;
        self.install(&of.service).await?;
        let patience = of.service.manifest.health.start_timeout() + MARGIN;
        let (user, instance) = (of.user.0, record(&of));
        let runtime = Arc::new(self.runtime.with_catalog(Catalog::of_one(unlocked(of.service, of.credential))));
        let id = instance.id;
        let ending = Ending { supervisor: self.supervisor.clone(), id, _place: place };
        let begun = self.supervisor.send(TryOut { runtime, instance }).timeout(ACCEPT_TIMEOUT).await;
        let trial = begun.map_err(SupervisorError::from)?.ok_or(SupervisorError::Gone)?;
        let tools = tokio::time::timeout(patience, tools_of(trial, user)).await;
        ending.end().await;
        tools.unwrap_or_else(|_| Err(TrialError::NotStarted(format!("no answer within {} s", patience.as_secs()))))
    }
}

async fn tools_of(Trial { route, mut status }: Trial, user: UserId) -> Result<Vec<Value>, TrialError> {
    #[derive(serde::Deserialize)]
    struct Listed {
        tools: Vec<Value>,
    }
    come_up(&route, &mut status).await.map_err(TrialError::NotStarted)?;
    let upstream = route.upstream().ok_or_else(|| TrialError::NotStarted("it ended at once".to_owned()))?;
    let listed = list_tools(&upstream, user).await?;
    let listed: Listed =
        serde_json::from_slice(&listed).map_err(|error| TrialError::NotStarted(format!("its tools: {error}")))?;
    Ok(listed.tools)
}

/// Waits until it has answered; why it has not when it fell the first time.
async fn come_up(route: &Route, status: &mut watch::Receiver<Status>) -> Result<(), String> {
    let has_ended = |status: &Status| status.state == State::Running || status.last_error.is_some();
    match status.wait_for(has_ended).await {
        Ok(status) if route.upstream().is_some() && status.last_error.is_none() => Ok(()),
        Ok(status) => Err(status.last_error.as_ref().map_or_else(
            || "it ended at once".to_owned(),
            |card| {
                // The summary has the last line.
                let before: Vec<String> = card.stderr_tail.iter().rev().skip(1).take(4).rev().cloned().collect();
                if before.is_empty() { card.summary() } else { format!("{}\n{}", card.summary(), before.join("\n")) }
            },
        )),
        Err(_) => Err("it failed inside Berth; the log has more".to_owned()),
    }
}

/// The service without the need of a credential, where none is given: what carries it has something made up.
fn unlocked(service: Service, credential: Option<CredentialId>) -> Service {
    if credential.is_some() || service.manifest.credential.kind == CredentialKind::None {
        return service;
    }
    let mut manifest: Manifest = service.manifest.clone();
    for value in manifest.env.values_mut() {
        *value = value.replace("{credential}", MADE_UP);
    }
    if let Some(name) = manifest.credential.env.take() {
        manifest.env.insert(name, MADE_UP.to_owned());
    }
    manifest.credential = crate::domain::manifest::CredentialSpec::default();
    Service::new(manifest, service.origin)
}

/// The record that it is run by: in no database.
fn record(of: &TrialOf) -> Instance {
    Instance {
        id: InstanceId::generate(),
        user_id: of.user.0,
        user_number: of.user.1,
        service: of.service.manifest.name.clone(),
        number: 0,
        slug: String::new(),
        label: String::new(),
        mode: Mode::Dedicated,
        desired: Desired::Running,
        state: State::Pending,
        port: None,
        config: of.config.clone(),
        env_sealed: None,
        credential_id: of.credential,
        limits: Limits::default(),
        idle_seconds: Some(0),
        created_at: Timestamp::now(),
        started_at: None,
        expires_at: None,
        restarts: 0,
        last_error: None,
        last_good: None,
        debug_until: None,
    }
}
