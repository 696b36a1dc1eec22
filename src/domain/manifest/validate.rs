//! What types cannot say about a manifest. Every refusal names the field and what would be right.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

use super::{CredentialKind, Launch, Manifest, Network, Transport};
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
        assert_eq!(refusal(&[("network", serde_json::json!({"allow_list": ["api.example.com:443"]}))]), "accepted");
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
            (vec![("read_only", json!(["/opt/x", "../y"]))], "`read_only[1]`"),
            (vec![("read_only", json!(["/opt/../etc"]))], "`read_only[0]`"),
            (vec![("read_only", json!(["/"]))], "`read_only[0]`"),
            (vec![("runtime_args", json!(["--x"]))], "`runtime_args`"),
            (vec![("debug", json!({"args": ["a\u{0}"]}))], "`debug.args`"),
            (vec![("debug", json!({"env": {"LD_PRELOAD": "x"}}))], "`debug.env.LD_PRELOAD`"),
            (vec![("debug", json!({"level": "x"}))], "unknown field `level`"),
            (vec![("health", json!({"retries": 0}))], "`health.retries`"),
            (vec![("health", json!({"endpoint": "/x"}))], "`health.endpoint`"),
            (vec![("modes", json!(["shared"]))], "`shared`"),
            (vec![("network", json!("closed"))], "unknown variant `closed`"),
            (vec![("network", json!({"allow_list": []}))], "`network.allow_list`: must have 1 to 64"),
            (
                vec![("network", json!({"allow_list": ["*.a.example:443"]}))],
                "`network.allow_list[0]`: \"*.a.example:443\" has a wildcard",
            ),
            (vec![("network", json!({"allow_list": ["a.example:443", "A.example:443"]}))], "`network.allow_list[1]`"),
            (vec![("network", json!({"allow_list": ["a.example"]}))], "must be host:port"),
            (vec![("config", json!([{"name": "a"}, {"name": "a"}]))], "`config[1].name`"),
        ];
        for (changes, expected) in cases {
            let got = refusal(&changes);
            assert!(got.contains(expected), "{changes:?}: {got}");
        }
    }
}
