//! `berth logs` and `berth instance logs`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    context::Context,
    instance::{Owners, resolve},
    output,
    remote::{Remote, items, text},
};

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Stream {
    /// What its server wrote to standard error
    Error,
    /// Requests
    Access,
    /// What Berth does with it while it is debugged
    Debug,
}

impl Stream {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Access => "access",
            Self::Debug => "debug",
        }
    }
}

#[derive(Args)]
struct How {
    /// Which log
    #[arg(long, value_enum, default_value = "error")]
    stream: Stream,
    /// Lines
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    tail: u32,
}

#[derive(Args)]
pub(super) struct Logs {
    /// An instance's id or slug; all when absent
    instance: Option<String>,
    #[command(flatten)]
    how: How,
    /// Go on with lines as they are written; needs an instance
    #[arg(long, short, requires = "instance")]
    follow: bool,
}

#[derive(Args)]
pub(super) struct InstanceLogs {
    /// Its id or slug
    instance: String,
    #[command(flatten)]
    how: How,
    /// Go on with lines as they are written
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(context: &Context, command: &Logs) -> Result<()> {
    let remote = Remote::require(context)?;
    match &command.instance {
        Some(which) => one(context, &remote, which, &command.how, command.follow),
        None => all(context, &remote, &command.how),
    }
}

pub(super) fn of_instance(context: &Context, remote: &Remote, command: &InstanceLogs) -> Result<()> {
    one(context, remote, &command.instance, &command.how, command.follow)
}

fn one(context: &Context, remote: &Remote, which: &str, how: &How, follow: bool) -> Result<()> {
    let id = resolve(remote, which)?;
    let answer = lines(remote, &id.to_string(), how)?;
    context.output.show(&answer, || joined(&answer, ""))?;
    if follow {
        let path = format!("/api/v1/mcps/{id}/logs/stream?stream={}", how.stream.as_str());
        remote.follow(&path, output::line)?;
    }
    Ok(())
}

fn all(context: &Context, remote: &Remote, how: &How) -> Result<()> {
    let instances = remote.get("/api/v1/mcps")?;
    let owners = Owners::read(context)?;
    let mut logs = Vec::new();
    for view in items(&instances) {
        let answer = lines(remote, &text(view, "id"), how)?;
        let name = format!("{}-{}", text(view, "service"), text(view, "number"));
        logs.push(
            json!({ "id": view.get("id"), "name": name, "owner": owners.of(view), "lines": answer.get("lines") }),
        );
    }
    context.output.show(&json!({ "items": logs, "next": null }), || {
        let block = |log: &Value| joined(log, &format!("{} {} | ", text(log, "owner"), text(log, "name")));
        let blocks: Vec<String> = logs.iter().map(block).filter(|block| !block.is_empty()).collect();
        if blocks.is_empty() { "no instance has written anything".to_owned() } else { blocks.join("\n") }
    })
}

fn lines(remote: &Remote, id: &str, how: &How) -> Result<Value> {
    remote.get(&format!("/api/v1/mcps/{id}/logs?stream={}&tail={}", how.stream.as_str(), how.tail))
}

fn joined(answer: &Value, prefix: &str) -> String {
    let lines = answer.get("lines").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    lines.map(|line| format!("{prefix}{line}")).collect::<Vec<_>>().join("\n")
}
