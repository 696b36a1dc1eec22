//! `berth instance`: all of it happens in the running Berth.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    diagnose, key_value, logs, output,
    remote::{Remote, items, text},
    user::read_secret,
};
use crate::{
    db::users,
    domain::{
        ids::{CredentialId, InstanceId},
        instance::Mode,
        names::{Email, ServiceName},
    },
};

#[derive(Subcommand)]
pub(super) enum Instance {
    /// Make an instance for a user and start it
    Create(Create),
    /// All instances
    List {
        /// Only this user's
        #[arg(long)]
        user: Option<Email>,
    },
    /// One instance
    Show(Which),
    /// The last lines of an instance's log
    Logs(logs::InstanceLogs),
    /// Stop it if it is wanted, start it if it is not
    Toggle(Which),
    /// End its process and start a new one
    Restart(Which),
    /// Have it say more for a time; starts it anew
    Debug(diagnose::Debug),
    /// What is wrong with it, why, and what to do next
    Diagnose(Which),
    /// Set when it expires
    Renew(Renew),
    /// Bring it back, expired or lost
    Restore(Which),
    /// Make another one with the same settings
    Clone(Which),
    /// The configuration by which an MCP client uses it
    Config(ClientConfig),
    /// Stop it and delete its files and logs
    Delete(Which),
}

#[derive(Args)]
pub(super) struct Which {
    /// Its id or slug
    #[arg(value_name = "INSTANCE")]
    pub(super) which: String,
}

#[derive(Args)]
pub(super) struct Create {
    /// The service
    service: ServiceName,
    /// Whose it will be
    #[arg(long)]
    user: Email,
    /// What its owner calls it
    #[arg(long)]
    label: Option<String>,
    /// How processes serve it: dedicated, shared or session
    #[arg(long)]
    mode: Option<Mode>,
    /// An environment variable; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    env: Vec<(String, String)>,
    /// A field of the service's configuration; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    config: Vec<(String, String)>,
    /// Read the credential from standard input
    #[arg(long, conflicts_with = "credential")]
    credential_stdin: bool,
    /// A credential that is stored already
    #[arg(long, value_name = "ID")]
    credential: Option<CredentialId>,
    /// When it expires. Never when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    expires_minutes: Option<u64>,
}

#[derive(Args)]
pub(super) struct ClientConfig {
    #[command(flatten)]
    which: Which,
    /// The client: claude-desktop, claude-code, cursor, vscode or generic
    #[arg(long, value_name = "NAME", value_parser = ["claude-desktop", "claude-code", "cursor", "vscode", "generic"])]
    client: String,
    /// Make a token of its owner for it alone, and put it in
    #[arg(long)]
    token: bool,
    /// Days for which that is good. For ever when absent
    #[arg(long, value_name = "N", requires = "token", value_parser = clap::value_parser!(u32).range(1..))]
    expires_days: Option<u32>,
    /// No token: the client signs in
    #[arg(long, conflicts_with = "token")]
    oauth: bool,
    /// Links, lines and remarks, too
    #[arg(long)]
    details: bool,
}

#[derive(Args)]
#[command(group(ArgGroup::new("until").required(true).args(["minutes", "never"])))]
pub(super) struct Renew {
    #[command(flatten)]
    which: Which,
    /// Minutes from now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// It never expires
    #[arg(long)]
    never: bool,
}

pub(super) fn run(context: &Context, command: &Instance) -> Result<()> {
    let remote = Remote::require(context)?;
    let act = |which: &Which, action: &str, word: &str| {
        let id = resolve(&remote, &which.which)?;
        let view = remote.post(&format!("/api/v1/mcps/{id}/{action}"), &json!({}))?;
        context.output.show(&view, || format!("{word} {}", line(&view)))
    };
    match command {
        Instance::Create(create) => self::create(context, &remote, create),
        Instance::List { user } => list(context, &remote, user.as_ref()),
        Instance::Show(which) => show(context, &remote, which),
        Instance::Logs(command) => logs::of_instance(context, &remote, command),
        Instance::Toggle(which) => act(which, "toggle", "toggled"),
        Instance::Restart(which) => act(which, "restart", "restarting"),
        Instance::Restore(which) => act(which, "restore", "restored"),
        Instance::Clone(which) => act(which, "clone", "made"),
        Instance::Debug(command) => diagnose::debug(context, &remote, command),
        Instance::Diagnose(which) => diagnose::diagnose(context, &remote, which),
        Instance::Renew(command) => renew(context, &remote, command),
        Instance::Config(command) => config(context, &remote, command),
        Instance::Delete(which) => delete(context, &remote, which),
    }
}

