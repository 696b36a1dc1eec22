//! The events of one stream, kept so that a client that lost it can go on reading elsewhere.

use std::{cell::RefCell, rc::Rc};

use actix_web::web::Bytes;
use futures_util::{Stream, stream};
use serde_json::Value;
use tokio::sync::{Notify, mpsc::UnboundedReceiver};

use crate::caller::Outgoing;

/// Milliseconds after which a client comes back when a stream ended early.
const RETRY: u32 = 100;

enum Entry {
    /// A frame with its id.
    Event(String),
    /// Here the first reader was sent away.
    HangUp,
}

/// See the module.
pub(crate) struct Log {
    /// The first part of its events' ids.
    number: u64,
    entries: RefCell<Vec<Entry>>,
    finished: RefCell<bool>,
    changed: Notify,
}

/// Where a reader is.
struct Reader {
    log: Rc<Log>,
    next: usize,
    /// It came back: a hang-up was for the reader before it.
    resumed: bool,
}

impl Log {
    pub(crate) fn new(number: u64) -> Rc<Self> {
        Rc::new(Self { number, entries: RefCell::default(), finished: RefCell::new(false), changed: Notify::new() })
    }

    /// The event without content that a stream begins with: there is an id to come back with.
    pub(crate) fn prime(&self) {
        self.push(&format!("retry: {RETRY}\ndata: \n"));
    }

    /// Takes what a call sends until its answer, or for ever.
    pub(crate) async fn follow(self: Rc<Self>, mut outgoing: UnboundedReceiver<Outgoing>) {
        while let Some(message) = outgoing.recv().await {
            if self.take(message) {
                break;
            }
        }
        self.finish();
    }

    /// Whether it was the last.
    pub(crate) fn take(&self, message: Outgoing) -> bool {
        let data = |message: &Value| self.push(&format!("event: message\ndata: {message}\n"));
        match message {
            Outgoing::Messages(messages) => messages.iter().for_each(data),
            Outgoing::Answer(answer) => {
                data(&answer);
                return true;
            }
            Outgoing::HangUp => self.entries.borrow_mut().push(Entry::HangUp),
        }
        self.changed.notify_waiters();
        false
    }

    pub(crate) fn finish(&self) {
        self.finished.replace(true);
        self.changed.notify_waiters();
    }

    fn push(&self, fields: &str) {
        let mut entries = self.entries.borrow_mut();
        let frame = format!("id: {}.{}\n{fields}\n", self.number, entries.len());
        entries.push(Entry::Event(frame));
        drop(entries);
        self.changed.notify_waiters();
    }

    /// Everything from the beginning.
    pub(crate) fn read(self: &Rc<Self>) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + use<> {
        Reader { log: Rc::clone(self), next: 0, resumed: false }.stream()
    }

    /// What comes after the event of this index.
    pub(crate) fn resume(self: &Rc<Self>, index: usize) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + use<> {
        Reader { log: Rc::clone(self), next: index + 1, resumed: true }.stream()
    }

    /// What comes from now on.
    pub(crate) fn read_on(self: &Rc<Self>) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + use<> {
        let next = self.entries.borrow().len();
        Reader { log: Rc::clone(self), next, resumed: true }.stream()
    }
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> + use<> {
        stream::unfold(self, |mut reader| async move {
            let bytes = reader.next_chunk().await?;
            Some((Ok(bytes), reader))
        })
    }

    /// Every frame that is there, together; nothing at the end.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        loop {
            let changed = self.log.changed.notified();
            let mut chunk = String::new();
            let mut sent_away = false;
            for entry in self.log.entries.borrow().iter().skip(self.next) {
                match entry {
                    Entry::Event(frame) => chunk.push_str(frame),
                    Entry::HangUp if self.resumed => {}
                    Entry::HangUp => {
                        sent_away = true;
                        break;
                    }
                }
                self.next += 1;
            }
            if !chunk.is_empty() {
                return Some(chunk.into());
            }
            if sent_away || *self.log.finished.borrow() {
                return None;
            }
            changed.await;
        }
    }
}
