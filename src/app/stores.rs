//! What is opened before anything runs, by the server and by commands that need none: the data directory,
//! its database, its vault, the catalog.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};

use super::rekey::finish_interrupted;
use crate::{
    catalog::Catalog,
    config::Config,
    db::{Db, services, settings},
    vault::Vault,
};

/// The setting by which a wrong master key is known.
pub const VAULT_CHECK: &str = "vault.check";
/// The setting that holds the data directory's own id.
pub const HOST_ID: &str = "host.id";

/// The parts that commands without a server need, too.
pub struct Stores {
    /// The database, migrated.
    pub db: Db,
    /// The vault, its key checked.
    pub vault: Arc<Vault>,
    /// This data directory's own id.
    pub host: String,
}

/// Opens the data directory's stores: makes what is missing, migrates, checks the master key.
///
/// # Errors
/// When anything cannot be opened; a wrong master key is refused before anything is written with it.
pub fn open_stores(config: &Config) -> Result<Stores> {
    let db = open_migrated_database(config)?;
    let key_file = config.storage.master_key_file();
    let stored = db.read_blocking(|conn| settings::get(conn, VAULT_CHECK))?;
    if stored.is_some() && config.storage.master_key.is_none() && !key_file.exists() {
        bail!(
            "{} is missing, but the database holds secrets sealed with it; put it back or set BERTH_MASTER_KEY",
            key_file.display()
        );
    }
    let (vault, _) =
        Vault::open(config.storage.master_key.as_ref(), &key_file).context("the master key cannot be used")?;
    let vault = match &stored {
        Some(check) if config.storage.master_key.is_none() => finish_interrupted(&key_file, vault, check)?,
        _ => vault,
    };
    let fresh = vault.check_value()?;
    let check = db.write_blocking(|conn| settings::put_if_absent(conn, VAULT_CHECK, &fresh))?;
    vault
        .verify_check(&check)
        .context("this is not the master key that the stored credentials were sealed with; nothing was changed")?;
    let id = uuid::Uuid::new_v4().simple().to_string();
    let host = db.write_blocking(|conn| settings::put_if_absent(conn, HOST_ID, &id))?;
    Ok(Stores { db, vault: Arc::new(vault), host })
}

/// Opens the database without migrating it.
///
/// # Errors
/// When it cannot be reached.
pub fn open_database(config: &Config) -> Result<Db> {
    Db::open(config.storage.database_url().expose()).context("the database cannot be opened")
}

/// Opens the database and brings its schema up to date, making the data directory where it is missing.
///
/// # Errors
/// When it cannot be reached or migrated.
pub fn open_migrated_database(config: &Config) -> Result<Db> {
    let db = migrated(config)?.0;
    Ok(db)
}

/// Brings the database's schema up to date; the names of what was applied.
///
/// # Errors
/// When it cannot be reached or migrated.
pub fn migrate(config: &Config) -> Result<Vec<String>> {
    migrated(config).map(|(_, applied)| applied)
}

fn migrated(config: &Config) -> Result<(Db, Vec<String>)> {
    make_private(&config.storage.data_dir)?;
    let db = open_database(config)?;
    let applied = db.migrate().context("the database could not be migrated; nothing was changed")?;
    if !applied.is_empty() {
        log::info!("database migrated: {}", applied.join(", "));
    }
    Ok((db, applied))
}

/// The catalog: bundled services and those that were added. What is wrong with one is told and
/// leaves the others alone.
///
/// # Errors
/// When the database cannot be read.
pub fn load_catalog(config: &Config, db: &Db) -> Result<(Catalog, Vec<String>)> {
    let overrides = config.storage.service_env.clone();
    let (catalog, problems) =
        Catalog::load_with(&config.storage.services_dir, config.runtime.shared_ports, overrides.clone());
    let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let unknown = overrides.keys().filter(|name| catalog.get(name).is_none());
    problems.extend(unknown.map(|name| format!("the setting `service_env` names {name}, which cannot be used")));
    for added in db.read_blocking(services::list)? {
        let name = added.manifest.name.clone();
        if let Err(problem) = catalog.add_runtime(added.manifest, added.owner_id) {
            problems.push(format!("added service {name}: {problem}"));
        }
    }
    Ok((catalog, problems))
}

/// Makes the data directory, for its owner alone.
pub(super) fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the data directory {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close the data directory {} to others", path.display()))
}
