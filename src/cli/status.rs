//! `berth status` and `berth monit`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    context::Context,
    instance::{Owners, table},
    output,
    remote::{Remote, items, text},
};
use crate::domain::limits::size;

/// Clears the screen and goes to its first place.
const CLEAR: &str = "\x1b[2J\x1b[H";

#[derive(Args)]
pub(super) struct Monit {
    /// Print once and end
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

pub(super) fn run(context: &Context) -> Result<()> {
    let remote = Remote::require(context)?;
    let (answer, text) = look(context, &remote)?;
    context.output.show(&answer, || text)
}

pub(super) fn monit(context: &Context, command: &Monit) -> Result<()> {
    let remote = Remote::require(context)?;
    loop {
        let (answer, text) = look(context, &remote)?;
        if command.once || context.output.json {
            return context.output.show(&answer, || text);
        }
        output::line(&format!("{CLEAR}{text}"))?;
        pause(Duration::from_secs(command.interval));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one thread of a command, which has nothing else to do")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn look(context: &Context, remote: &Remote) -> Result<(Value, String)> {
    let health = remote.get("/health")?;
    let instances = remote.get("/api/v1/mcps")?;
    let system = remote.get("/api/v1/admin/health")?;
    let answer = json!({ "pid": remote.pid(), "health": health, "system": system, "instances": items(&instances) });
    let uptime = Duration::from_secs(health.get("uptime_seconds").and_then(Value::as_u64).unwrap_or(0));
    let head = format!(
        "Berth {} (pid {}) is {}, up {}, database {}; {} instances",
        text(&health, "version"),
        remote.pid(),
        text(&health, "status"),
        in_words(uptime),
        text(&health, "database"),
        items(&instances).len()
    );
    let head = format!("{head}\n{}", machine(&system));
    let shared = shared(&system).map(|table| format!("\n\n{table}")).unwrap_or_default();
    Ok((answer, format!("{head}{shared}\n\n{}", table(&instances, &Owners::read(context)?))))
}

/// What is left of the machine, in a line.
fn machine(system: &Value) -> String {
    let bytes = |pointer: &str| system.pointer(pointer).and_then(Value::as_u64).map_or_else(|| "?".to_owned(), size);
    let children = system.pointer("/processes/children").and_then(Value::as_u64).unwrap_or(0);
    let load = system.pointer("/host/load/0").and_then(Value::as_f64).unwrap_or(0.0);
    format!(
        "{children} processes use {}, Berth {}; {} of memory and {} of disk are free, load {load:.2}",
        bytes("/processes/memory_bytes"),
        bytes("/host/berth_memory_bytes"),
        bytes("/host/memory/available_bytes"),
        bytes("/host/disk/free_bytes"),
    )
}

/// The processes of shared services; `None` when there are none.
fn shared(system: &Value) -> Option<String> {
    let pools = system.get("shared").and_then(Value::as_array)?;
    let number = |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    let row = |service: &str, worker: &Value| {
        let memory = worker.get("memory_bytes").and_then(Value::as_u64).map_or_else(|| "-".to_owned(), size);
        let of = |key: &str| worker.get(key).map_or_else(|| "-".to_owned(), number);
        let name = format!("{service} {}", of("number"));
        vec![name, text(worker, "state"), of("pid"), of("port"), of("restarts"), memory, of("instances")]
    };
    let workers = |pool: &Value| pool.get("workers").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = pools
        .iter()
        .flat_map(|pool| workers(pool).iter().map(|worker| row(&text(pool, "service"), worker)).collect::<Vec<_>>())
        .collect();
    let head = ["SHARED", "STATE", "PID", "PORT", "RESTARTS", "MEMORY", "INSTANCES"];
    (!rows.is_empty()).then(|| output::table(&head, &rows))
}

fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_in_words() {
        let cases = [(5, "5 s"), (65, "1 min"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, words) in cases {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
