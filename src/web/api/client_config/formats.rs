//! The forms of configurations, each as its client documents it.
//!
//! | client | file | a value from elsewhere |
//! |---|---|---|
//! | Claude Desktop | `claude_desktop_config.json`, `mcpServers`; it starts programs only | none |
//! | Claude Code | `.mcp.json`, `mcpServers` with `type: http` | `${NAME}` |
//! | Cursor | `mcp.json`, `mcpServers` with `url` | `${env:NAME}` |
//! | VS Code | `mcp.json`, `servers` with `type: http`, and `inputs` | `${input:ID}` |
//! | generic | `mcpServers` with `type: streamable-http`, as the Inspector and others read it | none |

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The bridge that Claude Desktop needs, by an exact version: what is started on somebody's machine must not change by
/// itself.
const BRIDGE: &str = "mcp-remote@0.15.1";
/// The variable that tokens are taken from.
const VARIABLE: &str = "BERTH_TOKEN";
/// The input of VS Code that asks for one.
const INPUT: &str = "berth-token";

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    #[serde(alias = "vs-code")]
    Vscode,
    /// Any other.
    #[default]
    Generic,
}

impl Client {
    /// Its name for people.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
            Self::Generic => "MCP client",
        }
    }

    /// Where it reads its configuration.
    const fn file(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => {
                "claude_desktop_config.json: ~/Library/Application Support/Claude (macOS), %APPDATA%\\Claude (Windows)"
            }
            Self::ClaudeCode => ".mcp.json in the project",
            Self::Cursor => "~/.cursor/mcp.json, or .cursor/mcp.json in the project",
            Self::Vscode => ".vscode/mcp.json in the project, or `MCP: Open User Configuration`",
            Self::Generic => "as the client documents it",
        }
    }
}

/// How the client proves who it is.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// By this token.
    Token(&'a str),
    /// By one from elsewhere, in the client's own form.
    Placeholder,
    /// By signing in.
    SignIn,
}

/// One instance.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) url: String,
}

/// What one click does.
#[derive(Serialize)]
struct Link {
    name: String,
    url: String,
}

/// A document, and what goes with it.
#[derive(Serialize)]
pub(super) struct Export {
    /// Where it goes.
    file: &'static str,
    /// What that file holds.
    pub(super) document: Value,
    /// Links that the client opens to take one server each.
    links: Vec<Link>,
    /// Lines for a shell that do the same.
    commands: Vec<String>,
    /// What one should know.
    notes: Vec<String>,
}

impl Export {
    pub(super) fn new(client: Client, entries: &[Entry], proof: Proof<'_>) -> Self {
        let proof = proof.as_known_to(client);
        let servers = entries.iter().map(|entry| (entry.name.clone(), server(client, entry, proof)));
        let servers: Map<String, Value> = servers.collect();
        let document = match (client, proof) {
            (Client::Vscode, Proof::Placeholder) => json!({ "inputs": [input()], "servers": servers }),
            (Client::Vscode, _) => json!({ "servers": servers }),
            _ => json!({ "mcpServers": servers }),
        };
        Self {
            file: client.file(),
            document,
            links: entries.iter().filter_map(|entry| link(client, entry, proof)).collect(),
            commands: entries.iter().filter_map(|entry| command(client, entry, proof)).collect(),
            notes: notes(client, entries, proof),
        }
    }
}

impl Proof<'_> {
    /// Where a client has no form for a value from elsewhere, it signs in.
    const fn as_known_to(self, client: Client) -> Self {
        match (self, client) {
            (Self::Placeholder, Client::ClaudeDesktop | Client::Generic) => Self::SignIn,
            _ => self,
        }
    }

    /// The value of `Authorization`, if the configuration has one.
    fn header(self, client: Client) -> Option<String> {
        match (self, client) {
            (Self::Token(token), _) => Some(format!("Bearer {token}")),
            (Self::SignIn, _) => None,
            (Self::Placeholder, Client::Cursor) => Some(format!("Bearer ${{env:{VARIABLE}}}")),
            (Self::Placeholder, Client::Vscode) => Some(format!("Bearer ${{input:{INPUT}}}")),
            (Self::Placeholder, _) => Some(format!("Bearer ${{{VARIABLE}}}")),
        }
    }
}

