//! What a child is started with: arguments, environment, headers; templates filled.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{contract, instance::Home};
use crate::{
    catalog::{Program, Service},
    domain::{
        fingerprint::Fingerprint,
        instance::Instance,
        limits::Limits,
        manifest::{CredentialSpec, Launch},
        secret::Secret,
        template,
        time::Timestamp,
    },
    mcp::http::Headers,
    process::{InstanceDirs, Mask},
    vault::Vault,
};

/// Everything that templates may name, for one start of one instance.
pub(super) struct Values {
    plain: BTreeMap<String, String>,
    credential: Option<Secret>,
    /// By which the process knows its gateway, where it does.
    gateway: Option<Secret>,
    /// Variables of the instance, which headers and the URL of a remote server may name.
    own: BTreeMap<String, String>,
    /// Fields of the service that have no value.
    unfilled: Vec<String>,
    /// Whether the manifest's debug part is added.
    debugged: bool,
}

impl Values {
    pub(super) fn new(
        instance: &Instance,
        service: &Service,
        home: &Home,
        (port, limits): (Option<u16>, Limits),
        credential: Option<Secret>,
    ) -> Self {
        let dirs = &home.dirs;
        let mut plain = BTreeMap::from([
            ("SESSION_ID".to_owned(), home.session.clone()),
            ("DATA_DIR".to_owned(), dirs.work().display().to_string()),
            ("HOME_DIR".to_owned(), dirs.home().display().to_string()),
            ("TMP_DIR".to_owned(), dirs.tmp().display().to_string()),
            ("USER_ID".to_owned(), instance.user_id.to_string()),
            ("INSTANCE_ID".to_owned(), instance.id.to_string()),
            ("INSTANCE_TYPE".to_owned(), instance.service.to_string()),
        ]);
        if let Some(port) = port {
            plain.insert("PORT".to_owned(), port.to_string());
        }
        if let Some(heap) = limits.heap_mib() {
            plain.insert("HEAP_MIB".to_owned(), heap.to_string());
        }
        let mut unfilled = Vec::new();
        // Defaults may use the values above; what the owner wrote is taken as it is.
        for field in &service.manifest.config {
            let default =
                field.default.as_ref().map(|text| template::expand(text, |key| plain.get(key).map(String::as_str)));
            if let Some(value) = instance.config.get(&field.name).cloned().or(default) {
                plain.insert(format!("config.{}", field.name), value);
            } else {
                unfilled.push(format!("{{config.{}}}", field.name));
            }
        }
        let debugged = instance.is_debugged(Timestamp::now());
        Self { plain, credential, gateway: None, own: BTreeMap::new(), unfilled, debugged }
    }

    /// With the instance's own variables, for what is sent to a remote server.
    pub(super) fn with_own(self, own: BTreeMap<String, String>) -> Self {
        Self { own, ..self }
    }

    /// With what the program itself adds to templates.
    pub(super) fn with_program(mut self, program: &Program) -> Self {
        if let Some(bundle) = &program.bundle {
            self.plain.insert("BUNDLE_DIR".to_owned(), bundle.display().to_string());
        }
        self
    }

    /// Whether a template names a field that has no value: what it would make is left out.
    fn is_open(&self, text: &str) -> bool {
        self.unfilled.iter().any(|field| text.contains(field))
    }

    /// With a secret by which the process knows its gateway.
    pub(super) fn with_gateway(self, gateway: Option<Secret>) -> Self {
        Self { gateway, ..self }
    }

    /// The program's arguments: flags of its runtime, its own, those of debugging.
    pub(super) fn arguments(&self, service: &Service, program: &Program) -> Vec<String> {
        let manifest = &service.manifest;
        let flags = manifest.runtime_args.as_ref().unwrap_or(&program.runtime_args);
        let flags = flags.iter().map(|flag| self.fill(flag)).filter(|flag| !flag.contains("{HEAP_MIB}"));
        let debug = if self.debugged { manifest.debug.args.as_slice() } else { &[] };
        let args = program.args.iter().chain(debug).filter(|arg| !self.is_open(arg));
        flags.chain(args.map(|arg| self.fill(arg))).collect()
    }

    /// `text` with its templates filled. Never with the credential: arguments are public on a host.
    pub(super) fn fill(&self, text: &str) -> String {
        template::expand(text, |key| self.plain.get(key).map(String::as_str))
    }

    /// `text` with its templates filled, the credential included.
    pub(super) fn fill_secret(&self, text: &str) -> Secret {
        let credential = self.credential.as_ref().map(Secret::expose);
        Secret::new(template::expand(text, |key| {
            if key == "credential" { credential } else { self.plain.get(key).map(String::as_str) }
        }))
    }

