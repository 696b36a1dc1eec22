//! What the way in which a process ended says by itself.

use super::{Facts, MORE_MEMORY, OWN_ENDPOINT, Ranked, finding};
use crate::domain::crash::{CrashCard, ExitReason};

/// How the process ended, as far as that alone says why.
pub(super) fn of_failure(facts: &Facts) -> Vec<Ranked> {
    let Some(card) = facts.failure() else { return Vec::new() };
    let mut found: Vec<Ranked> = of_reason(facts, card).into_iter().collect();
    if card.out_of_memory {
        found.push((96, finding("out_of_memory", "it ran out of memory", card.reason.to_string(), MORE_MEMORY)));
    }
    if !card.changed.is_empty() {
        let evidence = format!("changed since it last started well: {}", card.changed.join(", "));
        let fix = "look at these settings again; the values before are not kept";
        found.push((65, finding("changed", "it fails since its settings were changed", evidence, fix)));
    }
    found
}

const READ_LOG: &str = "read its error log from the line above on; debug mode makes it say more";

fn of_reason(facts: &Facts, card: &CrashCard) -> Option<Ranked> {
    let last = card.stderr_tail.last().cloned();
    let evidence = last.clone().unwrap_or_else(|| card.reason.to_string());
    let found = match &card.reason {
        ExitReason::LimitExceeded { detail } => (
            94,
            finding(
                "limit",
                "it used more than it may and was stopped",
                detail,
                "raise that limit, or find out why it needs so much",
            ),
        ),
        ExitReason::Protocol { detail } => (90, finding("protocol", "it broke the protocol", detail, NOT_MCP)),
        ExitReason::NotReady { detail } if detail.contains("not JSON-RPC") => {
            (88, finding("protocol", "what it prints on standard output is not MCP", detail, NOT_MCP))
        }
        ExitReason::NotReady { detail } => not_ready(facts, detail),
        ExitReason::Unhealthy { detail } => {
            (60, finding("unhealthy", "it stopped answering its health check and was ended", detail, READ_LOG))
        }
        ExitReason::Code { code: 127 } => (
            91,
            finding(
                "program_missing",
                "its program or interpreter is missing",
                evidence,
                "install it, or correct `launch` in the manifest",
            ),
        ),
        ExitReason::Code { code: 126 } => (
            91,
            finding(
                "not_executable",
                "its program cannot be run",
                evidence,
                "make it executable, and its folder readable for Berth",
            ),
        ),
        ExitReason::Code { code: 0 } => {
            let fix = "look whether its arguments start a server, and the transport is the one that the manifest names";
            (45, finding("ended", "it ended by itself, without an error", evidence, fix))
        }
        ExitReason::Code { code } => {
            (30, finding("exited", format!("it gave up with exit code {code}"), evidence, READ_LOG))
        }
        ExitReason::Signal { signal: 9 } => {
            let fix = "look at the memory of this machine (`dmesg` names processes that the kernel has killed), and whether somebody ended it";
            (55, finding("killed", "something outside of Berth killed it", card.reason.to_string(), fix))
        }
        ExitReason::Signal { signal } => {
            let fix = "a crash in native code: look for another version of the package or its runtime";
            (
                45,
                finding(
                    "signal",
                    format!("signal {signal} ended it"),
                    last.unwrap_or_else(|| card.reason.to_string()),
                    fix,
                ),
            )
        }
        ExitReason::Lost { detail } => (40, finding("disconnected", "its process was lost", detail, "restore it")),
        ExitReason::QuotaReached { detail } => {
            let fix = "stop another instance, or ask an administrator for more; then restart it";
            (66, finding("quota", "its owner's quota has no place for it", detail, fix))
        }
        ExitReason::SpawnFailed { detail } => {
            (30, finding("not_started", "it could not be started", detail, "correct what it names, then restart it"))
        }
    };
    Some(found)
}

const NOT_MCP: &str = "only MCP may go to standard output: have it log to standard error; or it speaks HTTP, and `transport` in the manifest is wrong";

fn not_ready(facts: &Facts, detail: &str) -> Ranked {
    if detail.contains("another process listens") {
        let fix = "restart it: it gets another port, or the same once that is free";
        return (64, finding("port_in_use", "another process has taken its port", detail, fix));
    }
    let is_refused = detail.to_lowercase().contains("refused") || detail.contains("does not listen");
    let is_own = detail.contains(OWN_ENDPOINT) && is_refused;
    if is_own || matches!(facts.port, Some((_, false))) {
        let fix = "have it listen on the port in `PORT`, on 127.0.0.1; or it speaks on standard output, and `transport` is wrong";
        return (62, finding("not_listening", "nothing listens on its port", detail, fix));
    }
    let fix = format!(
        "if it is only slow, raise `health.start_seconds` (now {}); else look whether `transport` is right and its arguments start a server",
        facts.start_seconds
    );
    (58, finding("start_timeout", "it did not become ready in time", detail, fix))
}
