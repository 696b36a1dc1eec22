//! `berth credential`: all of it happens in the running Berth. Values come on standard input, never as arguments.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    instance::encode,
    output,
    remote::{Remote, items, text},
    user::read_secret,
};
use crate::domain::{
    ids::CredentialId,
    names::{Email, ServiceName},
};

#[derive(Subcommand)]
pub(super) enum Credential {
    /// A user's credentials, without their values
    List {
        /// Whose
        #[arg(long)]
        user: Email,
    },
    /// Store the credential on standard input and print its id
    Add(Add),
    /// Try it at its service now
    Test(Which),
    /// Put the value on standard input in its place
    Rotate(Rotate),
    /// Bring the value before the last rotation back
    Rollback(Which),
    /// Delete it for good
    Delete(Delete),
}

#[derive(Args)]
pub(super) struct Which {
    /// Its id, as `berth credential list` shows it
    id: CredentialId,
}

#[derive(Args)]
pub(super) struct Add {
    /// The service
    service: ServiceName,
    /// Whose it will be
    #[arg(long)]
    user: Email,
    /// What its owner calls it
    #[arg(long)]
    label: Option<String>,
    /// Store it without asking the service
    #[arg(long)]
    unchecked: bool,
}

#[derive(Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Minutes for which the value before can be brought back; 0: not at all. A day when absent
    #[arg(long, value_name = "N")]
    grace_minutes: Option<u64>,
    /// Store it without asking the service
    #[arg(long)]
    unchecked: bool,
}

#[derive(Args)]
pub(super) struct Delete {
    #[command(flatten)]
    which: Which,
    /// Stop the instances that use it
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, command: &Credential) -> Result<()> {
    let remote = Remote::require(context)?;
    let act = |which: &Which, action: &str| {
        let view = remote.post(&format!("/api/v1/credentials/{}/{action}", which.id), &json!({}))?;
        context.output.show(&view, || line(&view))
    };
    match command {
        Credential::List { user } => list(context, &remote, user),
        Credential::Add(add) => self::add(context, &remote, add),
        Credential::Test(which) => act(which, "test"),
        Credential::Rotate(rotate) => self::rotate(context, &remote, rotate),
        Credential::Rollback(which) => act(which, "rollback"),
        Credential::Delete(delete) => self::delete(context, &remote, delete),
    }
}

fn list(context: &Context, remote: &Remote, user: &Email) -> Result<()> {
    let answer = remote.get(&format!("/api/v1/credentials?user={}", encode(user.as_str())))?;
    context.output.show(&answer, || {
        let row = |view: &Value| {
            let mut cells = ["id", "service", "label"].map(|name| text(view, name)).to_vec();
            cells.push(format!("…{}", text(view, "hint")));
            cells.extend(["created_at", "rotated_at", "last_tested_at", "last_result"].map(|name| text(view, name)));
            cells
        };
        let rows: Vec<_> = items(&answer).iter().map(row).collect();
        output::table(&["ID", "SERVICE", "LABEL", "VALUE", "STORED", "ROTATED", "TESTED", "RESULT"], &rows)
    })
}

fn add(context: &Context, remote: &Remote, add: &Add) -> Result<()> {
    let value = read_secret("credential")?;
    let mut body = Map::new();
    body.insert("service".to_owned(), json!(add.service));
    body.insert("user".to_owned(), json!(add.user));
    body.insert("value".to_owned(), json!(value.expose()));
    if let Some(label) = &add.label {
        body.insert("label".to_owned(), json!(label));
    }
    if add.unchecked {
        body.insert("validate".to_owned(), json!(false));
    }
    let view = remote.post("/api/v1/credentials", &Value::Object(body))?;
    context.output.show(&view, || text(&view, "id"))
}

fn rotate(context: &Context, remote: &Remote, rotate: &Rotate) -> Result<()> {
    let value = read_secret("credential")?;
    let mut body = Map::new();
    body.insert("value".to_owned(), json!(value.expose()));
    if let Some(minutes) = rotate.grace_minutes {
        body.insert("grace_minutes".to_owned(), json!(minutes));
    }
    if rotate.unchecked {
        body.insert("validate".to_owned(), json!(false));
    }
    let view = remote.post(&format!("/api/v1/credentials/{}/rotate", rotate.which.id), &Value::Object(body))?;
    context.output.show(&view, || line(&view))
}

fn delete(context: &Context, remote: &Remote, delete: &Delete) -> Result<()> {
    let (id, query) = (delete.which.id, if delete.force { "?force=true" } else { "" });
    remote.delete(&format!("/api/v1/credentials/{id}{query}"))?;
    context.output.show(&json!({ "id": id, "deleted": true }), || format!("deleted {id}"))
}

/// `github …wxyz: valid`, with what there is to say of it.
fn line(view: &Value) -> String {
    let mut line = format!("{} …{}", text(view, "service"), text(view, "hint"));
    if view.get("last_result").is_some_and(Value::is_string) {
        line.push_str(&format!(": {}", text(view, "last_result")));
        let detail = text(view, "last_detail");
        if detail != "-" {
            line.push_str(&format!(", {detail}"));
        }
    }
    if let Some(previous) = view.get("previous").filter(|previous| previous.is_object()) {
        line.push_str(&format!("; …{} can be brought back until {}", text(previous, "hint"), text(previous, "until")));
    }
    line
}