fn create(context: &Context, remote: &Remote, create: &Create) -> Result<()> {
    let mut body = Map::new();
    body.insert("service".to_owned(), json!(create.service));
    body.insert("user".to_owned(), json!(create.user));
    let mut set = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
    set("label", create.label.as_ref().map(|label| json!(label)));
    set("mode", create.mode.map(|mode| json!(mode)));
    set("env", pairs(&create.env));
    set("config", pairs(&create.config));
    set("expires_in_minutes", create.expires_minutes.map(|minutes| json!(minutes)));
    set("credential", create.credential.map(|id| json!({ "id": id })));
    if create.credential_stdin {
        set("credential", Some(json!({ "value": read_secret("credential")?.expose() })));
    }
    let view = remote.post("/api/v1/mcps", &Value::Object(body))?;
    context.output.show(&view, || format!("{}\n{}", text(&view, "id"), text(&view, "url")))
}

fn pairs(pairs: &[(String, String)]) -> Option<Value> {
    let map: BTreeMap<&String, &String> = pairs.iter().map(|(name, value)| (name, value)).collect();
    (!map.is_empty()).then(|| json!(map))
}

fn list(context: &Context, remote: &Remote, user: Option<&Email>) -> Result<()> {
    let query = user.map(|email| format!("?user={}", encode(email.as_str()))).unwrap_or_default();
    let answer = remote.get(&format!("/api/v1/mcps{query}"))?;
    let owners = Owners::read(context)?;
    context.output.show(&answer, || table(&answer, &owners))
}

/// A value of a query.
pub(super) fn encode(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// The addresses of accounts, by id.
pub(super) struct Owners(BTreeMap<String, Email>);

impl Owners {
    pub(super) fn read(context: &Context) -> Result<Self> {
        let users = context.database()?.read_blocking(users::list)?;
        Ok(Self(users.into_iter().map(|user| (user.id.to_string(), user.email)).collect()))
    }

    /// The owner of an instance's view.
    pub(super) fn of(&self, view: &Value) -> String {
        let id = text(view, "owner");
        self.0.get(&id).map_or(id, Email::to_string)
    }
}

/// The instances of a list's answer, for people.
pub(super) fn table(answer: &Value, owners: &Owners) -> String {
    let rows: Vec<Vec<String>> = items(answer)
        .iter()
        .map(|view| {
            let memory = view.pointer("/usage/memory_bytes").and_then(Value::as_u64);
            let memory =
                memory.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
            let cpu =
                view.pointer("/usage/cpu_percent").map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"));
            let members = ["service", "number", "status", "health", "pid", "port", "restarts"];
            let mut row = vec![owners.of(view)];
            row.extend(members.iter().map(|name| text(view, name)));
            row.extend([memory, cpu, text(view, "id")]);
            row
        })
        .collect();
    let head = ["OWNER", "SERVICE", "N", "STATUS", "HEALTH", "PID", "PORT", "RESTARTS", "MEMORY", "CPU", "ID"];
    output::table(&head, &rows)
}

fn show(context: &Context, remote: &Remote, which: &Which) -> Result<()> {
    let view = remote.get(&format!("/api/v1/mcps/{}", resolve(remote, &which.which)?))?;
    context.output.show(&view, || {
        let members = view.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        members.map(|(name, _)| format!("{name:<12}{}", text(&view, name))).collect::<Vec<_>>().join("\n")
    })
}

fn renew(context: &Context, remote: &Remote, command: &Renew) -> Result<()> {
    let id = resolve(remote, &command.which.which)?;
    let body = match command.minutes {
        Some(minutes) => json!({ "expires_in_minutes": minutes }),
        None => json!({ "never": true }),
    };
    let view = remote.post(&format!("/api/v1/mcps/{id}/renew"), &body)?;
    context.output.show(&view, || format!("renewed {}; expires: {}", line(&view), text(&view, "expires_at")))
}

fn config(context: &Context, remote: &Remote, command: &ClientConfig) -> Result<()> {
    let id = resolve(remote, &command.which.which)?;
    let body = json!({
        "client": command.client, "auth": if command.oauth { "oauth" } else { "placeholder" },
        "details": command.details, "token": command.token, "expires_days": command.expires_days,
    });
    let answer = remote.post(&format!("/api/v1/mcps/{id}/client-config"), &body)?;
    context.output.show(&answer, || serde_json::to_string_pretty(&answer).unwrap_or_default())
}

fn delete(context: &Context, remote: &Remote, which: &Which) -> Result<()> {
    let id = resolve(remote, &which.which)?;
    remote.delete(&format!("/api/v1/mcps/{id}"))?;
    context.output.show(&json!({ "id": id, "deleted": true }), || format!("deleted {id}"))
}

fn line(view: &Value) -> String {
    format!("{} ({}-{}, {})", text(view, "id"), text(view, "service"), text(view, "number"), text(view, "status"))
}

/// The id behind an id or a slug.
pub(super) fn resolve(remote: &Remote, which: &str) -> Result<InstanceId> {
    if let Ok(id) = which.parse() {
        return Ok(id);
    }
    let answer = remote.get("/api/v1/mcps")?;
    let found = items(&answer).iter().find(|view| text(view, "slug") == which);
    let Some(view) = found else {
        bail!("there is no instance {which:?}; `berth instance list` shows those there are")
    };
    text(view, "id").parse().context("the answer has no id")
}
