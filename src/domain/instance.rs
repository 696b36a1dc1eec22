//! What an instance is: its record, its process mode, its public view.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    crash::CrashCard,
    fingerprint::Fingerprint,
    ids::{CredentialId, InstanceId, UserId},
    lifecycle::{Health, State},
    limits::Limits,
    names::ServiceName,
    time::Timestamp,
    walls::WallReport,
};

/// How processes serve an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One process per instance.
    #[default]
    Dedicated,
    /// One process per service; each request carries its own instance's credential.
    Shared,
    /// One process per client connection of the instance.
    Session,
}

impl Mode {
    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dedicated => "dedicated",
            Self::Shared => "shared",
            Self::Session => "session",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Dedicated, Self::Shared, Self::Session]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("unknown process mode {text:?}: dedicated, shared or session"))
    }
}

/// What its owner wants of an instance; the database holds this, actors hold what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Up, and started again when it falls.
    Running,
    /// Down until somebody asks.
    Stopped,
}

impl Desired {
    /// The name that the database uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// An instance as the database keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Its id, part of its URL.
    pub id: InstanceId,
    /// Its owner.
    pub user_id: UserId,
    /// The owner's ordinal, part of paths and of the port formula.
    pub user_number: u32,
    /// The service that it is a copy of.
    pub service: ServiceName,
    /// 1, 2, 3 … per user and service: the lowest that was free.
    pub number: u32,
    /// The short, unguessable URL prefix.
    pub slug: String,
    /// The owner's name for it; may be empty.
    pub label: String,
    /// How processes serve it.
    pub mode: Mode,
    /// What its owner wants.
    pub desired: Desired,
    /// Its state when it was last written.
    pub state: State,
    /// The port that it had last; preferred at the next start.
    pub port: Option<u16>,
    /// Values for the manifest's `config` fields.
    pub config: BTreeMap<String, String>,
    /// Additional environment, sealed by the vault (a JSON object of strings inside).
    pub env_sealed: Option<String>,
    /// The credential that its process gets.
    pub credential_id: Option<CredentialId>,
    /// Limits of its own; the manifest's fill the rest.
    pub limits: Limits,
    /// Seconds without use after which it sleeps; 0: never. The service's or the setting's when absent.
    pub idle_seconds: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last became ready.
    pub started_at: Option<Timestamp>,
    /// When it expires; never when absent.
    pub expires_at: Option<Timestamp>,
    /// Restarts since it was made.
    pub restarts: u32,
    /// The last failure.
    pub last_error: Option<CrashCard>,
    /// What it was started with when it last became ready, to say what changed (hashes, no values).
    pub last_good: Option<Fingerprint>,
    /// Until when it is debugged; a moment that has passed means not at all.
    pub debug_until: Option<Timestamp>,
}

impl Instance {
    /// After how long without use it sleeps: its own word, the service's, the setting's. `None`: never.
    #[must_use]
    pub fn idle_after(&self, service: Option<u32>, setting: u32) -> Option<Duration> {
        let seconds = self.idle_seconds.or(service).unwrap_or(setting);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Whether it is being debugged at `now`.
    #[must_use]
    pub fn is_debugged(&self, now: Timestamp) -> bool {
        self.debug_until.is_some_and(|until| until > now)
    }

    /// The process title and log name: `mcp-{user}-{service}-{number}`.
    #[must_use]
    pub fn process_name(&self) -> String {
        format!("mcp-{}-{}-{}", self.user_number, self.service, self.number)
    }

    /// What its sealed environment is bound to, so that a row copied to another instance cannot be opened.
    #[must_use]
    pub fn env_owner(&self) -> String {
        env_owner(self.user_id, self.id)
    }

    /// Its log directory below the log root: `users/user_{id}/mcp_{nnn}_{service}_{number}`.
    #[must_use]
    pub fn log_path(&self) -> String {
        format!("users/user_{}/mcp_{:03}_{}_{}", self.user_number, self.number, self.service, self.number)
    }
}

/// What the sealed environment of an instance is bound to.
#[must_use]
pub fn env_owner(user: UserId, instance: InstanceId) -> String {
    format!("env:{user}:{instance}")
}

/// What a sealed credential is bound to.
#[must_use]
pub fn credential_owner(user: UserId, credential: CredentialId) -> String {
    format!("credential:{user}:{credential}")
}

/// What is true of an instance now: the actor publishes it, everyone reads it without a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// Its last health check.
    pub health: Health,
    /// When that check was.
    pub checked_at: Option<Timestamp>,
    /// Its leading process, while there is one.
    pub pid: Option<u32>,
    /// Its port, while it has one.
    pub port: Option<u16>,
    /// When it last became ready.
    pub started_at: Option<Timestamp>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// Restarts since it was made.
    pub restarts: u32,
    /// The last failure.
    pub last_error: Option<CrashCard>,
    /// What is being waited for, in words, such as the progress of an install.
    pub progress: Option<String>,
    /// Starts that failed after a request had woken it, in this run: whoever waited for one is told.
    pub failed_wakes: u32,
    /// Until when it is debugged; a moment that has passed means not at all.
    pub debug_until: Option<Timestamp>,
    /// Why the last health check failed, if it did.
    pub check_error: Option<String>,
    /// The walls of its process, as they were built; none while there is no process of its own.
    pub walls: Arc<[WallReport]>,
}

impl Status {
    /// The status of an instance that no actor has touched yet.
    #[must_use]
    pub fn of(instance: &Instance) -> Self {
        Self {
            state: instance.state,
            health: Health::Unknown,
            checked_at: None,
            pid: None,
            port: instance.port,
            started_at: instance.started_at,
            expires_at: instance.expires_at,
            restarts: instance.restarts,
            last_error: instance.last_error.clone(),
            progress: None,
            failed_wakes: 0,
            debug_until: instance.debug_until,
            check_error: None,
            walls: Arc::from([]),
        }
    }
}
