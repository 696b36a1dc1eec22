//! Where things are kept.

use std::{collections::BTreeMap, path::PathBuf};

use super::{ConfigError, Source};
use crate::domain::{names::ServiceName, secret::Secret};

/// Settings of storage.
#[derive(Clone)]
pub struct StorageConfig {
    /// `data_dir`: everything that Berth writes. Default `./data`.
    pub data_dir: PathBuf,
    /// `services_dir`: the folder of bundled services. Default `./mcp-servers`.
    pub services_dir: PathBuf,
    /// `service_env`: other values for variables that bundled services have in their manifests' `env`, such as another
    /// base URL of the outside API: `github.GITHUB_API_URL=https://github.example.com/api/v3`, with commas between.
    pub service_env: BTreeMap<ServiceName, BTreeMap<String, String>>,
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
            service_env: service_env(&source.get("service_env").unwrap_or_default())?,
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

fn service_env(text: &str) -> Result<BTreeMap<ServiceName, BTreeMap<String, String>>, ConfigError> {
    let mut all: BTreeMap<ServiceName, BTreeMap<String, String>> = BTreeMap::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let parts = item.split_once('=').and_then(|(place, value)| Some((place.split_once('.')?, value)));
        let named = parts.and_then(|((service, name), value)| Some((service.parse().ok()?, name, value)));
        let Some((service, name, value)) = named.filter(|(_, name, _)| !name.is_empty()) else {
            // Not repeated: a value may be a secret.
            let reason = "must be SERVICE.NAME=VALUE, with commas between".to_owned();
            return Err(ConfigError::Invalid { key: "service_env".to_owned(), reason });
        };
        all.entry(service).or_default().insert(name.to_owned(), value.to_owned());
    }
    Ok(all)
}

impl std::fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageConfig")
            .field("data_dir", &self.data_dir)
            .field("services_dir", &self.services_dir)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::service_env;

    #[test]
    fn variables_of_services_are_named_with_them() {
        let read = service_env("a.X=1, b-2.Y=http://h:1/p?q=1,a.Z=").unwrap();
        let of =
            |service: &str| read[&service.parse().unwrap()].iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        assert_eq!(of("a"), ["X=1", "Z="]);
        assert_eq!(of("b-2"), ["Y=http://h:1/p?q=1"]);
        assert!(service_env("").unwrap().is_empty());
        for wrong in ["a", "a=1", "a.=1", ".X=1", "A.X=1", "a.X"] {
            assert!(service_env(wrong).is_err(), "{wrong}");
        }
    }
}
