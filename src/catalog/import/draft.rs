//! One server of a document on its way to a manifest: what is public goes there, what is secret does not.
//!
//! The first secret becomes the service's credential. There is one of these, so what is secret beyond it becomes a
//! variable of the instance's own environment, which is sealed as the credential is.

mod filling;
mod slots;

use std::collections::BTreeMap;

use serde::Serialize;
use url::Url;

use self::filling::Filling;
use super::{
    naming::named_like,
    text::{Hole, Text},
};
use crate::domain::{
    manifest::{CredentialSpec, Launch, Manifest, Transport},
    secret::Secret,
};

/// One server of a document.
pub struct Found {
    /// Its name there.
    pub source: String,
    /// What it becomes, or why it does not run here.
    pub server: Result<Box<Server>, String>,
    /// Other ways to run it that the document names.
    pub alternatives: Vec<Alternative>,
}

/// Another way to run a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alternative {
    /// What it is: `oci ghcr.io/x/y:1`.
    pub what: String,
    /// Why it is not the one that is taken.
    pub reason: String,
}

/// A server that can run here.
pub struct Server {
    /// The service. Not validated yet, and its version may still be open.
    pub manifest: Manifest,
    /// The range or tag that the document has in place of a version; the manifest's version is none yet.
    pub unpinned: Option<String>,
    /// What the document gives for an instance.
    pub given: Given,
    /// What an instance needs.
    pub needs: Vec<Need>,
    /// What whoever imports it should know.
    pub notes: Vec<String>,
    /// A bundle that must be fetched first; the manifest is then of no use yet.
    pub bundle: Option<BundleSource>,
}

/// Where a bundle is, and which it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleSource {
    /// Where.
    pub url: Url,
    /// Its SHA-256 as lower-case hexadecimal digits.
    pub sha256: String,
}

/// What a document gives for an instance.
#[derive(Clone, Default)]
pub struct Given {
    /// The credential.
    pub credential: Option<Secret>,
    /// Further secrets: variables of the instance's sealed environment.
    pub env: BTreeMap<String, Secret>,
    /// Fields.
    pub config: BTreeMap<String, String>,
}

/// One thing that an instance needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Its name in the document.
    pub name: String,
    /// Where it is given when an instance is made: `credential`, `env.NAME` or `config.NAME`.
    #[serde(rename = "as")]
    pub place: String,
    /// What it is for.
    pub help: String,
    /// Whether there is no instance without it.
    pub required: bool,
    /// Whether it is a secret.
    pub secret: bool,
    /// Whether the document gives it.
    pub given: bool,
}

/// What is known of one server.
pub(super) struct Draft {
    pub(super) source: String,
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) start: Start,
    pub(super) env: Vec<(String, Text)>,
    pub(super) notes: Vec<String>,
}

/// How it is started or reached.
pub(super) enum Start {
    /// A package of npm; its version perhaps a range or tag.
    Npm { package: String, version: String, entry: Option<String>, runtime_args: Vec<Text>, args: Vec<Text> },
    /// A package of PyPI.
    Pypi { package: String, version: String, entry: Option<String>, args: Vec<Text> },
    /// A program of this host.
    Command { command: String, args: Vec<Text> },
    /// A program of a bundle.
    Bundle { sha256: String, command: String, args: Vec<Text> },
    /// A server elsewhere. `user` is `user:password` of its URL.
    Remote { url: Text, user: Option<Hole>, headers: Vec<(String, Text)> },
}

impl Draft {
    /// The manifest, and what an instance needs; or why there is none.
    pub(super) fn finish(self) -> Result<Box<Server>, String> {
        let name = named_like(&self.source).ok_or("its name makes no name of a service")?;
        let mut filling = Filling::default();
        let (launch, runtime_args) = filling.launch(self.start)?;
        let env = filling.environment(self.env)?;
        let done = filling.done(launch, env)?;
        let is_remote = matches!(done.launch, Launch::Remote { .. });
        let unpinned = unpinned(&done.launch);
        let manifest = Manifest {
            name,
            display_name: cut(if self.display_name.trim().is_empty() { &self.source } else { &self.display_name }, 100),
            description: cut(&self.description, 2000),
            transport: if is_remote { Transport::Http } else { Transport::Stdio },
            launch: done.launch,
            runtime_args,
            env: done.env,
            credential: done.credential,
            config: done.fields,
            ..blank()?
        };
        let notes = self.notes.into_iter().chain(done.notes).collect();
        Ok(Box::new(Server { manifest, unpinned, given: done.given, needs: done.needs, notes, bundle: None }))
    }
}

/// What finishing has made of a draft.
struct Done {
    launch: Launch,
    env: BTreeMap<String, String>,
    credential: CredentialSpec,
    fields: Vec<crate::domain::manifest::ConfigField>,
    given: Given,
    needs: Vec<Need>,
    notes: Vec<String>,
}

/// A manifest with the defaults of all that a document says nothing of.
fn blank() -> Result<Manifest, String> {
    let least = serde_json::json!({
        "name": "x", "display_name": "x", "transport": "stdio", "launch": { "kind": "command", "command": "x" },
    });
    serde_json::from_value(least).map_err(|error| error.to_string())
}

/// What the version of a package is when it is none that can be installed again and again.
fn unpinned(launch: &Launch) -> Option<String> {
    let (Launch::Npm { version, .. } | Launch::Pypi { version, .. }) = launch else { return None };
    let parts = version.split('.').count();
    let is_npm = matches!(launch, Launch::Npm { .. });
    let exact = version.starts_with(|c: char| c.is_ascii_digit())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'!'))
        && !version.split(['.', '-', '+']).take(3).any(|part| matches!(part, "x" | "X"))
        && (!is_npm || parts >= 3);
    (!exact).then(|| version.clone())
}

/// At most `most` bytes of it, and whole characters.
fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().trim().to_owned()
}