/// One server of a document.
fn server(client: Client, entry: &Entry, proof: Proof<'_>) -> Value {
    let header = proof.header(client);
    if client == Client::ClaudeDesktop {
        return bridged(entry, header.as_deref());
    }
    let mut server = Map::new();
    match client {
        // It tells the transport by itself.
        Client::Cursor => {}
        Client::Generic => drop(server.insert("type".to_owned(), json!("streamable-http"))),
        _ => drop(server.insert("type".to_owned(), json!("http"))),
    }
    server.insert("url".to_owned(), json!(entry.url));
    if let Some(header) = header {
        server.insert("headers".to_owned(), json!({ "Authorization": header }));
    }
    Value::Object(server)
}

/// A program that speaks to the server for a client that only starts programs. Arguments of it may not hold blanks on
/// every system, so the header's value is a variable.
fn bridged(entry: &Entry, header: Option<&str>) -> Value {
    let mut args = vec!["-y".to_owned(), BRIDGE.to_owned(), entry.url.clone()];
    args.extend(["--transport".to_owned(), "http-only".to_owned()]);
    if is_unprotected(&entry.url) {
        args.push("--allow-http".to_owned());
    }
    let Some(header) = header else { return json!({ "command": "npx", "args": args }) };
    args.extend(["--header".to_owned(), "Authorization:${BERTH_AUTHORIZATION}".to_owned()]);
    json!({ "command": "npx", "args": args, "env": { "BERTH_AUTHORIZATION": header } })
}

fn is_unprotected(url: &str) -> bool {
    url.starts_with("http://")
}

/// What VS Code asks its user for, once.
fn input() -> Value {
    json!({ "type": "promptString", "id": INPUT, "description": "API token of Berth", "password": true })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A link by which the client takes the server.
fn link(client: Client, entry: &Entry, proof: Proof<'_>) -> Option<Link> {
    let server = server(client, entry, proof);
    let url = match client {
        Client::Cursor => {
            let config = STANDARD.encode(server.to_string());
            let name = encoded(&entry.name);
            format!("cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config={}", encoded(&config))
        }
        Client::Vscode => {
            let mut server = server;
            server["name"] = json!(entry.name);
            if matches!(proof, Proof::Placeholder) {
                server["inputs"] = json!([input()]);
            }
            format!("vscode:mcp/install?{}", encoded(&server.to_string()))
        }
        Client::ClaudeDesktop | Client::ClaudeCode | Client::Generic => return None,
    };
    Some(Link { name: entry.name.clone(), url })
}

/// A line for a shell by which the client takes the server.
fn command(client: Client, entry: &Entry, proof: Proof<'_>) -> Option<String> {
    let server = server(client, entry, proof);
    match client {
        Client::ClaudeCode => {
            let add = format!("claude mcp add --transport http {} {}", entry.name, quoted(&entry.url));
            // The shell fills the variable in.
            let header = proof.header(client);
            Some(header.map_or_else(|| add.clone(), |header| format!("{add} --header \"Authorization: {header}\"")))
        }
        Client::Vscode if !matches!(proof, Proof::Placeholder) => {
            let mut server = server;
            server["name"] = json!(entry.name);
            Some(format!("code --add-mcp {}", quoted(&server.to_string())))
        }
        _ => None,
    }
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn notes(client: Client, entries: &[Entry], proof: Proof<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    match (client, proof) {
        (Client::ClaudeDesktop, _) => note(format!(
            "Claude Desktop's file names programs only, so {BRIDGE} speaks to Berth for it; that needs Node.js on that \
             machine. Where Berth is reached by https from the internet, a custom connector (Settings, Connectors) with \
             the URL alone does the same without a program"
        )),
        (Client::ClaudeCode | Client::Cursor, Proof::Placeholder) => {
            note(format!("the variable {VARIABLE} of the environment in which it is started has the token"));
        }
        (Client::Vscode, Proof::Placeholder) => note("VS Code asks for the token once and keeps it".to_owned()),
        _ => {}
    }
    match proof {
        Proof::SignIn => note("it opens a browser to sign in to Berth when it first connects".to_owned()),
        Proof::Token(_) => note("the document holds a token: keep the file to yourself".to_owned()),
        Proof::Placeholder => {}
    }
    if entries.iter().any(|entry| {
        is_unprotected(&entry.url) && !entry.url.contains("//127.0.0.1") && !entry.url.contains("//localhost")
    }) {
        note("its URL is not protected (http); put Berth behind https and set `public_url`".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests;
