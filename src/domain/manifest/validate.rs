//! What types cannot say about a manifest. Every refusal names the field and what would be right.
//!
//! `names` has how single names must be spelled.

mod names;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

use self::names::{bundle, environment_name, exact_version, npm_name, program, pypi_name, relative_path};
use super::{CredentialKind, Launch, Manifest, Network, SharedSpec, Transport};
use crate::domain::{
    instance::Mode,
    network::{Endpoint, EndpointError, MAX_ENDPOINTS},
    walls::Level,
};

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
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
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
        self.validate_shared()?;
        self.validate_launch()?;
        self.validate_arguments()?;
        self.validate_credential()?;
        self.validate_env()?;
        self.validate_config()?;
        self.validate_sandbox()?;
        self.validate_health()?;
        self.validate_network()
    }

    fn validate_sandbox(&self) -> Result<(), ManifestError> {
        if self.sandbox == Level::Strict && self.network == Network::Open {
            let reason = "must be none, loopback or an allow_list when `sandbox` is strict; open is the default";
            return Err(ManifestError::new("network", reason));
        }
        let is_plain = |path: &PathBuf| {
            path.is_absolute()
                && path.components().all(|part| !matches!(part, Component::ParentDir))
                && path != Path::new("/")
        };
        match self.read_only.iter().position(|path| !is_plain(path)) {
            None => Ok(()),
            Some(at) => {
                let reason = "must be an absolute path without `..`, and not all of the host";
                Err(ManifestError::new(&format!("read_only[{at}]"), reason))
            }
        }
    }

    fn validate_texts(&self) -> Result<(), ManifestError> {
        if self.display_name.trim().is_empty() || self.display_name.len() > 100 {
            return Err(ManifestError::new("display_name", "must have 1 to 100 characters"));
        }
        if self.description.len() > 2000 {
            return Err(ManifestError::new("description", "must have at most 2000 characters"));
        }
        if self.wake_at.len() > 48 {
            return Err(ManifestError::new("wake_at", "must have at most 48 times"));
        }
        if self.modes.is_empty() {
            return Err(ManifestError::new("modes", "must name at least one of dedicated, shared, session"));
        }
        if self.modes.contains(&Mode::Shared) && self.shared.is_none() {
            return Err(ManifestError::new("shared", "is needed when `modes` contains shared: {port, workers}"));
        }
        Ok(())
    }

    fn validate_shared(&self) -> Result<(), ManifestError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let most = SharedSpec::MAX_WORKERS;
        if shared.workers == 0 || shared.workers > most {
            return Err(ManifestError::new("shared.workers", format!("must be 1 to {most}, not {}", shared.workers)));
        }
        if self.transport != Transport::Http || matches!(self.launch, Launch::Remote { .. }) {
            let reason = "needs a program of `transport = \"http\"`, which serves `/{instance}/mcp`";
            return Err(ManifestError::new("shared", reason));
        }
        match self.env.keys().find(|name| name.starts_with("BERTH_")) {
            Some(name) => Err(ManifestError::new(&format!("env.{name}"), "is for Berth to set in a shared service")),
            None => Ok(()),
        }
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
            Launch::Bundle { sha256, command, .. } => {
                bundle(sha256, command)?;
                self.expect_transport(Transport::Stdio, "bundle")
            }
            Launch::Remote { url, .. } => {
                if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                    return Err(ManifestError::new("launch.url", "must be an http or https URL with a host"));
                }
                self.expect_transport(Transport::Http, "remote")
            }
        }
    }

    fn validate_arguments(&self) -> Result<(), ManifestError> {
        if self.runtime_args.is_some() && !self.launch.has_runtime() {
            return Err(ManifestError::new("runtime_args", "needs `launch.kind` node, npm or pypi"));
        }
        let given =
            [("runtime_args", self.runtime_args.as_deref().unwrap_or_default()), ("debug.args", &self.debug.args)];
        match given.iter().find(|(_, args)| args.iter().any(|arg| arg.contains('\0'))) {
            Some((field, _)) => Err(ManifestError::new(field, "must not hold a zero byte")),
            None => Ok(()),
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
        let in_requests = credential.header.is_some() || self.shared.is_some();
        let carried = credential.env.is_some() || in_requests || self.templates_use_credential();
        if credential.kind != CredentialKind::None && !carried {
            return Err(ManifestError::new(
                "credential",
                "needs `env` or `header` (or `shared`): the process must get the credential somehow",
            ));
        }
        if credential.check.is_some() && credential.kind == CredentialKind::None {
            return Err(ManifestError::new("credential.check", "needs a `kind` of credential to check"));
        }
        if credential.oauth.is_some() && credential.kind != CredentialKind::Oauth2 {
            return Err(ManifestError::new("credential.oauth", "needs `kind = \"oauth2\"`"));
        }
        credential.oauth.as_ref().map_or(Ok(()), |oauth| oauth.validate(&self.env))?;
        credential.check.as_ref().map_or(Ok(()), |check| check.validate(&self.env))
    }

    fn templates_use_credential(&self) -> bool {
        let in_headers = match &self.launch {
            Launch::Remote { headers, .. } => headers.values().any(|value| value.contains("{credential}")),
            _ => false,
        };
        let in_url = self.launch.url_template().is_some_and(|url| url.contains("{credential}"));
        in_url || in_headers || self.env.values().any(|value| value.contains("{credential}"))
    }

    fn validate_env(&self) -> Result<(), ManifestError> {
        self.env.keys().try_for_each(|name| environment_name(&format!("env.{name}"), name))?;
        let debug = self.debug.env.iter().flatten();
        debug.map(|(name, _)| name).try_for_each(|name| environment_name(&format!("debug.env.{name}"), name))
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

    fn validate_network(&self) -> Result<(), ManifestError> {
        let Network::AllowList(entries) = &self.network else { return Ok(()) };
        let field = "network.allow_list";
        if matches!(self.launch, Launch::Remote { .. }) {
            return Err(ManifestError::new(field, "has no meaning for a server that runs elsewhere"));
        }
        if entries.is_empty() || entries.len() > MAX_ENDPOINTS {
            let reason = format!("must have 1 to {MAX_ENDPOINTS} entries; `network = \"none\"` closes it altogether");
            return Err(ManifestError::new(field, reason));
        }
        let mut seen = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let at = format!("{field}[{index}]");
            let endpoint: Endpoint =
                entry.parse().map_err(|error: EndpointError| ManifestError::new(&at, error.to_string()))?;
            if !seen.insert(endpoint) {
                return Err(ManifestError::new(&at, format!("{entry:?} is there twice")));
            }
        }
        Ok(())
    }
}
