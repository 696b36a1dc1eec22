//! A valid authorization request between the page that asks the user and the user's answer.
//!
//! It travels in the page's form, sealed for the sign-in that it was shown to: nobody can change it, and it
//! is worth nothing to anybody else or after ten minutes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::go_back::GoBack;
use crate::{
    domain::{
        ids::{InstanceId, LoginId},
        secret::Secret,
        time::Timestamp,
    },
    vault::{Vault, VaultError},
};

/// How long the user may think about it.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the client asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) client_id: String,
    /// As it is shown.
    pub(super) client_name: String,
    pub(super) back: GoBack,
    /// The S256 challenge.
    pub(super) challenge: String,
    /// Scopes, as they are written.
    pub(super) scopes: String,
    /// The instance, unless the user is to choose one.
    pub(super) instance: Option<InstanceId>,
    /// Its URL, as the client has sent it.
    pub(super) resource: Option<String>,
    pub(super) expires_at: Timestamp,
}

impl Pending {
    /// When a request that comes now is over.
    pub(super) fn deadline(now: Timestamp) -> Timestamp {
        now.after(PATIENCE)
    }

    /// As text for the form.
    pub(super) fn seal(&self, vault: &Vault, login: LoginId) -> Result<String, VaultError> {
        let text = serde_json::to_string(self).map_err(|_| VaultError::TooLong)?;
        vault.seal(&owner(login), &Secret::new(text))
    }

    /// Back from the form; `None` when it was made up, belongs to another sign-in, or is over.
    pub(super) fn open(vault: &Vault, login: LoginId, sealed: &str, now: Timestamp) -> Option<Self> {
        let text = vault.open_sealed(&owner(login), sealed).ok()?;
        let pending: Self = serde_json::from_str(text.expose()).ok()?;
        (pending.expires_at > now).then_some(pending)
    }
}

fn owner(login: LoginId) -> String {
    format!("oauth-consent:{login}")
}
