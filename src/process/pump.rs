//! A child's standard error on its way into the log file and the tail.
//!
//! One task per child runs [`pump`], which owns what is read and not yet written. Invariants: the child
//! never waits for a watcher or for a full disk; a flood is read at a bounded rate and written at a lower
//! one; a quiet child costs no buffer.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::unix::pipe, time::sleep};

use super::{
    budget::{Budget, Verdict, WRITE_RATE},
    logs::{LogError, LogFile},
    plain::plain,
    tail::StderrTail,
};

/// Longest line; the rest of it is left out.
const MAX_LINE: usize = 16 * 1024;

/// Bytes per second that are read of a child that writes faster than [`WRITE_RATE`].
const READ_RATE: u64 = 4 << 20;

/// Read at once before the log is written.
const BATCH: usize = 64 * 1024;

/// What came through a [`pump`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PumpReport {
    /// Lines that the child wrote.
    pub lines: u64,
    /// Bytes that the child wrote.
    pub bytes: u64,
    /// Lines left out of the log file because the child wrote too fast.
    pub dropped_lines: u64,
    /// Bytes that the log file did not take, as on a full disk.
    pub lost_bytes: u64,
}

/// Moves a child's standard error into `log` and `tail` until it ends.
///
/// It ends when the last process that holds the pipe has closed it, which may be later than the
/// child's end; dropping the future stops it.
pub async fn pump(stderr: pipe::Receiver, log: Arc<LogFile>, tail: Arc<StderrTail>) -> PumpReport {
    let mut pump = Pump::new(log, tail);
    while stderr.readable().await.is_ok() {
        let Ok(read) = pump.drain(&stderr) else { break };
        pump.flush().await;
        if read.ended {
            break;
        }
        if pump.budget.is_flooded() {
            sleep(Duration::from_micros(read.bytes.saturating_mul(1_000_000) / READ_RATE)).await;
        }
    }
    pump.finish().await
}

struct Pump {
    log: Arc<LogFile>,
    tail: Arc<StderrTail>,
    /// The line that has no end yet.
    partial: Vec<u8>,
    /// The rest of a line that was too long is being skipped.
    skipping: bool,
    /// What goes to the log file next.
    batch: Vec<u8>,
    budget: Budget,
    outage: bool,
    /// Lost since the file last took something.
    lost: u64,
    report: PumpReport,
}

struct Read {
    bytes: u64,
    ended: bool,
}

impl Pump {
    fn new(log: Arc<LogFile>, tail: Arc<StderrTail>) -> Self {
        Self {
            log,
            tail,
            partial: Vec::new(),
            skipping: false,
            batch: Vec::new(),
            budget: Budget::new(Instant::now()),
            outage: false,
            lost: 0,
            report: PumpReport::default(),
        }
    }