    /// The child's whole environment: nothing of ours but `PATH`.
    pub(super) fn environment(
        &self,
        service: &Service,
        program: &Program,
        dirs: &InstanceDirs,
        own: &BTreeMap<String, String>,
    ) -> Vec<(String, Secret)> {
        let plain = |name: &str, value: String| (name.to_owned(), Secret::new(value));
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let mut environment = vec![
            plain("PATH", path),
            plain("HOME", dirs.home().display().to_string()),
            plain("TMPDIR", dirs.tmp().display().to_string()),
            plain("LANG", "C.UTF-8".to_owned()),
        ];
        environment.extend(program.env.iter().map(|(name, value)| plain(name, self.fill(value))));
        environment.extend(own.iter().map(|(name, value)| plain(name, value.clone())));
        let given = service.manifest.env.iter().filter(|(_, value)| !self.is_open(value));
        environment.extend(given.map(|(name, value)| (name.clone(), self.fill_secret(value))));
        if self.debugged {
            let debug = service.manifest.debug.environment(&service.manifest.launch);
            environment.extend(debug.into_iter().map(|(name, value)| plain(&name, self.fill(&value))));
        }
        if let (Some(name), Some(credential)) = (&service.manifest.credential.env, &self.credential) {
            environment.push((name.clone(), credential.clone()));
        }
        if let Some(port) = self.plain.get("PORT") {
            environment.push(plain("PORT", port.clone()));
        }
        if let Some(gateway) = &self.gateway {
            environment.push((contract::SECRET_VARIABLE.to_owned(), gateway.clone()));
        }
        environment
    }

    /// What must not be written into a log, whatever the process prints: the credential, and what the names of
    /// the owner's own variables say is secret.
    pub(super) fn mask(&self, own: &BTreeMap<String, String>) -> Mask {
        let own = own.iter().filter(|(name, _)| is_secret_name(name)).map(|(_, value)| value.as_str());
        let ours = [&self.credential, &self.gateway].into_iter().flatten().map(Secret::expose);
        Mask::new(ours.chain(own))
    }

    /// Headers of every request to a remote or HTTP server.
    pub(super) fn headers(&self, instance: &Instance, service: &Service) -> Headers {
        if service.manifest.shared.is_some() {
            return contract::of_instance(instance.id, self.credential.as_ref(), &self.config());
        }
        let mut headers = Headers::new();
        if let Launch::Remote { headers: fixed, .. } = &service.manifest.launch {
            let given = fixed.iter().filter(|(_, value)| !self.is_open(value) && !self.names_missing(value));
            headers.extend(given.map(|(name, value)| (name.clone(), self.fill_remote(value, str::to_owned))));
        }
        let CredentialSpec { header: Some(name), .. } = &service.manifest.credential else { return headers };
        if let Some(credential) = &self.credential {
            headers.push((name.clone(), service.manifest.credential.kind.in_header(name, credential)));
        }
        headers
    }

    /// Path and query of a remote server.
    ///
    /// # Errors
    /// What has no value.
    pub(super) fn path(&self, launch: &Launch) -> Result<String, String> {
        const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
        let template = launch.url_template().unwrap_or_else(|| "/".to_owned());
        if self.is_open(&template) || self.names_missing(&template) {
            return Err("a part of its URL has no value: set its fields, or its variables".to_owned());
        }
        let encoded = |value: &str| utf8_percent_encode(value, PLAIN).to_string();
        Ok(self.fill_remote(&template, encoded).expose().to_owned())
    }

    /// Whether a template names a variable that the instance has not.
    fn names_missing(&self, text: &str) -> bool {
        let names = text.match_indices("{env.").filter_map(|(at, mark)| text.get(at + mark.len()..)?.split('}').next());
        names.into_iter().any(|name| !self.own.contains_key(name))
    }

    /// `text` with all that a remote server may be told, each value as `written`.
    fn fill_remote(&self, text: &str, written: impl Fn(&str) -> String) -> Secret {
        let credential = self.credential.as_ref().map(Secret::expose);
        let value = |key: &str| match key.strip_prefix("env.") {
            Some(name) => self.own.get(name).map(String::as_str),
            None if key == "credential" => credential,
            None => self.plain.get(key).map(String::as_str),
        };
        Secret::new(template::expand(text, |key| value(key).map(&written)))
    }

    /// Headers of this process alone.
    pub(super) fn own_headers(&self) -> Headers {
        self.gateway.as_ref().map(contract::of_gateway).unwrap_or_default()
    }

    /// The values of the instance's fields, as a JSON object.
    fn config(&self) -> String {
        let fields = self.plain.iter().filter_map(|(key, value)| Some((key.strip_prefix("config.")?, value)));
        serde_json::to_string(&fields.collect::<BTreeMap<_, _>>()).unwrap_or_default()
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH"].iter().any(|part| name.contains(part))
}

/// What a start depends on, by name, without any value: to say later what changed. The digests are the vault's, so
/// that whoever reads them cannot find a short secret by trying.
pub(super) fn fingerprint(
    vault: &Vault,
    instance: &Instance,
    service: &Service,
    own: &BTreeMap<String, String>,
) -> Fingerprint {
    let manifest = serde_json::to_string(&service.manifest).unwrap_or_default();
    let mut parts = BTreeMap::from([
        ("service".to_owned(), vault.digest(&manifest)),
        ("mode".to_owned(), instance.mode.to_string()),
        ("credential".to_owned(), instance.credential_id.map(|id| id.to_string()).unwrap_or_default()),
    ]);
    let named = |prefix: &str, (name, value): (&String, &String)| (format!("{prefix}.{name}"), vault.digest(value));
    parts.extend(instance.config.iter().map(|field| named("config", field)));
    parts.extend(own.iter().map(|variable| named("env", variable)));
    parts.into()
}
