//! Access log lines on their way to the instance's `access.log`.
//!
//! The worker formats a line into memory; the instance's actor writes it within a second. What was
//! not written when Berth is killed is lost; a full buffer drops lines and counts them.

use std::{fmt::Write, time::Duration};

use parking_lot::Mutex;

use crate::{
    domain::{ids::UserId, time::Timestamp},
    mcp::session::SessionId,
};

/// Bytes that may wait between two writes.
const CAPACITY: usize = 4 * 1024 * 1024;

/// One request.
pub struct AccessEntry<'a> {
    /// When it came.
    pub at: Timestamp,
    /// Who made it.
    pub user: UserId,
    /// HTTP method.
    pub verb: &'a str,
    /// What was reached: `mcp`, `api/…`, `health`.
    pub target: &'a str,
    /// The session as the client names it, if it does: logged only when it can be one.
    pub session: Option<&'a str>,
    /// The status that was answered.
    pub status: u16,
    /// Until the answer's head was ready.
    pub took: Duration,
}

/// Lines that are not written yet.
#[derive(Default)]
pub struct AccessBuffer {
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    text: String,
    dropped: u64,
    requests: u64,
}

impl AccessBuffer {
    /// Adds a line: time, user, verb, target, session, status, microseconds.
    pub fn record(&self, entry: &AccessEntry<'_>) {
        let mut lines = self.lines.lock();
        lines.requests += 1;
        if lines.text.len() > CAPACITY {
            lines.dropped += 1;
            return;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(
            lines.text,
            "{} user={} {} {} session={} status={} us={}",
            entry.at,
            entry.user,
            word(entry.verb),
            word(entry.target),
            session(entry.session),
            entry.status,
            entry.took.as_micros()
        );
    }

    /// Requests that were answered since this run knows the instance.
    pub fn requests(&self) -> u64 {
        self.lines.lock().requests
    }

    /// Takes what has gathered; `None` when there is nothing.
    pub fn take(&self) -> Option<String> {
        let mut lines = self.lines.lock();
        let mut text = std::mem::take(&mut lines.text);
        if lines.dropped > 0 {
            let _ = writeln!(
                text,
                "{} {} lines dropped: the log could not be written fast enough",
                Timestamp::now(),
                lines.dropped
            );
            lines.dropped = 0;
        }
        if text.is_empty() { None } else { Some(text) }
    }
}

/// What the client says has been decoded and may hold anything, the end of the line among it.
fn session(named: Option<&str>) -> &str {
    match named {
        None => "-",
        Some(id) if SessionId::read(id).is_some() => id,
        Some(_) => "?",
    }
}

fn word(text: &str) -> &str {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { text } else { "?" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_the_client_says() {
        let id = "0123456789abcdef0123456789abcdef";
        let cases = [
            (None, "GET", "session=-"),
            (Some(id), "GET", "session=0123456789abcdef0123456789abcdef"),
            (Some("x\n2026-01-01 user=bob"), "POST", "session=?"),
            (Some("\u{1b}[2J"), "POST", "session=?"),
            (Some(""), "POST", "session=?"),
            (Some(id), "GET\r\nX", "? mcp session=0123"),
        ];
        let buffer = AccessBuffer::default();
        for (session, verb, expected) in cases {
            let (at, user) = (Timestamp(0), UserId::generate());
            let took = Duration::ZERO;
            buffer.record(&AccessEntry { at, user, verb, target: "mcp", session, status: 200, took });
            let text = buffer.take().unwrap();
            assert!(text.contains(expected) && text.trim_end().lines().count() == 1, "{text:?}");
            assert!(text.trim_end().chars().all(|letter| !letter.is_control()), "{text:?}");
        }
    }
}
