//! From what is known of an instance to the likely cause of its trouble and what to do next.
//!
//! Pure: [`Facts`] go in, [`Finding`]s come out, the likeliest first. A finding says what is wrong, why that is
//! believed (the line or the figure), and what to do next. `signs` has what programs are known to say.

mod endings;
mod signs;

use serde::Serialize;

use self::{endings::of_failure, signs::SIGNS};
use super::{
    crash::{CrashCard, ExitReason},
    lifecycle::{Health, State},
    limits::{Limits, Usage},
};

/// Longest evidence, in characters.
const MAX_EVIDENCE: usize = 300;
/// How Berth tells that a server which it has started itself does not answer over HTTP.
const OWN_ENDPOINT: &str = "no answer at its MCP endpoint";
/// Less room than this on the disk of the instances counts as full.
const LITTLE_ROOM: u64 = 64 << 20;

/// One likely cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong; or, for a state that is meant to be, what it is.
    pub what: String,
    /// Why that is believed.
    pub evidence: String,
    /// What to do next.
    pub fix: String,
}

/// What is known of one instance. What is not known is absent or empty.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its state.
    pub state: State,
    /// Its last health check.
    pub health: Health,
    /// Why that failed.
    pub check_error: Option<String>,
    /// What is being waited for.
    pub progress: Option<String>,
    /// Its last failure, which may be over.
    pub crash: Option<CrashCard>,
    /// The last lines of standard error of the process that runs.
    pub stderr: Vec<String>,
    /// Whether its service needs a credential.
    pub needs_credential: bool,
    /// Whether it has one.
    pub has_credential: bool,
    /// Why its program or package is not there.
    pub package_error: Option<String>,
    /// Its port, where it has one, and whether anybody listens there.
    pub port: Option<(u16, bool)>,
    /// How long a start may take, in seconds.
    pub start_seconds: u64,
    /// Its limits.
    pub limits: Limits,
    /// The last sample of what it uses.
    pub usage: Option<Usage>,
    /// Bytes that are free on the disk of its directories.
    pub disk_free: Option<u64>,
    /// Calls in flight, and how many there may be.
    pub calls: (usize, usize),
}

impl Facts {
    /// Whether its last failure is why it does not serve now.
    const fn has_fallen(&self) -> bool {
        matches!(self.state, State::Failed | State::Restarting | State::Starting | State::Pending | State::Disconnected)
    }

    /// The failure that is not over.
    fn failure(&self) -> Option<&CrashCard> {
        self.crash.as_ref().filter(|_| self.has_fallen())
    }

    /// What its process said last, newest first, and before all of that why it did not start. How it ended
    /// otherwise is in Berth's own words, which say nothing more than `of_reason` knows.
    fn lines(&self) -> Vec<String> {
        let reason = self.failure().map(|card| &card.reason).filter(|reason| match reason {
            ExitReason::SpawnFailed { .. } => true,
            // Of a server that runs elsewhere there is nothing but what it answers.
            ExitReason::NotReady { detail } => !detail.contains(OWN_ENDPOINT),
            _ => false,
        });
        let reason = reason.map(ToString::to_string);
        // The reason of a failed installation has many lines.
        let reason = reason.iter().flat_map(|text| text.lines().map(str::to_owned)).collect::<Vec<_>>();
        let said = self.failure().map(|card| card.stderr_tail.clone()).unwrap_or_default();
        let said = said.into_iter().chain(self.stderr.iter().cloned()).rev();
        reason.into_iter().chain(said).collect()
    }
}

/// What helps where memory is short.
const MORE_MEMORY: &str = "raise its `memory_bytes` limit, or give it less to hold";

/// A finding and how likely it is, 0 to 100.
type Ranked = (u8, Finding);

/// The likely causes, the likeliest first; none when nothing is wrong.
#[must_use]
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Ranked> = Vec::new();
    found.extend(of_state(facts));
    found.extend(of_inputs(facts));
    found.extend(of_failure(facts));
    found.extend(of_words(facts));
    found.extend(of_service(facts));
    found.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let mut findings: Vec<Finding> = Vec::new();
    for (_, finding) in found {
        if findings.iter().all(|known| known.code != finding.code) {
            findings.push(finding);
        }
    }
    findings
}

