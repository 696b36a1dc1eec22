//! What every command starts from: the settings and the way to print.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, bail};

use super::{Global, output::Output};
use crate::{
    app,
    config::{Config, Layers, SETTINGS},
    db::{Db, OptionalExtension, audit, users},
    domain::{names::Email, time::Timestamp},
};

/// Settings, and how to answer.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) output: Output,
}

impl Context {
    /// Reads the settings: flags over environment over file.
    pub(super) fn new(global: &Global, listen: Option<&str>, file: Option<&Path>) -> Result<Self> {
        let named = file.or(global.config.as_deref());
        if let Some(missing) = named.filter(|file| !file.exists()) {
            bail!("there is no settings file {}", missing.display());
        }
        let file = named.unwrap_or(Path::new("berth.toml"));
        let layers = Layers::new(flags(global, listen)?, std::env::vars(), file)?;
        Ok(Self { config: Config::read(&layers)?, output: Output { json: global.json } })
    }

    /// The database, its schema brought up to date.
    pub(super) fn database(&self) -> Result<Db> {
        app::open_migrated_database(&self.config)
    }

    /// The account with this address.
    pub(super) fn user(&self, db: &Db, email: &Email) -> Result<users::User> {
        let found = db.read_blocking(|conn| users::by_email(conn, email)).optional()?;
        found.with_context(|| format!("there is no user {email}; `berth user list` shows who there is"))
    }
}

fn flags(global: &Global, listen: Option<&str>) -> Result<BTreeMap<String, String>> {
    let mut flags = BTreeMap::new();
    for (name, value) in &global.settings {
        if !SETTINGS.contains(&name.as_str()) {
            bail!("`{name}` is not a setting; there are {}", SETTINGS.join(", "));
        }
        flags.insert(name.clone(), value.clone());
    }
    if let Some(data_dir) = &global.data_dir {
        flags.insert("data_dir".to_owned(), data_dir.display().to_string());
    }
    if let Some(listen) = listen {
        flags.insert("listen".to_owned(), listen.to_owned());
    }
    Ok(flags)
}

/// An audit entry of the command line: nobody's account did it, but whoever may use this host.
pub(super) fn by_operator(action: &str, target: String, detail: serde_json::Value) -> audit::NewEntry {
    audit::NewEntry { at: Timestamp::now(), actor: None, action: action.to_owned(), target, detail }
}
