//! A service's manifest: `service.toml` in its folder, or the same keys as JSON by REST.
//!
//! Reading is serde's, so an error names the field; [`Manifest::validate`] adds what types cannot
//! say. Whether a port or a name is unique is the catalog's to know.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::{instance::Mode, limits::Limits, names::ServiceName};

/// How to run one kind of MCP server, and what it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Unique name: URL segment and folder name.
    pub name: ServiceName,
    /// The name that people see.
    pub display_name: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// An emoji, or a path below `/static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// How the server speaks.
    pub transport: Transport,
    /// How it is started or reached.
    pub launch: Launch,
    /// Environment of the process; values may hold `{PORT}`, `{DATA_DIR}`, `{INSTANCE_ID}` and other templates.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The credential that it needs.
    #[serde(default)]
    pub credential: CredentialSpec,
    /// Fields that the owner fills; `{config.NAME}` in arguments and environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigField>,
    /// Scopes to ask of the outside service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Limits of each instance.
    #[serde(default)]
    pub limits: Limits,
    /// How its health is checked.
    #[serde(default)]
    pub health: HealthSpec,
    /// Process modes that its owner may choose; the first is the default.
    #[serde(default = "default_modes")]
    pub modes: Vec<Mode>,
    /// How it is shared, where `modes` allows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedSpec>,
    /// What it may reach.
    #[serde(default)]
    pub network: Network,
}

fn default_modes() -> Vec<Mode> {
    vec![Mode::Dedicated]
}

/// How a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Lines of JSON-RPC on standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
}

/// How a server is started or reached. No kind ever goes through a shell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Launch {
    /// A Node program in the service's own folder.
    Node {
        /// Path of the program, relative to the folder.
        entry: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A package of the npm registry, installed once per version.
    Npm {
        /// Package name.
        package: String,
        /// Exact version.
        version: String,
        /// Which of its programs; the only one, or the one named like the package, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A package of PyPI, installed once per version into an environment of its own.
    Pypi {
        /// Package name.
        package: String,
        /// Exact version.
        version: String,
        /// Which of its programs; the one named like the package when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entry: Option<String>,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// Any program that speaks on standard input and output.
    Command {
        /// Absolute path, or a name searched in `PATH`.
        command: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// Any program that listens on `PORT`.
    Http {
        /// Absolute path, or a name searched in `PATH`.
        command: String,
        /// Its arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// Path of its MCP endpoint. Default `/mcp`.
        #[serde(default = "default_mcp_path")]
        path: String,
    },
    /// A server that runs elsewhere.
    Remote {
        /// Its Streamable HTTP endpoint.
        url: Url,
        /// Headers to send; values may hold `{credential}` and `{config.NAME}`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
}

fn default_mcp_path() -> String {
    "/mcp".to_owned()
}

/// Which kind of secret a service needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// None.
    #[default]
    None,
    /// An API key.
    ApiKey,
    /// A personal access token.
    PersonalAccessToken,
    /// `user:password`.
    Basic,
    /// Obtained by sign-in at the outside service.
    Oauth2,
}

/// The credential that a service needs and how its process gets it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialSpec {
    /// Its kind.
    pub kind: CredentialKind,
    /// Environment variable that carries it to the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// Request header that carries it to a remote or HTTP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where to get one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// URL that answers 2xx when the credential is good; used before it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Url>,
}

/// One field that an instance's owner fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigField {
    /// Its key.
    pub name: String,
    /// Its name for people.
    #[serde(default)]
    pub label: String,
    /// What it is for.
    #[serde(default)]
    pub help: String,
    /// Used when the owner gives none; templates are filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether creation fails without it.
    #[serde(default)]
    pub required: bool,
}

/// How health is checked. Times in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSpec {
    /// HTTP path that answers 2xx; MCP `ping` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Between checks. Default 30.
    pub interval_seconds: u64,
    /// For one check. Default 5.
    pub timeout_seconds: u64,
    /// Failures in a row before it counts as unhealthy; twice as many end it. Default 3.
    pub retries: u32,
    /// For a start, until the server answers. Default 60.
    pub start_seconds: u64,
}

impl HealthSpec {
    /// Between checks.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// For one check.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// For a start.
    #[must_use]
    pub const fn start_timeout(&self) -> Duration {
        Duration::from_secs(self.start_seconds)
    }
}

impl Default for HealthSpec {
    fn default() -> Self {
        Self { endpoint: None, interval_seconds: 30, timeout_seconds: 5, retries: 3, start_seconds: 60 }
    }
}

/// How a service is shared among instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSpec {
    /// Its port, inside the shared range and unique in the catalog.
    pub port: u16,
    /// Processes of it. Default 1.
    #[serde(default = "one")]
    pub workers: u16,
}

const fn one() -> u16 {
    1
}