    /// Takes what is there, up to a batch, through a buffer on the stack.
    fn drain(&mut self, stderr: &pipe::Receiver) -> io::Result<Read> {
        let mut buffer = [0; 8 * 1024];
        let mut read = Read { bytes: 0, ended: false };
        while read.bytes < BATCH as u64 {
            match stderr.try_read(&mut buffer) {
                Ok(0) => {
                    read.ended = true;
                    break;
                }
                Ok(length) => {
                    read.bytes += length as u64;
                    self.take(&buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.report.bytes += read.bytes;
        Ok(read)
    }

    /// Splits into lines.
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.extend(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if !std::mem::take(&mut self.skipping) {
                self.end_line("");
            }
        }
        self.extend(bytes);
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        let room = MAX_LINE - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.skipping = true;
            self.end_line(" … (cut)");
        }
    }

    fn end_line(&mut self, suffix: &str) {
        let partial = std::mem::take(&mut self.partial);
        let text = String::from_utf8_lossy(partial.strip_suffix(b"\r").unwrap_or(&partial));
        let text = self.tail.hide(text);
        let text = plain(&text);
        self.report.lines += 1;
        self.tail.push(&text);
        match self.budget.take(text.len() + suffix.len() + 1, Instant::now()) {
            Verdict::Drop => {
                self.report.dropped_lines += 1;
                self.tail.note_dropped();
            }
            Verdict::Write { left_out } => {
                self.note_left_out(left_out);
                self.write_line(&text, suffix);
            }
        }
    }

    fn note_left_out(&mut self, lines: u64) {
        if lines > 0 {
            self.write_line(&format!("[berth] {lines} lines left out: more than {WRITE_RATE} bytes a second"), "");
        }
    }

    fn write_line(&mut self, line: &str, suffix: &str) {
        self.batch.extend_from_slice(line.as_bytes());
        self.batch.extend_from_slice(suffix.as_bytes());
        self.batch.push(b'\n');
    }

    /// Writes the batch off this thread.
    async fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        if self.outage {
            let note = format!("\n[berth] {} bytes of standard error could not be written here\n", self.lost);
            batch.splice(0..0, note.into_bytes());
        }
        let length = batch.len() as u64;
        let log = Arc::clone(&self.log);
        match tokio::task::spawn_blocking(move || log.append(&batch)).await {
            Ok(Ok(())) => self.recovered(),
            Ok(Err(error)) => self.failed(&error, length),
            // The runtime is going down; there is nobody left to tell.
            Err(_) => self.lost += length,
        }
    }

    fn failed(&mut self, error: &LogError, bytes: u64) {
        self.lost += bytes;
        self.report.lost_bytes += bytes;
        if !std::mem::replace(&mut self.outage, true) {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            log::warn!("standard error of a child is not logged until this is over: {error}: {why}");
        }
    }

    fn recovered(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if std::mem::take(&mut self.outage) {
            log::info!("{} can be written again; {lost} bytes were lost", self.log.path().display());
        }
    }

    async fn finish(mut self) -> PumpReport {
        if !self.partial.is_empty() {
            self.end_line("");
        }
        let left_out = self.budget.left_out();
        self.note_left_out(left_out);
        self.flush().await;
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{logs::Rotation, tail::MAX_KEPT},
        *,
    };
    use crate::domain::crash::CrashCard;

    fn pumped(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path().join("error.log"), Rotation::default()).unwrap();
        let tail = Arc::new(StderrTail::default());
        let mut pump = Pump::new(Arc::new(log), Arc::clone(&tail));
        chunks.iter().for_each(|chunk| pump.take(chunk));
        (tail.lines(), String::from_utf8(pump.batch).unwrap())
    }

    #[test]
    fn joins_chunks_into_lines() {
        let (lines, written) = pumped(&[b"one\ntw", b"o\r\n", b"\n", b"unfinished"]);
        assert_eq!(lines, ["one", "two", ""]);
        assert_eq!(written, "one\ntwo\n\n");
    }

    #[test]
    fn cuts_an_endless_line_once_and_goes_on_after_it() {
        let long = vec![b'x'; 10_000];
        let (lines, written) = pumped(&[&long, &long, &long, b"\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].len(), lines[1].as_str()), (MAX_KEPT, "next"));
        assert_eq!(written.len(), MAX_LINE + " … (cut)\nnext\n".len());
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_not_cut() {
        let mut line = vec![b'x'; MAX_LINE];
        line.push(b'\n');
        assert_eq!(pumped(&[&line]).1.len(), MAX_LINE + 1);
    }

    #[test]
    fn keeps_the_last_lines_and_never_splits_a_character() {
        let many: String = (0..50).map(|number| format!("{number}\n")).collect();
        let wide = format!("{}\n", "aü".repeat(1500));
        let (lines, _) = pumped(&[many.as_bytes(), wide.as_bytes(), &[0xff, b'\n']]);
        assert_eq!(lines.len(), CrashCard::STDERR_LINES);
        assert!(lines[CrashCard::STDERR_LINES - 2].len() <= MAX_KEPT);
        assert_eq!(lines.last().unwrap(), "\u{fffd}");
    }

    #[tokio::test]
    async fn a_quiet_child_costs_little() {
        let directory = tempfile::tempdir().unwrap();
        let log = LogFile::open(directory.path().join("error.log"), Rotation::default()).unwrap();
        let (_sender, receiver) = pipe::pipe().unwrap();
        let pump = pump(receiver, Arc::new(log), Arc::new(StderrTail::default()));
        let bytes = size_of_val(&pump) + size_of::<StderrTail>() + size_of::<LogFile>();
        assert!(bytes <= 2048, "{bytes}");
    }
}
