//! `berth service updates|update|rollback|pin`: through the running Berth, as it is what tries and installs.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        context::Context,
        output,
        remote::{Remote, text},
    },
    domain::names::ServiceName,
};

#[derive(Args)]
pub(in crate::cli) struct Updates {
    /// The service
    name: ServiceName,
    /// Try this version, and say how its tools differ
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// A field of the service for the trial, as NAME=VALUE
    #[arg(long = "field", value_name = "NAME=VALUE", requires = "to")]
    fields: Vec<String>,
}

#[derive(Args)]
pub(in crate::cli) struct Update {
    /// The service
    name: ServiceName,
    /// Its new version
    version: String,
    /// Start running instances anew at once
    #[arg(long)]
    restart: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Rollback {
    /// The service
    name: ServiceName,
    /// Start running instances anew at once
    #[arg(long)]
    restart: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Pin {
    /// The service
    name: ServiceName,
    /// Let it change again
    #[arg(long)]
    off: bool,
}

pub(super) fn show(context: &Context, command: &Updates) -> Result<()> {
    let remote = Remote::require(context)?;
    let path = format!("/api/v1/services/{}/updates", command.name);
    let Some(version) = &command.to else {
        let answer = remote.get(&path)?;
        return context.output.show(&answer, || offered(&answer));
    };
    let config = command.fields.iter().map(|field| {
        let (name, value) = field.split_once('=').with_context(|| format!("--field {field}: write NAME=VALUE"))?;
        Ok((name.to_owned(), Value::from(value)))
    });
    let config: Map<String, Value> = config.collect::<Result<_>>()?;
    output::remark(&format!("installing and trying {version}"));
    let answer = remote.post_and_wait(&path, &json!({ "version": version, "config": config }))?;
    context.output.show(&answer, || differences(&answer))?;
    if answer.get("starts") == Some(&Value::Bool(false)) {
        bail!("version {version} does not start here");
    }
    Ok(())
}

fn offered(answer: &Value) -> String {
    let about = format!("{} {} {}", text(answer, "name"), text(answer, "package"), text(answer, "version"));
    if answer.get("pinned") == Some(&Value::Bool(true)) {
        return format!("{about}: pinned");
    }
    let newer: Vec<&str> = answer["newer"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match newer.as_slice() {
        [] => format!("{about}: nothing newer"),
        newer => format!("{about}: newer: {}", newer.join(" ")),
    }
}

fn differences(answer: &Value) -> String {
    let Some(tools) = answer.get("tools") else { return format!("no comparison: {}", text(answer, "reason")) };
    let list = |member: &str| tools.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut lines: Vec<String> = list("added").iter().map(|tool| format!("+ {}", text(tool, "name"))).collect();
    lines.extend(list("removed").iter().filter_map(Value::as_str).map(|name| format!("- {name}")));
    for change in list("changed") {
        lines.push(format!("~ {}", text(change, "name")));
        for member in ["description", "input_schema"] {
            if let Some(both) = change.get(member) {
                lines.push(format!("    {member}: {} → {}", text(both, "before"), text(both, "after")));
            }
        }
        let other = change.get("other").and_then(Value::as_object).into_iter().flatten();
        lines.extend(
            other.map(|(member, both)| format!("    {member}: {} → {}", text(both, "before"), text(both, "after"))),
        );
    }
    lines.push(format!("{} unchanged", text(tools, "unchanged")));
    lines.join("\n")
}

pub(super) fn update(context: &Context, command: &Update) -> Result<()> {
    let path = format!("/api/v1/services/{}/updates/{}/apply", command.name, command.version);
    change(context, &path, command.restart)
}

pub(super) fn roll_back(context: &Context, command: &Rollback) -> Result<()> {
    change(context, &format!("/api/v1/services/{}/rollback", command.name), command.restart)
}

fn change(context: &Context, path: &str, restart: bool) -> Result<()> {
    let answer = Remote::require(context)?.post_and_wait(path, &json!({ "restart": restart }))?;
    context.output.show(&answer, || {
        let started = text(&answer, "restarted");
        format!("{} has version {}; {started} instances started anew", text(&answer, "name"), text(&answer, "version"))
    })
}

pub(super) fn pin(context: &Context, command: &Pin) -> Result<()> {
    let path = format!("/api/v1/services/{}/pin", command.name);
    let answer = Remote::require(context)?.post(&path, &json!({ "pinned": !command.off }))?;
    context.output.show(&answer, || {
        let word = if command.off { "may change again from" } else { "stays at" };
        format!("{} {word} {}", text(&answer, "name"), text(&answer, "version"))
    })
}
