//! Configuration: flag > environment `BERTH_…` > `berth.toml` > default. One struct per concern.
//!
//! Every setting has one name: `listen` is the flag `--listen`, the variable `BERTH_LISTEN` and the
//! key `listen` of `berth.toml`. Read once at start, before anything is bound; there are no globals.

mod auth;
mod clients;
mod mail;
mod notices;
mod oidc;
mod runtime;
mod server;
mod source;
mod storage;

use thiserror::Error;

pub use self::{
    auth::AuthConfig,
    clients::{ClientsConfig, Hosts, Registration},
    mail::{MailConfig, MailWay},
    notices::{NoticesConfig, Retries},
    oidc::OidcProvider,
    runtime::RuntimeConfig,
    server::{LogFormat, ServerConfig},
    source::{Layers, Source},
    storage::StorageConfig,
};

/// Why the configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A value is not of the right form.
    #[error("setting `{key}`: {reason}")]
    Invalid {
        /// The setting's name.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The file has a key that is no setting.
    #[error("{file}: `{key}` is not a setting; see `berth serve --help` for those there are")]
    Unknown {
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// The file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{file} is not valid TOML")]
    Toml {
        /// The file.
        file: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// Where things are kept.
    pub storage: StorageConfig,
    /// Instances and their processes.
    pub runtime: RuntimeConfig,
    /// People and their limits.
    pub auth: AuthConfig,
    /// Programs that ask users for access.
    pub clients: ClientsConfig,
    /// Mail.
    pub mail: MailConfig,
    /// Sign-in providers.
    pub oidc: Vec<OidcProvider>,
    /// What people are told, and how.
    pub notices: NoticesConfig,
}

impl Config {
    /// Reads every setting from `source`.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn read(source: &dyn Source) -> Result<Self, ConfigError> {
        let storage = StorageConfig::read(source)?;
        Ok(Self {
            server: ServerConfig::read(source)?,
            runtime: RuntimeConfig::read(source)?,
            auth: AuthConfig::read(source)?,
            clients: ClientsConfig::read(source)?,
            mail: MailConfig::read(source, &storage)?,
            oidc: oidc::read(source)?,
            notices: NoticesConfig::read(source)?,
            storage,
        })
    }
}

/// Every setting's name, for the file check and the help.
pub const SETTINGS: &[&str] = &[
    "listen",
    "public_url",
    "allowed_origins",
    "max_body_bytes",
    "workers",
    "log",
    "log_format",
    "data_dir",
    "services_dir",
    "service_env",
    "database_url",
    "master_key",
    "ports",
    "shared_ports",
    "shared_start",
    "call_timeout_seconds",
    "wake_timeout_seconds",
    "stop_grace_seconds",
    "max_sessions",
    "max_in_flight",
    "max_line_bytes",
    "log_max_bytes",
    "log_max_age_days",
    "log_keep",
    "sample_seconds",
    "uids",
    "allow_missing_walls",
    "session_idle_seconds",
    "ask_patience_seconds",
    "max_parked",
    "import_max_bytes",
    "idle_seconds",
    "default_memory_bytes",
    "default_processes",
    "default_disk_bytes",
    "cgroups",
    "max_connections",
    "connection_keep_hours",
    "spares",
    "allow_private_targets",
    "ca_file",
    "instance_quota",
    "quota_running",
    "quota_memory_bytes",
    "quota_calls_per_day",
    "quota_creations_per_hour",
    "calls_per_second",
    "service_calls_per_second",
    "token_calls_per_second",
    "login_attempts",
    "sign_in_days",
    "user_services",
    "client_registration",
    "max_registered_clients",
    "client_document_hosts",
    "access_token_seconds",
    "refresh_token_days",
    "mail",
    "mail_dir",
    "mail_smtp_url",
    "mail_from",
    "oidc",
    "audit_keep_days",
    "user_undo_hours",
    "expiry_notice_hours",
    "webhook_retry_seconds",
    "webhook_patience_hours",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write};

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "listen = \"127.0.0.1:1\"\ninstance_quota = 3\nlog = \"debug\"").unwrap();
        let environment =
            [("BERTH_LISTEN", "127.0.0.1:2"), ("BERTH_INSTANCE_QUOTA", "4"), ("HOME", "/x"), ("BERTH_LOG", "")];
        let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let layers = Layers::new(map(&[("listen", "127.0.0.1:3")]), environment.into_iter(), file.path()).unwrap();
        let config = Config::read(&layers).unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.auth.instance_quota, 4);
        assert_eq!(config.server.log, "debug");
        assert_eq!(config.runtime.ports, crate::domain::ports::PortRange::DEDICATED);
    }

    #[test]
    fn wrong_values_name_the_setting() {
        let cases = [
            ("listen", "nowhere", "`listen`"),
            ("ports", "9-3", "`ports`"),
            ("stop_grace_seconds", "0", "`stop_grace_seconds`: must be 1 to 600"),
            ("allow_private_targets", "everything", "`allow_private_targets`"),
            ("log_format", "xml", "`log_format`"),
            ("cgroups", "on", "`cgroups`: \"on\": must be `auto` or `off`"),
            ("public_url", "ftp://x", "`public_url`"),
        ];
        for (key, value, expected) in cases {
            let error = Config::read(&map(&[(key, value)])).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{key}: {error}");
        }
    }

    #[test]
    fn a_typo_in_the_file_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "listne = \"127.0.0.1:1\"").unwrap();
        let refused = Layers::new(BTreeMap::new(), std::iter::empty(), file.path());
        assert!(matches!(refused, Err(ConfigError::Unknown { .. })));
    }
}
