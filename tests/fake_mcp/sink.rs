//! Where a call that does not answer at once writes: the one stdout, or its own HTTP answer.

use std::{
    process,
    sync::{Mutex, PoisonError},
};

use tokio::sync::mpsc;

/// One thing to send to the client.
#[derive(Debug)]
pub(crate) enum Message {
    /// A notification, a request of ours, or garbage: more follows.
    Note(Vec<u8>),
    /// The answer: the last one.
    Answer(Vec<u8>),
    /// Bytes to write as they are, with no frame around them.
    Raw(Vec<u8>),
}

/// A cheap handle, one per call.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// Shared by all calls; each message is a line.
    Stdout,
    /// The HTTP answer of one POST.
    Http(mpsc::Sender<Message>),
}

/// Keeps lines whole when threads write beside the reading loop.
static STDOUT: Mutex<()> = Mutex::new(());

impl Sink {
    /// Sends a message that is not the answer. Blocks while the client does not read.
    pub(crate) fn note(&self, message: Vec<u8>) {
        self.send(Message::Note(message));
    }

    /// Sends the answer.
    pub(crate) fn answer(&self, message: Vec<u8>) {
        self.send(Message::Answer(message));
    }

    /// Sends bytes without a frame or line end; `false` once nobody reads any more.
    pub(crate) fn raw(&self, bytes: Vec<u8>) -> bool {
        self.send(Message::Raw(bytes))
    }

    fn send(&self, message: Message) -> bool {
        match (self, message) {
            (Self::Stdout, Message::Raw(bytes)) => write_stdout(&bytes),
            (Self::Stdout, Message::Note(mut line) | Message::Answer(mut line)) => {
                line.push(b'\n');
                write_stdout(&line);
            }
            (Self::Http(sender), message) => return sender.blocking_send(message).is_ok(),
        }
        true
    }
}

/// Writes whole lines to stdout, unbuffered. A closed pipe ends the process, as it would any server.
pub(crate) fn write_stdout(mut bytes: &[u8]) {
    let _lock = STDOUT.lock().unwrap_or_else(PoisonError::into_inner);
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => process::exit(0),
        }
    }
}
