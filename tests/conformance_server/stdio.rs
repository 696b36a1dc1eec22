//! Lines on stdin and stdout, for either era.

use std::io::{self, BufRead, Write};

use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::caller::Outgoing;

/// What takes the lines.
pub(crate) trait Lines {
    /// Takes one message; must not wait. What it has to say goes to `out`, now or later.
    fn take(&self, line: &[u8], out: &UnboundedSender<Outgoing>);
}

/// Serves until stdin ends.
pub(crate) async fn serve(handler: impl Lines) -> io::Result<()> {
    let mut lines = read_lines();
    let (out, outgoing) = mpsc::unbounded_channel();
    actix_web::rt::spawn(write_all(outgoing));
    while let Some(line) = lines.recv().await {
        if !line.trim_ascii().is_empty() {
            handler.take(&line, &out);
        }
    }
    Ok(())
}

/// Reads in a thread of its own: standard input knows only blocking reads.
fn read_lines() -> UnboundedReceiver<Vec<u8>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn write_all(mut outgoing: UnboundedReceiver<Outgoing>) {
    while let Some(message) = outgoing.recv().await {
        let messages = match message {
            Outgoing::Messages(messages) => messages,
            Outgoing::Answer(answer) => vec![answer],
            Outgoing::HangUp => continue,
        };
        // Messages that were sent together leave together.
        let text: String = messages.iter().map(|message: &Value| format!("{message}\n")).collect();
        let mut stdout = io::stdout().lock();
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            std::process::exit(0);
        }
    }
}
