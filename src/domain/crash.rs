//! The crash card: why an instance is not running, in a form that a person can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{limits::size, time::Timestamp};

/// How a process, or the attempt to start one, ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExitReason {
    /// It exited by itself with this status code.
    Code {
        /// The exit status, 0 to 255.
        code: i32,
    },
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// It never became a process, or the launch stage failed.
    SpawnFailed {
        /// What failed and why.
        detail: String,
    },
    /// It ran but did not answer `initialize` (or its port) in time.
    NotReady {
        /// What was waited for, and for how long.
        detail: String,
    },
    /// It ran but failed its health check until it was ended.
    Unhealthy {
        /// The last failure.
        detail: String,
    },
    /// It used more than it may.
    LimitExceeded {
        /// Which limit, with both figures.
        detail: String,
    },
    /// Its owner's quota had no place for it: it was not started.
    QuotaReached {
        /// Which quota, with its figures.
        detail: String,
    },
    /// It wrote something that the protocol forbids, such as an endless line.
    Protocol {
        /// What was wrong.
        detail: String,
    },
    /// The process ended while nobody was watching (Berth itself was down or failed).
    Lost {
        /// What is known.
        detail: String,
    },
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { code } => write!(f, "exited with code {code}"),
            Self::Signal { signal: 9 } => f.write_str("killed by signal 9 (SIGKILL)"),
            Self::Signal { signal } => write!(f, "ended by signal {signal}"),
            Self::SpawnFailed { detail } => write!(f, "could not start: {detail}"),
            Self::NotReady { detail } => write!(f, "did not become ready: {detail}"),
            Self::Unhealthy { detail } => write!(f, "unhealthy: {detail}"),
            Self::QuotaReached { detail } => write!(f, "not started: {detail}"),
            Self::LimitExceeded { detail } | Self::Protocol { detail } | Self::Lost { detail } => f.write_str(detail),
        }
    }
}

/// What is shown of the last failure, and what a waiting client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashCard {
    /// When it happened.
    pub at: Timestamp,
    /// How it ended.
    pub reason: ExitReason,
    /// Whether the kernel ended it for want of memory, where that is known.
    pub out_of_memory: bool,
    /// The limit of memory that it had met then, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The last lines of its standard error, oldest first, cut to a few.
    pub stderr_tail: Vec<String>,
    /// What changed in its configuration since it last started well; empty when nothing did.
    pub changed: Vec<String>,
    /// Restarts inside the policy's window when it happened.
    pub restarts: u32,
}

impl CrashCard {
    /// Lines of standard error that a card keeps.
    pub const STDERR_LINES: usize = 20;

    /// One sentence: the reason and the last line of standard error.
    #[must_use]
    pub fn summary(&self) -> String {
        let reason = match (self.out_of_memory, self.memory_limit) {
            (true, Some(limit)) => format!("out of memory at {} ({})", size(limit), self.reason),
            (true, None) => format!("out of memory ({})", self.reason),
            (false, _) => self.reason.to_string(),
        };
        match self.stderr_tail.last() {
            Some(line) => format!("{reason}; last line of its standard error: {line}"),
            None => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_memory_first_and_the_last_line_last() {
        let card = |out_of_memory, memory_limit, lines: &[&str]| CrashCard {
            at: Timestamp(0),
            reason: ExitReason::Signal { signal: 9 },
            out_of_memory,
            memory_limit,
            stderr_tail: lines.iter().map(|line| (*line).to_owned()).collect(),
            changed: Vec::new(),
            restarts: 0,
        };
        let killed = "killed by signal 9 (SIGKILL)";
        let cases = [
            (card(false, Some(1 << 29), &[]), killed.to_owned()),
            (card(true, Some(1 << 29), &[]), format!("out of memory at 512 MiB ({killed})")),
            (card(true, None, &["a", "b"]), format!("out of memory ({killed}); last line of its standard error: b")),
        ];
        for (card, expected) in cases {
            assert_eq!(card.summary(), expected);
        }
    }
}
