//! Berth's own lines about an instance that is being debugged, on their way to its `debug.log`.
//!
//! Method names, ids, sizes, durations and states; never parameters, results, tokens or credentials. While an
//! instance is not debugged, a request costs one relaxed load. Lines are kept in memory until the instance's
//! actor writes them, within a second; a full buffer drops lines and counts them.

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// Bytes that may wait between two writes.
const CAPACITY: usize = 1 << 20;
/// Of a word that a client chose (a method, an id), this much is shown.
const MAX_WORD: usize = 64;

/// Lines that are not written yet, and whether there are to be any.
#[derive(Default)]
pub struct Trace {
    on: AtomicBool,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    text: String,
    dropped: u64,
}

impl Trace {
    /// Whether lines are wanted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// Begins or ends it. What has been gathered stays to be taken.
    pub fn set(&self, on: bool) {
        self.on.store(on, Relaxed);
    }

    /// Adds a line when they are wanted.
    pub fn line(&self, line: fmt::Arguments<'_>) {
        if !self.is_on() {
            return;
        }
        let mut lines = self.lines.lock();
        if lines.text.len() > CAPACITY {
            lines.dropped += 1;
            return;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(lines.text, "{} berth: {line}", Timestamp::now());
    }

    /// Takes what has gathered; `None` when there is nothing.
    pub fn take(&self) -> Option<String> {
        let mut lines = self.lines.lock();
        let mut text = std::mem::take(&mut lines.text);
        let dropped = std::mem::take(&mut lines.dropped);
        if dropped > 0 {
            let _ = writeln!(text, "{} berth: {dropped} lines dropped: too many at a time", Timestamp::now());
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A word that a client chose, fit for a line: cut, and without what could end the line.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
    let mut word: String = text.chars().take(MAX_WORD).map(plain).collect();
    if text.chars().nth(MAX_WORD).is_some() {
        word.push('…');
    }
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_nothing_while_off() {
        let trace = Trace::default();
        trace.line(format_args!("a"));
        assert_eq!(trace.take(), None);
        trace.set(true);
        trace.line(format_args!("b"));
        trace.set(false);
        trace.line(format_args!("c"));
        let text = trace.take().unwrap();
        assert!(text.ends_with(" berth: b\n") && text.lines().count() == 1, "{text}");
    }

    #[test]
    fn a_word_is_one_word() {
        let long = "x".repeat(100);
        let cases = [("tools/call", "tools/call"), ("a b\nc", "a?b?c"), ("\u{1b}[2J", "?[2J"), ("", "-")];
        for (text, expected) in cases {
            assert_eq!(word(text), expected);
        }
        assert_eq!(word(&long).chars().count(), MAX_WORD + 1);
    }

    #[test]
    fn a_full_buffer_counts_what_it_drops() {
        let trace = Trace::default();
        trace.set(true);
        let long = "x".repeat(CAPACITY);
        for _ in 0..3 {
            trace.line(format_args!("{long}"));
        }
        assert!(trace.take().unwrap().contains("2 lines dropped"));
    }
}
