//! One call that is being worked on: where its messages go, and what it asked to be told.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::wire::notification;

/// What a call sends to its transport.
pub(crate) enum Outgoing {
    /// Messages before the answer, to be written at once.
    Messages(Vec<Value>),
    /// The answer: the last.
    Answer(Value),
    /// End the stream of an HTTP answer now, the rest follows on another. Nothing over stdio.
    HangUp,
}

/// The severities of log messages, lowest first.
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The rank of a severity.
pub(crate) fn severity(name: &str) -> Option<usize> {
    LEVELS.iter().position(|level| *level == name)
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) out: UnboundedSender<Outgoing>,
    /// `_meta.progressToken`.
    pub(crate) token: Option<Value>,
    /// The lowest severity to be told; none: be quiet.
    pub(crate) level: Option<usize>,
}

impl Caller {
    /// Sends messages at once. The other side may be gone: then nobody misses them.
    pub(crate) fn send(&self, messages: Vec<Value>) {
        let _ = self.out.send(Outgoing::Messages(messages));
    }

    pub(crate) fn answer(&self, answer: Value) {
        let _ = self.out.send(Outgoing::Answer(answer));
    }

    pub(crate) fn hang_up(&self) {
        let _ = self.out.send(Outgoing::HangUp);
    }

    pub(crate) fn log(&self, level: &str, text: &str) {
        if self.level.is_some_and(|lowest| severity(level).is_some_and(|rank| rank >= lowest)) {
            let data = json!({ "level": level, "logger": "conformance", "data": text });
            self.send(vec![notification("notifications/message", &data)]);
        }
    }

    pub(crate) fn progress(&self, progress: u32, total: u32) {
        if let Some(token) = &self.token {
            let data = json!({ "progressToken": token, "progress": progress, "total": total });
            self.send(vec![notification("notifications/progress", &data)]);
        }
    }
}
