//! Servers as other programs describe them, as services of the catalog.
//!
//! [`read`] takes a document of any known form: `server.json` of the MCP registry in all its schemas, alone or as the
//! registry's API answers it; the `mcpServers` of Claude Desktop, Claude Code, Cursor and Windsurf; the `servers` and
//! `inputs` of VS Code. [`Bundle`] takes an MCPB bundle. What comes of one server is a [`Found`]: a manifest and what
//! an instance of it needs, or the reason why it does not run here.
//!
//! Invariants: nothing here panics, whatever the document is; no manifest holds a secret that was found, only where it
//! belongs; reasons and notes name members of the document and never quote what may be a secret.

mod bundle;
mod client_config;
mod command;
mod draft;
mod json;
mod naming;
mod package;
mod placeholders;
mod secrets;
mod server_json;
mod settle;
mod text;
mod unpack;
mod urls;

use serde_json::Value;

pub use self::{
    bundle::Bundle,
    draft::{Alternative, BundleSource, Found, Given, Need, Server},
    naming::{free_name, named_like},
    settle::{Naming, Pinned, naming},
    unpack::{BundleError, BundleLimits, sha256_of},
};

/// Servers of one document; more are another thing.
const MAX_SERVERS: usize = 500;

/// What a document says of its servers; those of an object by their names.
///
/// # Errors
/// When it is no JSON (with comments), or none of the forms that are known.
pub fn read(document: &str) -> Result<Vec<Found>, String> {
    let value = json::parse(document)?;
    let found = read_value(&value)?;
    if found.len() > MAX_SERVERS {
        return Err(format!("the document has {} servers; at most {MAX_SERVERS} are taken at a time", found.len()));
    }
    Ok(found)
}

fn read_value(value: &Value) -> Result<Vec<Found>, String> {
    let is_object = |name: &str| value.get(name).is_some_and(Value::is_object);
    if is_object("mcpServers") {
        return Ok(client_config::read(value, "mcpServers"));
    }
    if is_object("servers") {
        return Ok(client_config::read(value, "servers"));
    }
    // Settings of VS Code, of which the servers are one part.
    if let Some(part) = value.get("mcp").filter(|part| part.get("servers").is_some_and(Value::is_object)) {
        return Ok(client_config::read(part, "servers"));
    }
    if let Some(list) = value.get("servers").and_then(Value::as_array) {
        return Ok(list.iter().map(server_json::read).collect());
    }
    if is_object("server") || server_json::is_one(value) {
        return Ok(vec![server_json::read(value)]);
    }
    if value.get("manifest_version").is_some() || value.get("dxt_version").is_some() {
        return Err("this is the manifest of an MCPB bundle; import the bundle itself (.mcpb)".to_owned());
    }
    Err("this is none of the forms that are known: a `server.json`, an answer of a registry, or a configuration with \
         `mcpServers` or `servers`"
        .to_owned())
}

#[cfg(test)]
mod tests;
