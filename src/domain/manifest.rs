//! A service's manifest: `service.toml` in its folder, or the same keys as JSON by REST.
//!
//! Reading is serde's, so an error names the field; [`Manifest::validate`] adds what types cannot
//! say. Whether a port or a name is unique is the catalog's to know.

mod addresses;
mod check;
mod debug;
mod oauth;
mod shared;
mod validate;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::{
    check::{CheckMethod, CredentialCheck, Expectation},
    debug::DebugSpec,
    oauth::{ClientAuth, Endpoints, OAuthSpec},
    shared::{SharedSpec, SharedStart},
    validate::ManifestError,
};
use super::{instance::Mode, limits::Limits, names::ServiceName, secret::Secret, time::TimeOfDay, walls::Level};

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
    /// Flags of the runtime, before the program's path, for the kinds node, npm and pypi; in place of those that
    /// Berth gives by itself. Templates are filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_args: Option<Vec<String>>,
    /// What is added while an instance is being debugged.
    #[serde(default, skip_serializing_if = "DebugSpec::is_default")]
    pub debug: DebugSpec,
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
    /// Seconds without use after which an instance sleeps; 0: never. The setting's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<u32>,
    /// Times of day (UTC) at which a sleeping dedicated instance is woken, so that its first call need not wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wake_at: Vec<TimeOfDay>,
    /// Connections that session mode keeps started in advance; 0: none. The setting's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spares: Option<u32>,
    /// How closely its processes are confined. Default `standard`.
    #[serde(default)]
    pub sandbox: Level,
    /// Folders and files of this host that its processes may read and run, beyond the system's own, the
    /// package and the folder of the program. Only administrators may add a service that has some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<PathBuf>,
}

impl Manifest {
    /// Whether only an administrator may add it: it asks for more than is every service's due.
    #[must_use]
    pub fn privilege(&self) -> Option<&'static str> {
        if self.sandbox == Level::Off {
            return Some("field `sandbox`: only administrators may add services without walls; say standard or strict");
        }
        if !self.read_only.is_empty() {
            return Some("field `read_only`: only administrators may open folders of this host to a service");
        }
        // Such processes take no place of anybody's quota.
        let is_shared = self.shared.is_some();
        is_shared.then_some("field `shared`: only administrators may add services that are shared; remove `[shared]`")
    }
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
    /// A program of an MCPB bundle that was imported, or one of this host that runs what is in the bundle. It speaks on
    /// standard input and output.
    Bundle {
        /// The bundle's SHA-256 as lower-case hexadecimal digits.
        sha256: String,
        /// Path of the program in the bundle, or a name searched in `PATH`.
        command: String,
        /// Its arguments; `{BUNDLE_DIR}` is the bundle's folder.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
    },
    /// A server that runs elsewhere.
    Remote {
        /// Its Streamable HTTP endpoint; path and query may hold `{credential}`, `{config.NAME}` and `{env.NAME}`.
        url: Url,
        /// Headers to send; values may hold `{credential}`, `{config.NAME}`, and `{env.NAME}` for a variable of the
        /// instance's own environment. A header whose template has no value is not sent.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
}

impl Launch {
    /// Whether Node runs it.
    #[must_use]
    pub const fn is_node(&self) -> bool {
        matches!(self, Self::Node { .. } | Self::Npm { .. })
    }

    /// Path and query of a server elsewhere, as a template; nothing for another kind.
    #[must_use]
    pub fn url_template(&self) -> Option<String> {
        let Self::Remote { url, .. } = self else { return None };
        let origin = url.origin().ascii_serialization();
        let path = url.as_str().strip_prefix(origin.as_str()).unwrap_or("/");
        // Braces are not written in paths as they are.
        Some(path.replace("%7B", "{").replace("%7D", "}"))
    }

    /// Whether it has a runtime of its own that takes flags before the program's path.
    #[must_use]
    pub const fn has_runtime(&self) -> bool {
        matches!(self, Self::Node { .. } | Self::Npm { .. } | Self::Pypi { .. })
    }
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

impl CredentialKind {
    /// What the request header `name` holds to carry `credential`. `Authorization` wants a scheme: `Basic` for
    /// `user:password` (RFC 7617), else `Bearer` where none is given; other headers take it as it is.
    #[must_use]
    pub fn in_header(self, name: &str, credential: &Secret) -> Secret {
        let text = credential.expose();
        if !name.eq_ignore_ascii_case("authorization") {
            return credential.clone();
        }
        match self {
            Self::Basic => Secret::new(format!("Basic {}", STANDARD.encode(text))),
            // `token …`, `Bearer …`: its owner has said which.
            _ if text.split_once(' ').is_some_and(|(scheme, _)| is_scheme(scheme)) => credential.clone(),
            _ => Secret::new(format!("Bearer {text}")),
        }
    }
}

/// `token`, `Bearer`, `AWS4-HMAC-SHA256`.
fn is_scheme(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
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
    /// How it is tried before it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CredentialCheck>,
    /// Where one signs in for it, and Berth keeps it fresh. Without it, a credential of kind `oauth2` is an access
    /// token that its owner keeps fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthSpec>,
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

/// What a server may reach. The sandbox holds it to that, except for [`Network::Open`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing. An HTTP server still has the loopback interface of its own that it is reached by.
    None,
    /// A loopback interface of its own: what it starts itself, and nothing of this host.
    Loopback,
    /// These `host:port` pairs only, over TCP and by their names ([`crate::domain::network::Endpoint`]).
    AllowList(Vec<String>),
    /// Anything that this host reaches, this host included.
    #[default]
    Open,
}
