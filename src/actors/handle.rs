//! The plain async way to the supervisor, for all who know nothing of actors.
//!
//! Owner of no state. What an owner wants is in the database before it is answered, and before the
//! supervisor is told; a deletion alone is written last, when the process and its files are gone.

mod shared;
mod trial;

use std::{sync::Arc, time::Duration};

use actix::{Actor, Addr, MailboxError};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

pub use self::trial::{TrialError, TrialOf};
use super::{
    BootReport, Claim, Runtime,
    messages::{AddInstance, Boot, InstanceCommand, RemoveInstance, Shutdown, ToInstance},
    supervisor::SupervisorActor,
};
use crate::{
    db::{Connection, DbError, client_sessions, connections, instances},
    domain::{
        ids::{InstanceId, UserId},
        instance::{Desired, Instance},
        lifecycle::Health,
        ports::PortRange,
        quota::{Entitlement, Occupied, StartRefusal},
        time::Timestamp,
    },
};

/// How long the supervisor may take to accept a request.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an instance may take to take a command before its sender goes on all the same.
const HEARD: Duration = Duration::from_secs(1);

/// Why the supervisor did not do it.
#[derive(Debug, Error)]
pub enum SupervisorError {
    /// It does not run any more.
    #[error("Berth is shutting down")]
    Gone,
    /// It did not accept in time.
    #[error("the supervisor is busy; try again")]
    Busy,
    /// There is no such instance.
    #[error("no such instance")]
    Unknown,
    /// The state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error("the change could not be stored")]
    Database(#[from] DbError),
}

impl From<MailboxError> for SupervisorError {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::Closed => Self::Gone,
            MailboxError::Timeout => Self::Busy,
        }
    }
}

/// The plain async way to the supervisor. Cheap to clone.
#[derive(Clone)]
pub struct SupervisorHandle {
    supervisor: Addr<SupervisorActor>,
    runtime: Arc<Runtime>,
    /// Places for what is tried: it is in nobody's quota.
    trials: Arc<Semaphore>,
}

impl SupervisorHandle {
    /// Starts the supervisor and `arbiters` threads for instances.
    #[must_use]
    pub fn start(runtime: Arc<Runtime>, arbiters: usize) -> Self {
        let supervisor = SupervisorActor::new(Arc::clone(&runtime), arbiters).start();
        Self { supervisor, runtime, trials: Arc::new(Semaphore::new(trial::AT_A_TIME)) }
    }

