//! `berth instance debug` and `berth instance diagnose`.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    context::Context,
    instance::{Which, resolve},
    remote::{Remote, text},
};

#[derive(Args)]
pub(super) struct Debug {
    #[command(flatten)]
    which: Which,
    /// For how long. 30 when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1440), conflicts_with = "off")]
    minutes: Option<u64>,
    /// No longer
    #[arg(long)]
    off: bool,
}

pub(super) fn debug(context: &Context, remote: &Remote, command: &Debug) -> Result<()> {
    let id = resolve(remote, &command.which.which)?;
    let body = match (command.off, command.minutes) {
        (true, _) => json!({ "off": true }),
        (false, Some(minutes)) => json!({ "minutes": minutes }),
        (false, None) => json!({}),
    };
    let view = remote.post(&format!("/api/v1/mcps/{id}/debug"), &body)?;
    context.output.show(&view, || match view.get("debug_until").and_then(Value::as_str) {
        Some(until) => format!("debugged until {until}; read `berth instance logs {id} --stream debug`"),
        None => format!("{id} is not debugged any more"),
    })
}

pub(super) fn diagnose(context: &Context, remote: &Remote, which: &Which) -> Result<()> {
    let id = resolve(remote, &which.which)?;
    let report = remote.get(&format!("/api/v1/mcps/{id}/diagnose"))?;
    context.output.show(&report, || readable(&report))
}

/// The report for people: the cause first, then what it was found from.
fn readable(report: &Value) -> String {
    let mut lines = vec![headline(report)];
    lines.extend(findings(report));
    lines.push(String::new());
    lines.extend(facts(report));
    lines.extend(limits(report));
    lines.extend(list(report, "/walls", "wall", |wall| {
        format!("{} {}: {}", text(wall, "name"), text(wall, "state"), text(wall, "detail"))
    }));
    lines.extend(list(report, "/errors/events", "event", |event| {
        let detail = event.get("detail").filter(|detail| detail.as_object().is_some_and(|members| !members.is_empty()));
        let detail = detail.map(|detail| format!(" {detail}")).unwrap_or_default();
        format!("{} {}{detail}", text(event, "at"), text(event, "kind"))
    }));
    let last_words = ["/errors/stderr", "/errors/last/stderr_tail"].into_iter();
    let said = last_words.filter_map(|place| report.pointer(place)?.as_array()).find(|lines| !lines.is_empty());
    lines.extend(said.into_iter().flatten().filter_map(Value::as_str).map(|line| row("stderr", line)));
    lines.join("\n")
}

fn headline(report: &Value) -> String {
    let health = report.pointer("/health/now").and_then(Value::as_str).unwrap_or("unknown");
    format!("{} ({}) is {}, health {health}", text(report, "name"), text(report, "id"), text(report, "status"))
}

fn findings(report: &Value) -> Vec<String> {
    let findings = report.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if findings.is_empty() {
        return vec!["nothing wrong was found".to_owned()];
    }
    let finding = |(index, finding): (usize, &Value)| {
        [
            format!("{}. {}", index + 1, text(finding, "what")),
            format!("   because: {}", text(finding, "evidence")),
            format!("   do: {}", text(finding, "fix")),
        ]
    };
    findings.iter().enumerate().flat_map(finding).collect()
}

/// Name of a line and the members that it shows.
const FACTS: &[(&str, &[&str])] = &[
    ("mode", &["/mode"]),
    ("desired", &["/desired"]),
    ("expires", &["/expires_at"]),
    ("debug until", &["/debug_until"]),
    ("pid", &["/process/pid", "/process/name"]),
    ("age", &["/process/age_seconds"]),
    ("cpu %", &["/process/cpu_percent"]),
    ("memory", &["/process/memory_bytes"]),
    ("threads", &["/process/threads"]),
    ("open files", &["/process/open_files"]),
    ("children", &["/process/children"]),
    ("port", &["/port/number", "/port/listener"]),
    ("last check", &["/health/checked_at", "/health/last", "/health/error"]),
    ("restarts", &["/errors/restarts"]),
    ("credential", &["/credential/kind", "/credential/present", "/credential/hint"]),
    ("package", &["/package/name", "/package/installed", "/package/error"]),
    ("sessions", &["/clients/sessions"]),
    ("in flight", &["/clients/in_flight"]),
    ("parked", &["/clients/parked"]),
    ("last used", &["/clients/last_used"]),
    ("disk", &["/disk/bytes"]),
    ("disk free", &["/disk/free_bytes"]),
    ("logs", &["/disk/log_bytes"]),
];

fn facts(report: &Value) -> Vec<String> {
    let word = |place: &&str| -> Option<String> {
        let value = report.pointer(place)?;
        match value {
            Value::Null => None,
            Value::String(text) => (!text.is_empty()).then(|| text.clone()),
            Value::Array(items) => Some(items.len().to_string()),
            Value::Bool(true) => Some("yes".to_owned()),
            Value::Bool(false) => Some("no".to_owned()),
            Value::Number(number) if place.ends_with("bytes") => number.as_u64().map(mebibytes),
            Value::Number(number) if place.ends_with("seconds") => Some(format!("{number} s")),
            other => Some(other.to_string()),
        }
    };
    let line = |(name, places): &(&str, &[&str])| {
        let words: Vec<String> = places.iter().filter_map(word).collect();
        (!words.is_empty()).then(|| row(name, &words.join(" ")))
    };
    FACTS.iter().filter_map(line).collect()
}

fn limits(report: &Value) -> Vec<String> {
    list(report, "/limits", "limit", |limit| {
        format!("{}: {} of {} ({})", text(limit, "what"), text(limit, "used"), text(limit, "limit"), text(limit, "how"))
    })
}

fn list(report: &Value, place: &str, name: &str, line: impl Fn(&Value) -> String) -> Vec<String> {
    let items = report.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| row(name, &line(item))).collect()
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<12}{value}")
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
