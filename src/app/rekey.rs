//! Another master key: everything that is sealed is sealed anew, in one transaction.
//!
//! The new key is in its file before anything is sealed with it, and takes the old one's name only after the database
//! has taken all of it. Whatever interrupts that, the database is wholly under one of two keys that are both on the
//! disk: doing it again, or starting Berth, goes on from there.
//!
//! What is sealed for minutes only and given to browsers (a sign-in or a consent under way) is void from then on.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{
    lock::DataLock,
    stores::{VAULT_CHECK, open_migrated_database},
};
use crate::{
    auth::totp as second_factors,
    config::Config,
    db::{
        Connection, Db, DbError, QueryError, QueryResult, audit, credentials, instances, outside_clients,
        outside_grants, settings, totp, webhooks,
    },
    domain::{instance::credential_owner, secret::Secret, time::Timestamp},
    outside::{client_owner, refresh_owner},
    vault::{Vault, VaultError},
};

/// What a rotation of the master key has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The id of the key before.
    pub old_key: String,
    /// The id of the key from now on.
    pub new_key: String,
    /// Sealed texts that were sealed anew.
    pub resealed: usize,
    /// Where the old key lies now, if it was in a file: backups from before need it.
    pub old_key_file: Option<PathBuf>,
}

/// Seals everything with a new key; Berth must not be running. A key that is a setting is replaced by `given`, which
/// the setting must hold from then on; a key in a file by one that is made here.
///
/// # Errors
/// When Berth runs, when the key in use is not the database's, or when anything sealed does not open: nothing is
/// changed then.
pub fn rotate_master_key(config: &Config, given: Option<&Secret>) -> Result<Rekeyed> {
    let data_dir = &config.storage.data_dir;
    if !data_dir.exists() {
        bail!("there is no data directory {}; choose one with --data-dir", data_dir.display());
    }
    let _lock = DataLock::take(data_dir)?;
    let db = open_migrated_database(config)?;
    let check = db.read_blocking(|conn| settings::get(conn, VAULT_CHECK))?;
    let check = check.context("nothing was ever sealed here: start Berth once, which makes a key")?;
    let file = config.storage.master_key_file();
    match (&config.storage.master_key, given) {
        (Some(old), Some(new)) => {
            let old = open_key(Some(old), &file, "the master key")?;
            rekey(&db, &check, &old, &open_key(Some(new), &file, "the new master key")?)
        }
        (Some(_), None) => bail!(
            "the master key is a setting: give the new one (`head -c 32 /dev/urandom | base64`) on standard input with \
             --key-stdin, and set `master_key` to it afterwards"
        ),
        (None, Some(_)) => {
            bail!("the master key is in {}: the new one is made there, leave --key-stdin out", file.display())
        }
        (None, None) => in_file(&db, &check, &file),
    }
}

fn open_key(given: Option<&Secret>, file: &Path, what: &str) -> Result<Vault> {
    let (vault, _) = Vault::open(given, file).with_context(|| format!("{what} cannot be used"))?;
    Ok(vault)
}

fn in_file(db: &Db, check: &str, file: &Path) -> Result<Rekeyed> {
    if !file.exists() {
        bail!("{} is missing; put it back", file.display());
    }
    let old = open_key(None, file, "the master key")?;
    // One is there already when an earlier rotation was interrupted.
    let new = open_key(None, &successor(file), "the new master key")?;
    let done = rekey(db, check, &old, &new)?;
    let kept = take_over(file, &old)?;
    Ok(Rekeyed { old_key_file: Some(kept), ..done })
}

/// The file of a key that is about to take over.
fn successor(file: &Path) -> PathBuf {
    file.with_extension("key.new")
}

/// The new key takes the old one's place; the old one stays beside it under its id.
fn take_over(file: &Path, old: &Vault) -> Result<PathBuf> {
    let kept = file.with_extension(format!("key.{}", old.key_id()));
    if !kept.exists() {
        fs::hard_link(file, &kept).with_context(|| format!("the old key cannot be kept as {}", kept.display()))?;
    }
    let new = successor(file);
    fs::rename(&new, file).with_context(|| {
        format!(
            "everything is sealed with the new key, but it cannot be moved from {} to {}",
            new.display(),
            file.display()
        )
    })?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(kept)
}