/// What a server may reach. Recorded here; enforced by the sandbox where one is in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    None,
    /// This host only.
    Loopback,
    /// These `host:port` pairs only.
    AllowList(Vec<String>),
    /// Anything.
    #[default]
    Open,
}

/// What is wrong with a manifest, beyond its types.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("field `{field}`: {reason}")]
pub struct ManifestError {
    /// The field, dotted.
    pub field: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl ManifestError {
    fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

impl Manifest {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first field that is wrong, with the reason.
    pub fn validate(&self) -> Result<(), ManifestError> {
        self.validate_texts()?;
        self.validate_launch()?;
        self.validate_credential()?;
        self.validate_env()?;
        self.validate_config()?;
        self.validate_health()
    }

    fn validate_texts(&self) -> Result<(), ManifestError> {
        if self.display_name.trim().is_empty() || self.display_name.len() > 100 {
            return Err(ManifestError::new("display_name", "must have 1 to 100 characters"));
        }
        if self.description.len() > 2000 {
            return Err(ManifestError::new("description", "must have at most 2000 characters"));
        }
        if self.modes.is_empty() {
            return Err(ManifestError::new("modes", "must name at least one of dedicated, shared, session"));
        }
        if self.modes.contains(&Mode::Shared) && self.shared.is_none() {
            return Err(ManifestError::new("shared", "is needed when `modes` contains shared: {port, workers}"));
        }
        Ok(())
    }

    fn validate_launch(&self) -> Result<(), ManifestError> {
        match &self.launch {
            Launch::Node { entry, .. } => relative_path("launch.entry", entry),
            Launch::Npm { package, version, .. } => npm_name(package).and_then(|()| exact_version(version)),
            Launch::Pypi { package, version, .. } => pypi_name(package).and_then(|()| exact_version(version)),
            Launch::Command { command, .. } => {
                program(command)?;
                self.expect_transport(Transport::Stdio, "command")
            }
            Launch::Http { command, path, .. } => {
                program(command)?;
                if !path.starts_with('/') {
                    return Err(ManifestError::new("launch.path", "must start with '/'"));
                }
                self.expect_transport(Transport::Http, "http")
            }
            Launch::Remote { url, .. } => {
                if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                    return Err(ManifestError::new("launch.url", "must be an http or https URL with a host"));
                }
                self.expect_transport(Transport::Http, "remote")
            }
        }
    }

    fn expect_transport(&self, transport: Transport, kind: &str) -> Result<(), ManifestError> {
        if self.transport == transport {
            return Ok(());
        }
        let name = if transport == Transport::Stdio { "stdio" } else { "http" };
        Err(ManifestError::new("transport", format!("must be {name} when `launch.kind` is {kind}")))
    }

    fn validate_credential(&self) -> Result<(), ManifestError> {
        let credential = &self.credential;
        if let Some(env) = &credential.env {
            environment_name("credential.env", env)?;
        }
        let carried = credential.env.is_some() || credential.header.is_some() || self.templates_use_credential();
        if credential.kind != CredentialKind::None && !carried {
            return Err(ManifestError::new(
                "credential",
                "needs `env` or `header`: the process must get the credential somehow",
            ));
        }
        Ok(())
    }

    fn templates_use_credential(&self) -> bool {
        let in_headers = match &self.launch {
            Launch::Remote { headers, .. } => headers.values().any(|value| value.contains("{credential}")),
            _ => false,
        };
        in_headers || self.env.values().any(|value| value.contains("{credential}"))
    }

    fn validate_env(&self) -> Result<(), ManifestError> {
        self.env.keys().try_for_each(|name| environment_name(&format!("env.{name}"), name))
    }

    fn validate_config(&self) -> Result<(), ManifestError> {
        for (index, field) in self.config.iter().enumerate() {
            let at = format!("config[{index}].name");
            let plain = !field.name.is_empty()
                && field.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            if !plain {
                return Err(ManifestError::new(&at, "must be letters, digits, '_' and '-'"));
            }
            if self.config.iter().take(index).any(|earlier| earlier.name == field.name) {
                return Err(ManifestError::new(&at, format!("{:?} is there twice", field.name)));
            }
        }
        Ok(())
    }

    fn validate_health(&self) -> Result<(), ManifestError> {
        let health = &self.health;
        let bounded = [
            ("health.interval_seconds", health.interval_seconds, 1, 86_400),
            ("health.timeout_seconds", health.timeout_seconds, 1, 300),
            ("health.start_seconds", health.start_seconds, 1, 3600),
            ("health.retries", u64::from(health.retries), 1, 100),
        ];
        for (field, value, least, most) in bounded {
            if !(least..=most).contains(&value) {
                return Err(ManifestError::new(field, format!("must be {least} to {most}, not {value}")));
            }
        }
        match &health.endpoint {
            Some(path) if !path.starts_with('/') => Err(ManifestError::new("health.endpoint", "must start with '/'")),
            Some(_) if self.transport == Transport::Stdio => Err(ManifestError::new(
                "health.endpoint",
                "needs `transport = \"http\"`; stdio servers are checked by ping",
            )),
            _ => Ok(()),
        }
    }
}

fn relative_path(field: &str, path: &str) -> Result<(), ManifestError> {
    let inside =
        !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != ".." && !part.is_empty());
    if inside { Ok(()) } else { Err(ManifestError::new(field, "must be a relative path inside the service's folder")) }
}

