//! What the owner and the vault add to the manifest: variables of the instance, and its credential.

use std::collections::BTreeMap;

use super::{StartJob, failed};
use crate::{
    catalog::Service,
    db::{OptionalExtension, credentials},
    domain::{
        crash::ExitReason,
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
        let credential = match self.instance.credential_id {
            None => None,
            Some(id) => {
                let row = self.runtime.db.read(move |conn| credentials::by_id(conn, id).optional()).await;
                match row.map_err(|error| failed(format!("its credential cannot be read: {error}")))? {
                    // It was deleted.
                    None => None,
                    Some(row) => Some(self.hand_over(&row)?),
                }
            }
        };
        if credential.is_none() && service.manifest.credential.kind != CredentialKind::None {
            return Err(failed("it has no credential any more; give it one".to_owned()));
        }
        Ok(Inputs { own_env, credential })
    }

    /// Opens a credential for the process that is about to be started, and notes that it was given it.
    fn hand_over(&self, row: &credentials::Credential) -> Result<Secret, ExitReason> {
        let opened = self.runtime.vault.open_sealed(&credential_owner(row.user_id, row.id), &row.sealed);
        let opened = opened.map_err(|error| failed(format!("its credential cannot be opened: {error}")))?;
        self.runtime.recorder.credential_use(row.id, self.instance.id);
        Ok(opened)
    }
}

fn open_environment(vault: &Vault, instance: &Instance) -> Result<BTreeMap<String, String>, ExitReason> {
    let Some(sealed) = &instance.env_sealed else { return Ok(BTreeMap::new()) };
    let opened = vault.open_sealed(&instance.env_owner(), sealed);
    let json = opened.map_err(|error| failed(format!("its environment cannot be opened: {error}")))?;
    serde_json::from_str(json.expose())
        .map_err(|_| failed("its environment is not readable any more; set it again".to_owned()))
}
