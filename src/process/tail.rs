//! The end of a child's standard error: the last lines for the crash card, and those to come for whoever
//! watches live.
//!
//! The child's pump alone adds lines. Invariants: nothing is kept or shown before the mask has been
//! over it; nobody who watches keeps the pump waiting.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::mask::Mask;
use crate::domain::crash::CrashCard;

/// Longest line that is kept for the crash card.
pub(super) const MAX_KEPT: usize = 2 * 1024;

/// Lines that a slow watcher may lag behind before it loses some.
const LIVE_LINES: usize = 256;

/// The last lines of a child's standard error, and a way to watch it live.
#[derive(Debug, Default)]
pub struct StderrTail {
    lines: Mutex<VecDeque<Box<str>>>,
    /// Made for the first watcher and given up after the last: its buffer is not small.
    live: Mutex<Option<broadcast::Sender<Arc<str>>>>,
    dropped: AtomicU64,
    mask: Mask,
}

impl StderrTail {
    /// One that never shows what `mask` hides, nor lets it into the log file.
    #[must_use]
    pub fn masking(mask: Mask) -> Self {
        Self { mask, ..Self::default() }
    }

    /// `text` without what must not be shown of it.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.hide(text.into()).into_owned()
    }

    /// The last lines, oldest first: at most [`CrashCard::STDERR_LINES`], each at most 2 KiB.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().iter().map(|line| line.to_string()).collect()
    }

    /// Lines from now on. Whoever lags behind loses lines (and is told how many), the child never waits.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<str>> {
        self.live.lock().get_or_insert_with(|| broadcast::channel(LIVE_LINES).0).subscribe()
    }

    /// Lines so far that did not go into the log file because there were too many.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// `text` without what must not be shown of it; borrowed where nothing is hidden.
    pub(super) fn hide<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        self.mask.apply(text)
    }

    /// Counts a line that does not go into the log file.
    pub(super) fn note_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Keeps a line, already masked, and shows it to those who watch.
    pub(super) fn push(&self, line: &str) {
        let kept = &line[..line.floor_char_boundary(MAX_KEPT)];
        let mut lines = self.lines.lock();
        if lines.len() >= CrashCard::STDERR_LINES {
            lines.pop_front();
        }
        lines.push_back(kept.into());
        drop(lines);
        let mut live = self.live.lock();
        if live.as_ref().is_some_and(|live| live.send(line.into()).is_err()) {
            *live = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_watching_costs_nothing_and_a_late_watcher_sees_what_comes() {
        let tail = StderrTail::default();
        tail.push("before");
        let mut watcher = tail.subscribe();
        tail.push("after");
        assert_eq!(watcher.try_recv().unwrap().as_ref(), "after");
        drop(watcher);
        tail.push("gone");
        assert!(tail.live.lock().is_none());
    }
}
