//! Manifests of `fake-mcp` in all its moods.

use std::{fs, path::Path};

use serde_json::{Value, json};

/// A service to be.
pub(crate) struct Service {
    manifest: Value,
    files: Vec<(String, String)>,
}

impl Service {
    fn new(name: &str, transport: &str, launch: &Value) -> Self {
        let manifest = json!({ "name": name, "display_name": name, "transport": transport, "launch": launch });
        Self { manifest, files: Vec::new() }
    }

    pub(crate) fn stdio(name: &str, flags: &[&str]) -> Self {
        let command = env!("CARGO_BIN_EXE_fake-mcp");
        Self::new(name, "stdio", &json!({ "kind": "command", "command": command, "args": flags }))
    }

    pub(crate) fn command(name: &str, command: &str) -> Self {
        Self::new(name, "stdio", &json!({ "kind": "command", "command": command }))
    }

    /// A program of Node in the service's own folder.
    pub(crate) fn node(name: &str, entry: &str, args: &[&str]) -> Self {
        Self::new(name, "stdio", &json!({ "kind": "node", "entry": entry, "args": args }))
    }

    pub(crate) fn http(name: &str, flags: &[&str]) -> Self {
        let (command, args) = (env!("CARGO_BIN_EXE_fake-mcp"), [&["--http"], flags].concat());
        Self::new(name, "http", &json!({ "kind": "http", "command": command, "args": args }))
    }

    /// Any program over HTTP; it is told so as `fake-mcp` is.
    pub(crate) fn http_command(name: &str, command: &str) -> Self {
        Self::new(name, "http", &json!({ "kind": "http", "command": command, "args": ["--http"] }))
    }

    /// `conformance-server`, which knows either era.
    pub(crate) fn conformance(name: &str, era: &str) -> Self {
        let command = env!("CARGO_BIN_EXE_conformance-server");
        Self::new(name, "stdio", &json!({ "kind": "command", "command": command, "args": ["--era", era] }))
    }

    /// The same over HTTP.
    pub(crate) fn conformance_http(name: &str, era: &str) -> Self {
        let command = env!("CARGO_BIN_EXE_conformance-server");
        Self::new(name, "http", &json!({ "kind": "http", "command": command, "args": ["--era", era, "--http"] }))
    }

    pub(crate) fn remote(name: &str, url: &str) -> Self {
        Self::new(name, "http", &json!({ "kind": "remote", "url": url }))
    }

    /// A file beside the manifest.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A member of the manifest.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.manifest[name] = value;
        self
    }

    /// The manifest as TOML.
    pub(crate) fn toml(&self) -> String {
        toml::to_string(&self.manifest).unwrap()
    }

    /// How long its start may take.
    pub(crate) fn start_seconds(mut self, seconds: u64) -> Self {
        self.manifest["health"] = json!({ "start_seconds": seconds });
        self
    }

    pub(super) fn write(&self, services: &Path) {
        let folder = services.join(self.manifest["name"].as_str().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("service.toml"), self.toml()).unwrap();
        for (name, text) in &self.files {
            fs::write(folder.join(name), text).unwrap();
        }
    }
}
