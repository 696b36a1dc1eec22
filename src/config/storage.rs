//! Where things are kept.

use std::path::PathBuf;

use super::{ConfigError, Source};
use crate::domain::secret::Secret;

/// Settings of storage.
#[derive(Clone)]
pub struct StorageConfig {
    /// `data_dir`: everything that Berth writes. Default `./data`.
    pub data_dir: PathBuf,
    /// `services_dir`: the folder of bundled services. Default `./mcp-servers`.
    pub services_dir: PathBuf,
    /// `database_url`: `postgres://…` or `sqlite:///path`. Default a SQLite file in the data directory.
    pub database_url: Option<Secret>,
    /// `master_key`: base64 of 32 bytes. Default the file `master.key` in the data directory.
    pub master_key: Option<Secret>,
}

impl StorageConfig {
    pub(super) fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let absolute = |key: &str, default: &str| {
            let path = source.get(key).unwrap_or_else(|| default.to_owned());
            std::path::absolute(&path)
                .map_err(|error| ConfigError::Invalid { key: key.to_owned(), reason: format!("{path:?}: {error}") })
        };
        Ok(Self {
            data_dir: absolute("data_dir", "./data")?,
            services_dir: absolute("services_dir", "./mcp-servers")?,
            database_url: source.get("database_url").map(Secret::new),
            master_key: source.get("master_key").map(Secret::new),
        })
    }

    /// The database's address; may hold a password.
    #[must_use]
    pub fn database_url(&self) -> Secret {
        let file = || Secret::new(format!("sqlite://{}", self.data_dir.join("berth.db").display()));
        self.database_url.clone().unwrap_or_else(file)
    }

    /// Where the master key lies when it is not a setting.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.data_dir.join("master.key")
    }
}

impl std::fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageConfig")
            .field("data_dir", &self.data_dir)
            .field("services_dir", &self.services_dir)
            .finish_non_exhaustive()
    }
}