fn finding(
    code: &'static str,
    what: impl Into<String>,
    evidence: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    let evidence: String = evidence.into();
    let mut cut: String = evidence.chars().take(MAX_EVIDENCE).collect();
    if cut.len() < evidence.len() {
        cut.push('…');
    }
    Finding { code, what: what.into(), evidence: cut, fix: fix.into() }
}

/// States that somebody chose, or that pass by themselves.
fn of_state(facts: &Facts) -> Option<Ranked> {
    let state = format!("its state is {}", facts.state);
    let (rank, code, what, fix) = match facts.state {
        State::Stopped => (100, "stopped", "it is stopped", "toggle it on"),
        State::Expired => (100, "expired", "its time is over", "renew it, or restore it without an expiry"),
        State::Idle => (100, "sleeping", "it sleeps, which is fine", "nothing: the next request wakes it"),
        State::Disconnected => (60, "disconnected", "its process was lost", "restore it"),
        State::Pending | State::Starting if facts.crash.is_none() => {
            (50, "starting", "it is on its way up", "wait; a start that takes too long is ended and told here")
        }
        _ => return None,
    };
    let evidence = facts.progress.clone().unwrap_or(state);
    Some((rank, finding(code, what, evidence, fix)))
}

/// What a start needs and has not got.
fn of_inputs(facts: &Facts) -> Vec<Ranked> {
    let mut found = Vec::new();
    if facts.needs_credential && !facts.has_credential {
        let fix = "store a credential and give it to the instance (`credential_id`), then restart it";
        found.push((95, finding("credential_missing", "it has no credential", "its service needs one", fix)));
    }
    if let Some(error) = &facts.package_error {
        let fix = "install what is missing, or correct the service's manifest; then restart it";
        found.push((93, finding("program_missing", "its program is not on this machine", error, fix)));
    }
    if let Some(free) = facts.disk_free.filter(|free| *free < LITTLE_ROOM) {
        let evidence = format!("{} MiB are free in the data directory", free >> 20);
        found.push((92, finding("disk_full", "the disk is full", evidence, "make room in the data directory")));
    }
    found
}

/// What it, or the tool that installs it, is known to say.
fn of_words(facts: &Facts) -> Vec<Ranked> {
    let lines = facts.lines();
    let lines: Vec<(&String, String)> = lines.iter().map(|line| (line, line.to_lowercase())).collect();
    let applicable = SIGNS.iter().filter(|sign| sign.while_running || facts.has_fallen());
    let seen = applicable.filter_map(|sign| {
        let (line, _) = lines.iter().find(|(_, lower)| sign.words.iter().any(|word| lower.contains(word)))?;
        // Of what runs on regardless, it is less sure that it matters.
        let rank = if facts.has_fallen() { sign.rank } else { sign.rank / 2 };
        Some((rank, finding(sign.code, sign.what, line.trim(), sign.fix)))
    });
    seen.collect()
}

/// What is wrong with one that runs.
fn of_service(facts: &Facts) -> Vec<Ranked> {
    let mut found = Vec::new();
    if !facts.state.serves() {
        return found;
    }
    if facts.health == Health::Unhealthy {
        let evidence = facts.check_error.clone().unwrap_or_else(|| "its last check failed".to_owned());
        found.push((
            60,
            finding(
                "unhealthy",
                "it does not answer its health check",
                evidence,
                "read its error log; restart it if it hangs",
            ),
        ));
    }
    if let Some((port, false)) = facts.port {
        let evidence = format!("no socket of this machine listens on {port}");
        found.push((70, finding("not_listening", "nothing listens on its port", evidence, "restart it")));
    }
    if let (Some(usage), Some(limit)) = (facts.usage, facts.limits.memory_bytes)
        && usage.memory_bytes > limit / 10 * 9
    {
        let evidence = format!("it uses {} of {} MiB", usage.memory_bytes >> 20, limit >> 20);
        found.push((50, finding("memory_short", "it is about to reach its memory limit", evidence, MORE_MEMORY)));
    }
    let (in_flight, most) = facts.calls;
    if in_flight >= most && most > 0 {
        let evidence = format!("{in_flight} of {most} calls are in flight");
        found.push((
            52,
            finding(
                "busy",
                "it has as many calls as it may",
                evidence,
                "look for calls that hang; restart it if they do",
            ),
        ));
    }
    found
}

#[cfg(test)]
mod tests;