/// The key after an interrupted rotation: where the database is under the new one already, that takes over now.
pub(super) fn finish_interrupted(file: &Path, current: Vault, check: &str) -> Result<Vault> {
    let next = successor(file);
    if current.verify_check(check).is_ok() || !next.exists() {
        return Ok(current);
    }
    let new = open_key(None, &next, "the new master key")?;
    if new.verify_check(check).is_err() {
        return Ok(current);
    }
    let kept = take_over(file, &current)?;
    log::warn!("the rotation of the master key was interrupted and is finished now; the old key is {}", kept.display());
    Ok(new)
}

/// Seals everything anew, or finds that it is.
fn rekey(db: &Db, check: &str, old: &Vault, new: &Vault) -> Result<Rekeyed> {
    let done = |resealed| Rekeyed {
        old_key: old.key_id().to_owned(),
        new_key: new.key_id().to_owned(),
        resealed,
        old_key_file: None,
    };
    if new.verify_check(check).is_ok() {
        return Ok(done(0));
    }
    old.verify_check(check)
        .context("this is not the master key that the database was sealed with; nothing was changed")?;
    let fresh = new.check_value()?;
    let mut failed = None;
    let written = db.write_blocking(|conn| {
        let mut reseal = Reseal { old, new, count: 0, failed: &mut failed };
        reseal.everything(conn)?;
        let count = reseal.count;
        settings::put(conn, VAULT_CHECK, &fresh)?;
        let entry = audit::NewEntry {
            at: Timestamp::now(),
            actor: None,
            action: "vault.rotate_key".to_owned(),
            target: "vault".to_owned(),
            detail: serde_json::json!({ "old": old.key_id(), "new": new.key_id(), "resealed": count }),
        };
        audit::append(conn, &entry).map(|_| count)
    });
    match (written, failed) {
        (Ok(count), _) => {
            // What was sealed with the old key is to be gone, too.
            let scrubbed = db.scrub_blocking();
            if !matches!(scrubbed, Ok(true)) {
                log::warn!("text sealed with the old key stays in the database's log until it is next tidied up");
            }
            Ok(done(count))
        }
        (Err(DbError::Query(QueryError::RollbackTransaction)), Some((what, error))) => {
            Err(error).with_context(|| format!("{what} does not open; nothing was changed"))
        }
        (Err(error), _) => Err(error).context("nothing was changed"),
    }
}

struct Reseal<'a> {
    old: &'a Vault,
    new: &'a Vault,
    count: usize,
    failed: &'a mut Option<(String, VaultError)>,
}

impl Reseal<'_> {
    /// Each table that has something sealed. A test seals one of each and fails when one is forgotten here.
    fn everything(&mut self, conn: &mut Connection) -> QueryResult<()> {
        for row in credentials::all(conn)? {
            let owner = credential_owner(row.user_id, row.id);
            let sealed = self.again(&owner, &row.sealed)?;
            let previous = row.previous.map(|previous| self.again(&owner, &previous.sealed)).transpose()?;
            credentials::replace_sealed(conn, row.id, &sealed, previous.as_deref(), self.new.key_id())?;
        }
        for row in instances::list_all(conn)? {
            let owner = row.env_owner();
            let sealed = row.env_sealed.map(|sealed| self.again(&owner, &sealed)).transpose()?;
            instances::replace_sealed(conn, row.id, sealed.as_deref())?;
        }
        for row in webhooks::all(conn)? {
            let sealed = self.again(&webhooks::owner(row.user_id, row.id), &row.sealed)?;
            webhooks::replace_sealed(conn, row.id, &sealed)?;
        }
        for row in outside_clients::all(conn)? {
            let Some(sealed) = row.sealed_secret else { continue };
            let sealed = self.again(&client_owner(&row.service), &sealed)?;
            outside_clients::replace_sealed(conn, &row.service, &sealed)?;
        }
        for row in outside_grants::all(conn)? {
            let Some(sealed) = row.sealed_refresh else { continue };
            let sealed = self.again(&refresh_owner(row.credential), &sealed)?;
            outside_grants::replace_sealed(conn, row.credential, &sealed)?;
        }
        for row in totp::all(conn)? {
            let sealed = self.again(&second_factors::owner(row.user_id), &row.sealed)?;
            totp::replace_sealed(conn, row.user_id, &sealed)?;
        }
        Ok(())
    }

    fn again(&mut self, owner: &str, sealed: &str) -> QueryResult<String> {
        self.count += 1;
        self.new.reseal(self.old, owner, sealed).map_err(|error| {
            *self.failed = Some((format!("what is sealed for {owner}"), error));
            QueryError::RollbackTransaction
        })
    }
}
