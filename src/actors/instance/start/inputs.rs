//! What the owner and the vault add to the manifest: variables of the instance, and its credential.

use std::collections::BTreeMap;

use super::{StartJob, failed};
use crate::{
    catalog::Service,
    db::{OptionalExtension, credentials},
    domain::{
        crash::ExitReason,
        ids::CredentialId,
        instance::{Instance, credential_owner},
        manifest::CredentialKind,
        secret::Secret,
    },
    vault::Vault,
};

/// See the module.
pub(super) struct Inputs {
    pub(super) own_env: BTreeMap<String, String>,
    pub(super) credential: Option<Secret>,
}

impl StartJob {
    /// Opens what is sealed. The clear text lives until the launch stage has it.
    pub(super) async fn inputs(&self, service: &Service) -> Result<Inputs, ExitReason> {
        let own_env = open_environment(&self.runtime.vault, &self.instance)?;
        // A shared service says itself what it cannot do without.
        let is_shared = service.manifest.shared.is_some();
        let credential = match self.instance.credential_id {
            None => None,
            Some(id) => self.credential(id).await?,
        };
        if credential.is_none() && service.manifest.credential.kind != CredentialKind::None && !is_shared {
            return Err(failed("it has no credential any more; give it one".to_owned()));
        }
        Ok(Inputs { own_env, credential })
    }

    /// Opens the credential for who is about to be given it, and notes that. `None` when it has been deleted since the
    /// instance's record was read.
    async fn credential(&self, id: CredentialId) -> Result<Option<Secret>, ExitReason> {
        // What the row holds is looked at after that.
        let fresh = self.runtime.outside.fresh(id, Some(self.instance.id)).await;
        fresh.map_err(|error| failed(format!("its credential has run out: {error}")))?;
        let row = self.runtime.db.read(move |conn| credentials::by_id(conn, id).optional()).await;
        let Some(row) = row.map_err(|error| failed(format!("its credential cannot be read: {error}")))? else {
            return Ok(None);
        };
        let opened = self.runtime.vault.open_sealed(&credential_owner(row.user_id, row.id), &row.sealed);
        let opened = opened.map_err(|error| failed(format!("its credential cannot be opened: {error}")))?;
        self.runtime.recorder.credential_use(row.id, self.instance.id);
        Ok(Some(opened))
    }
}

fn open_environment(vault: &Vault, instance: &Instance) -> Result<BTreeMap<String, String>, ExitReason> {
    let Some(sealed) = &instance.env_sealed else { return Ok(BTreeMap::new()) };
    let opened = vault.open_sealed(&instance.env_owner(), sealed);
    let json = opened.map_err(|error| failed(format!("its environment cannot be opened: {error}")))?;
    serde_json::from_str(json.expose())
        .map_err(|_| failed("its environment is not readable any more; set it again".to_owned()))
}