    /// Joins database and reality: ends processes of an earlier run, brings back what is desired.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn boot(&self) -> Result<BootReport, SupervisorError> {
        let read = |conn: &mut Connection| {
            Ok((instances::list_all(conn)?, client_sessions::list_all(conn)?, connections::list_all(conn)?))
        };
        self.clear_trials().await;
        let (instances, sessions, connections) = self.runtime.db.read(read).await?;
        Ok(self.supervisor.send(Boot { instances, sessions, connections }).await?)
    }

    /// Takes on an instance that has just been recorded, and starts it.
    ///
    /// # Errors
    /// When the supervisor is gone or busy; the instance is recorded and starts with the next boot.
    pub async fn add(&self, instance: Instance) -> Result<(), SupervisorError> {
        let add = AddInstance { instance, sessions: Vec::new(), connections: Vec::new() };
        Ok(self.supervisor.send(add).timeout(ACCEPT_TIMEOUT).await?)
    }

    /// Brings an instance up: toggle on, restore, after `failed`. Durable before it returns.
    ///
    /// # Errors
    /// When it is unknown, or has expired.
    pub async fn start_instance(&self, id: InstanceId) -> Result<(), SupervisorError> {
        self.refuse_expired(id).await?;
        self.runtime.db.write(move |conn| instances::set_desired(conn, id, Desired::Running)).await?;
        self.tell(id, InstanceCommand::Start).await
    }

    /// Takes an instance down until somebody asks. Durable before it returns; the process ends
    /// within the grace period after.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn stop_instance(&self, id: InstanceId) -> Result<(), SupervisorError> {
        self.runtime.db.write(move |conn| instances::set_desired(conn, id, Desired::Stopped)).await?;
        self.tell(id, InstanceCommand::Stop).await
    }

    /// Ends the process and starts a new one, with a full restart budget.
    ///
    /// # Errors
    /// When it is unknown, or has expired.
    pub async fn restart_instance(&self, id: InstanceId) -> Result<(), SupervisorError> {
        self.refuse_expired(id).await?;
        self.runtime.db.write(move |conn| instances::set_desired(conn, id, Desired::Running)).await?;
        self.tell(id, InstanceCommand::Restart).await
    }

    /// Sets when an instance expires; an expired one comes back if it was desired.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn renew(&self, id: InstanceId, until: Option<Timestamp>) -> Result<(), SupervisorError> {
        self.runtime.db.write(move |conn| instances::set_expiry(conn, id, until)).await?;
        self.tell(id, InstanceCommand::Renew { until }).await
    }

    /// Re-attaches where the process still lives, else starts anew. An expired instance without a
    /// new expiry gets none.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn restore(&self, id: InstanceId) -> Result<(), SupervisorError> {
        let expired = self.is_expired(id).await?;
        self.runtime
            .db
            .write(move |conn| {
                if expired {
                    instances::set_expiry(conn, id, None)?;
                }
                instances::set_desired(conn, id, Desired::Running)
            })
            .await?;
        if expired {
            self.tell(id, InstanceCommand::Renew { until: None }).await?;
        }
        self.tell(id, InstanceCommand::Start).await
    }

    /// Reads the instance's record anew after a change of label, configuration or limits; a running
    /// process keeps what it was started with until its next start. What requests carry changes at once.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn reconfigure(&self, id: InstanceId) -> Result<(), SupervisorError> {
        let instance = self.runtime.db.read(move |conn| instances::by_id(conn, id)).await?;
        let (done, taken) = oneshot::channel();
        self.tell(id, InstanceCommand::Reconfigure { instance: Box::new(instance), done: Some(done) }).await?;
        // An error means that there was nothing to wait for.
        let _ = tokio::time::timeout(ACCEPT_TIMEOUT, taken).await;
        Ok(())
    }

    /// Has an instance be debugged until then, or no longer. Durable before it returns; a process that runs is
    /// started anew.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn debug(&self, id: InstanceId, until: Option<Timestamp>) -> Result<(), SupervisorError> {
        self.runtime.db.write(move |conn| instances::set_debug(conn, id, until)).await?;
        self.tell(id, InstanceCommand::Debug { until }).await
    }

    /// The range that ports of HTTP children are leased from, and how many of it are leased.
    #[must_use]
    pub fn ports(&self) -> (PortRange, usize) {
        (self.runtime.ports.range(), self.runtime.ports.leased())
    }

    /// The last lines that the process of an instance wrote on its standard error; none when it has none.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn last_words(&self, id: InstanceId) -> Result<Vec<String>, SupervisorError> {
        let (reply, words) = oneshot::channel();
        self.tell(id, InstanceCommand::LastWords { reply }).await?;
        words.await.map_err(|_| SupervisorError::Gone)
    }

    /// Checks an instance's health now.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn check(&self, id: InstanceId) -> Result<Health, SupervisorError> {
        let (reply, outcome) = oneshot::channel();
        self.tell(id, InstanceCommand::Check { reply }).await?;
        outcome.await.map_err(|_| SupervisorError::Gone)
    }

    /// Stops, forgets, deletes directories and logs, deletes the row, frees the port; returns when
    /// all of that is done.
    ///
    /// # Errors
    /// When it is unknown or the row cannot be deleted.
    pub async fn delete(&self, id: InstanceId) -> Result<(), SupervisorError> {
        let (done, finished) = oneshot::channel();
        let known = self.supervisor.send(RemoveInstance { id, done }).timeout(ACCEPT_TIMEOUT).await?;
        if known {
            // An error means that its actor is gone, and with it its process.
            let _ = finished.await;
        }
        self.runtime.db.write(move |conn| instances::delete(conn, id)).await?;
        Ok(())
    }

    /// Stops every instance, without changing what is desired. Returns how many had to be killed.
    ///
    /// # Errors
    /// When the supervisor is gone already.
    pub async fn shutdown(&self) -> Result<usize, SupervisorError> {
        let stopping = self.supervisor.send(Shutdown).await?;
        let mut killed = 0;
        for stopped in stopping {
            killed += usize::from(!stopped.await.unwrap_or(true));
        }
        self.runtime.recorder.flush().await;
        Ok(killed)
    }

    /// What the processes of a user's instances take of their quota.
    #[must_use]
    pub fn occupied(&self, user: UserId) -> Occupied {
        self.runtime.places.occupied(user)
    }

    /// Whether an instance would be given a place if it were to start now: for an early answer. The start
    /// itself asks again.
    ///
    /// # Errors
    /// What stands against it.
    pub fn may_start(&self, limits: &Entitlement, claim: &Claim) -> Result<(), StartRefusal> {
        self.runtime.places.check(limits, claim)
    }

    /// Ports that are leased to HTTP children now.
    #[must_use]
    pub fn leased_ports(&self) -> usize {
        self.runtime.ports.leased()
    }

    async fn tell(&self, id: InstanceId, command: InstanceCommand) -> Result<(), SupervisorError> {
        let known = self.supervisor.send(ToInstance { id, command }).timeout(ACCEPT_TIMEOUT).await?;
        if !known {
            return Err(SupervisorError::Unknown);
        }
        // Whoever asks for something next meets the state that follows.
        let (reply, heard) = oneshot::channel();
        let barrier = ToInstance { id, command: InstanceCommand::Heard { reply } };
        if self.supervisor.send(barrier).timeout(ACCEPT_TIMEOUT).await? {
            let _ = tokio::time::timeout(HEARD, heard).await;
        }
        Ok(())
    }

    async fn is_expired(&self, id: InstanceId) -> Result<bool, SupervisorError> {
        let instance = self.runtime.db.read(move |conn| instances::by_id(conn, id)).await?;
        Ok(instance.expires_at.is_some_and(|at| at <= Timestamp::now()))
    }

    async fn refuse_expired(&self, id: InstanceId) -> Result<(), SupervisorError> {
        if self.is_expired(id).await? {
            return Err(SupervisorError::Refused("the instance has expired; renew or restore it".to_owned()));
        }
        Ok(())
    }
}
