//! The limit: the same calls to the same child with nothing in between.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    closed_loop::End,
    proc_stat::{self, Watch},
    report::{Report, Tally},
    session::id_and_text,
};

struct Pipes {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    buffer: Vec<u8>,
    filled: usize,
    next_id: u64,
    /// Ids under way, oldest first: the child answers `echo` in order.
    pending: VecDeque<(u64, Instant)>,
    out: Vec<u8>,
}

/// Keeps `outstanding` calls under way until `end`.
pub(crate) fn run(command: &[String], outstanding: usize, warmup: Duration, end: End) -> Result<Report> {
    let mut pipes = Pipes::start(command)?;
    let mut warm = Tally::default();
    pipes.measure(outstanding, End::After(warmup), &mut warm)?;
    let watch = Watch { pids: vec![pipes.child.id()], trees: Vec::new() };
    let (before, began, mut tally) = (proc_stat::sample(&watch), Instant::now(), Tally::default());
    pipes.measure(outstanding, end, &mut tally)?;
    let took = began.elapsed();
    let cpu = proc_stat::difference(&before, &proc_stat::sample(&watch));
    drop(pipes.stdin);
    pipes.child.wait()?;
    Ok(Report::new(vec![tally], took, &cpu))
}

impl Pipes {
    fn start(command: &[String]) -> Result<Self> {
        let (program, arguments) = command.split_first().context("no program given")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("the child has no pipes")?;
        let mut pipes = Self {
            child,
            stdin,
            stdout,
            buffer: vec![0; 65536],
            filled: 0,
            next_id: 1,
            pending: VecDeque::new(),
            out: Vec::new(),
        };
        pipes.stdin.write_all(
            concat!(
                r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"berth-load","version":"1"}}}"#,
                "\n"
            )
            .as_bytes(),
        )?;
        pipes.read_lines(|_| {})?;
        pipes.stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        Ok(pipes)
    }

    fn measure(&mut self, outstanding: usize, end: End, tally: &mut Tally) -> Result<()> {
        let began = Instant::now();
        let mut asked = 0;
        while end.goes_on(began, asked) || !self.pending.is_empty() {
            if end.goes_on(began, asked) {
                asked += self.ask(outstanding)?;
            }
            self.take(tally)?;
        }
        Ok(())
    }

    /// Fills up to `outstanding` with one write.
    fn ask(&mut self, outstanding: usize) -> Result<u64> {
        self.out.clear();
        let missing = outstanding.saturating_sub(self.pending.len());
        for _ in 0..missing {
            let id = self.next_id;
            self.next_id += 1;
            writeln!(
                self.out,
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"p.{id}"}}}}}}"#
            )?;
            self.pending.push_back((id, Instant::now()));
        }
        self.stdin.write_all(&self.out)?;
        Ok(missing as u64)
    }

    fn take(&mut self, tally: &mut Tally) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let done = self.read_lines(|line| {
            let Some((id, asked)) = pending.pop_front() else { return tally.wrong("an answer too many".to_owned()) };
            match id_and_text(line) {
                Some((answered, text))
                    if answered == id && text.strip_prefix("p.") == Some(itoa::Buffer::new().format(id)) =>
                {
                    tally.right(asked.elapsed());
                }
                _ => tally.wrong(String::from_utf8_lossy(line).chars().take(300).collect()),
            }
        });
        self.pending = pending;
        done
    }

    /// Waits for at least one line and hands over every whole one.
    fn read_lines(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        loop {
            let searched = self.filled;
            match self.stdout.read(&mut self.buffer[self.filled..])? {
                0 => bail!("the child closed its stdout"),
                count => self.filled += count,
            }
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &self.buffer[searched..self.filled]) {
                each(&self.buffer[start..searched + end]);
                start = searched + end + 1;
            }
            self.buffer.copy_within(start..self.filled, 0);
            self.filled -= start;
            if start > 0 {
                return Ok(());
            }
        }
    }
}
