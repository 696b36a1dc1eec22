//! Beginnings: how long the first call of a new session takes, and of a new process on bare pipes.
//!
//! Timed from the first byte of `initialize` to the last of the answer to one `tools/call`: what a
//! person waits for. The end of the session or the process is not timed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use url::Url;

use crate::{
    connection::Connection,
    proc_stat::{self, Watch},
    report::{Report, Tally},
    session::Session,
    targets::Target,
};

/// How often, with how long a rest before each, and what is called.
pub(crate) struct Beginnings<'a> {
    pub(crate) rounds: u64,
    pub(crate) pause: Duration,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a str,
    pub(crate) watch: Watch,
}

impl Beginnings<'_> {
    /// Times `begin` as often as asked.
    fn repeat(&self, mut begin: impl FnMut(usize) -> Result<Duration>) -> Report {
        let (mut tally, before, began) = (Tally::default(), proc_stat::sample(&self.watch), Instant::now());
        for round in 0..self.rounds {
            thread::sleep(self.pause);
            match begin(usize::try_from(round).unwrap_or(usize::MAX)) {
                Ok(took) => tally.right(took),
                Err(error) => tally.failed(format!("{error:#}")),
            }
        }
        let took = began.elapsed();
        Report::new(vec![tally], took, &proc_stat::difference(&before, &proc_stat::sample(&self.watch)))
    }

    /// One new session after the other at `target`.
    pub(crate) fn sessions(&self, target: &Target) -> Report {
        self.repeat(|round| {
            let mut session = Session::connect(target, round)?;
            let began = Instant::now();
            session.begin()?;
            session.call_tool(self.tool, self.arguments)?;
            let took = began.elapsed();
            session.end()?;
            Ok(took)
        })
    }

    /// One new process after the other.
    pub(crate) fn processes(&self, command: &[String]) -> Report {
        self.repeat(|_| {
            let (program, arguments) = command.split_first().context("no program given")?;
            let began = Instant::now();
            let mut child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("starting {program}"))?;
            let (mut stdin, stdout) = child.stdin.take().zip(child.stdout.take()).context("the child has no pipes")?;
            let mut lines = BufReader::new(stdout).lines();
            stdin.write_all(INITIALIZE)?;
            answer_to(1, &mut lines)?;
            writeln!(
                stdin,
                "{INITIALIZED}\n{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{{\"name\":\"{}\",\"arguments\":{}}}}}",
                self.tool, self.arguments
            )?;
            let answered = answer_to(2, &mut lines);
            let took = began.elapsed();
            drop(stdin);
            child.kill()?;
            child.wait()?;
            answered.map(|()| took)
        })
    }

    /// The same GET over one connection, again and again.
    pub(crate) fn gets(&self, url: &Url, token: &str) -> Result<Report> {
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", url.authority());
        let mut connection = Connection::open(url)?;
        Ok(self.repeat(|_| {
            let began = Instant::now();
            let head = connection.exchange(request.as_bytes())?;
            if head.status != 200 {
                bail!("status {}", head.status);
            }
            Ok(began.elapsed())
        }))
    }
}

const INITIALIZE: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"berth-load\",\"version\":\"1\"}}}\n";
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Reads until the answer to `id`, which must be a result.
fn answer_to(id: u64, lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<()> {
    for line in lines {
        let message: Value = serde_json::from_str(&line?)?;
        if message["id"] == id {
            return if message["result"].is_object() { Ok(()) } else { bail!("refused: {message}") };
        }
    }
    bail!("the child ended")
}