fn program(command: &str) -> Result<(), ManifestError> {
    let usable =
        !command.trim().is_empty() && !command.contains('\0') && (command.starts_with('/') || !command.contains('/'));
    if usable {
        Ok(())
    } else {
        Err(ManifestError::new("launch.command", "must be an absolute path or a bare program name"))
    }
}

fn npm_name(package: &str) -> Result<(), ManifestError> {
    let part = |text: &str| {
        !text.is_empty()
            && !text.starts_with(['.', '-', '_'])
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b'~'))
    };
    let good = match package.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(package),
    };
    if good && package.len() <= 214 {
        Ok(())
    } else {
        Err(ManifestError::new("launch.package", format!("{package:?} is not an npm package name")))
    }
}

fn pypi_name(package: &str) -> Result<(), ManifestError> {
    let good = (1..=100).contains(&package.len())
        && package.starts_with(|c: char| c.is_ascii_alphanumeric())
        && package.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if good {
        Ok(())
    } else {
        Err(ManifestError::new("launch.package", format!("{package:?} is not a PyPI package name")))
    }
}

fn exact_version(version: &str) -> Result<(), ManifestError> {
    let exact = version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= 64
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'!'));
    if exact {
        Ok(())
    } else {
        Err(ManifestError::new(
            "launch.version",
            format!("{version:?} is not an exact version; ranges and tags are not allowed"),
        ))
    }
}

fn environment_name(field: &str, name: &str) -> Result<(), ManifestError> {
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain {
        return Err(ManifestError::new(field, "must be letters, digits and '_', not starting with a digit"));
    }
    if name.starts_with("BERTH_") || name.starts_with("LD_") {
        return Err(ManifestError::new(field, "names that start with BERTH_ or LD_ are not allowed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(changes: &[(&str, serde_json::Value)]) -> serde_json::Value {
        let mut base = serde_json::json!({
            "name": "echo", "display_name": "Echo", "transport": "stdio",
            "launch": {"kind": "command", "command": "/bin/echo-server"},
        });
        for (key, value) in changes {
            base[*key] = value.clone();
        }
        base
    }

    fn refusal(changes: &[(&str, serde_json::Value)]) -> String {
        match serde_json::from_value::<Manifest>(json(changes)) {
            Err(error) => error.to_string(),
            Ok(manifest) => manifest.validate().map_or_else(|error| error.to_string(), |()| "accepted".to_owned()),
        }
    }

    #[test]
    fn a_minimal_manifest_is_enough() {
        assert_eq!(refusal(&[]), "accepted");
    }

    #[test]
    fn every_refusal_names_the_field() {
        use serde_json::json;
        let cases = [
            (vec![("name", json!("Bad Name"))], "service name"),
            (vec![("colour", json!("red"))], "unknown field `colour`"),
            (vec![("display_name", json!(" "))], "`display_name`"),
            (vec![("launch", json!({"kind": "docker"}))], "unknown variant `docker`"),
            (vec![("launch", json!({"kind": "command", "command": "./x"}))], "`launch.command`"),
            (vec![("launch", json!({"kind": "npm", "package": "a b", "version": "1.0.0"}))], "`launch.package`"),
            (vec![("launch", json!({"kind": "npm", "package": "a", "version": "^1"}))], "`launch.version`"),
            (vec![("launch", json!({"kind": "pypi", "package": "a", "version": "latest"}))], "`launch.version`"),
            (vec![("launch", json!({"kind": "node", "entry": "../x.js"}))], "`launch.entry`"),
            (vec![("launch", json!({"kind": "http", "command": "x"}))], "`transport`"),
            (vec![("launch", json!({"kind": "remote", "url": "file:///etc/passwd"}))], "`launch.url`"),
            (vec![("credential", json!({"kind": "passport"}))], "unknown variant `passport`"),
            (vec![("credential", json!({"kind": "api_key"}))], "`credential`"),
            (vec![("env", json!({"LD_PRELOAD": "x"}))], "`env.LD_PRELOAD`"),
            (vec![("health", json!({"retries": 0}))], "`health.retries`"),
            (vec![("health", json!({"endpoint": "/x"}))], "`health.endpoint`"),
            (vec![("modes", json!(["shared"]))], "`shared`"),
            (vec![("config", json!([{"name": "a"}, {"name": "a"}]))], "`config[1].name`"),
        ];
        for (changes, expected) in cases {
            let got = refusal(&changes);
            assert!(got.contains(expected), "{changes:?}: {got}");
        }
    }
}
