//! Running npm, pip and uv: a bare environment, a group of its own, a time limit, the last lines kept.
//!
//! Invariant: a tool's whole process group is gone when [`Tool::run`] returns or is dropped.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
};

use super::{Environment, InstallError};

/// Lines of a tool's output that an error carries.
const LAST_LINES: usize = 15;
/// Longest time for a question that installs nothing.
const MAX_QUESTION: Duration = Duration::from_secs(60);
/// Longest answer to one, in bytes.
const MAX_OUTPUT_BYTES: u64 = 4 << 20;
/// Longer lines are cut there, in bytes.
const MAX_LINE_BYTES: u64 = 2000;
/// What a tool that is asked something may answer, in bytes.
const MAX_ANSWER: u64 = 4 << 20;

/// Says how an installation goes on; the last saying is what is seen.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    what: String,
    started: Instant,
    said: watch::Sender<String>,
}

impl Progress {
    pub(super) fn new(what: String, said: watch::Sender<String>) -> Self {
        let progress = Self { what, started: Instant::now(), said };
        progress.say("");
        progress
    }

    /// `installing … (12 s): last line`.
    pub(super) fn say(&self, line: &str) {
        let seconds = self.started.elapsed().as_secs();
        let separator = if line.is_empty() { "" } else { ": " };
        self.said.send_replace(format!("installing {} ({seconds} s){separator}{line}", self.what));
    }
}

/// One tool and how it is run.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// The environment, without `HOME`.
    pub(super) environment: Environment,
    /// The tools' `HOME`: their caches of downloads live there.
    pub(super) home: PathBuf,
    /// How long one run may take.
    pub(super) time_limit: Duration,
}

impl Tool {
    /// A command with the tool's environment and nothing else.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.passed()).env("HOME", &self.home).env("TMPDIR", folder);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Runs it to its end; what it wrote to standard output, of which at most [`MAX_ANSWER`] bytes are kept.
    pub(super) async fn ask(&self, mut command: Command, progress: &Progress) -> Result<String, InstallError> {
        let what = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| InstallError::file(&what, &error))?;
        let out = child.stdout.take();
        let reading = async {
            let mut answer = Vec::new();
            if let Some(out) = out {
                // What cannot be read any more has been said.
                let _ = out.take(MAX_ANSWER).read_to_end(&mut answer).await;
            }
            String::from_utf8_lossy(&answer).into_owned()
        };
        let (ended, answer) = tokio::join!(self.follow(child, progress), reading);
        ended.map(|()| answer)
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, mut command: Command, progress: &Progress) -> Result<(), InstallError> {
        let what = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| InstallError::file(&what, &error))?;
        self.follow(child, progress).await
    }

    async fn follow(&self, child: Child, progress: &Progress) -> Result<(), InstallError> {
        let mut group = Group::of(child);
        let mut last = VecDeque::with_capacity(LAST_LINES);
        let ended = tokio::time::timeout(self.time_limit, group.follow(&mut last, progress)).await;
        let ending = match ended {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {} s and was stopped", self.time_limit.as_secs()),
        };
        Err(InstallError::tool(&format!("installing {}", progress.what), &ending, &Vec::from(last)))
    }
}

impl Tool {
    /// What it wrote on its standard output, when it ended well.
    pub(super) async fn output(&self, mut command: Command, what: &str) -> Result<String, InstallError> {
        let child = command.spawn().map_err(|error| InstallError::file(what, &error))?;
        let mut group = Group::of(child);
        let limit = self.time_limit.min(MAX_QUESTION);
        let (text, complaint, ending) = match tokio::time::timeout(limit, group.read()).await {
            Ok(Ok((status, text, _))) if status.success() => return Ok(text),
            Ok(Ok((status, text, complaint))) => (text, complaint, status.to_string()),
            Ok(Err(error)) => (String::new(), String::new(), error.to_string()),
            Err(_) => {
                (String::new(), String::new(), format!("it took longer than {} s and was stopped", limit.as_secs()))
            }
        };
        let lines: Vec<String> = text.lines().chain(complaint.lines()).map(without_credentials).collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
        Err(InstallError::tool(what, &ending, last))
    }
}

/// A child that leads a process group; the group is killed when this is dropped.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, id }
    }

    /// Reads both streams to their end and waits, telling `progress` each line and each second.
    async fn follow(&mut self, last: &mut VecDeque<String>, progress: &Progress) -> std::io::Result<ExitStatus> {
        let (sender, mut lines) = mpsc::channel(64);
        let out = self.child.stdout.take().map(|out| tokio::spawn(read_lines(out, sender.clone())));
        let err = self.child.stderr.take().map(|err| tokio::spawn(read_lines(err, sender)));
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut status = None;
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => remember(last, line),
                    None => break,
                },
                ended = self.child.wait(), if status.is_none() => {
                    status = Some(ended?);
                    // What it left behind would hold the streams open.
                    self.kill();
                }
                _ = tick.tick() => {}
            }
            progress.say(last.back().map_or("", String::as_str));
        }
        drop((out, err));
        match status {
            Some(status) => Ok(status),
            None => self.child.wait().await,
        }
    }

    /// Both streams to their end, each up to a bound, and how it ended.
    async fn read(&mut self) -> std::io::Result<(ExitStatus, String, String)> {
        async fn all(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
            let mut bytes = Vec::new();
            if let Some(stream) = stream {
                stream.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes).await?;
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let (text, complaint) = tokio::try_join!(all(out), all(err))?;
        Ok((self.child.wait().await?, text, complaint))
    }

    fn kill(&self) {
        if let Some(id) = self.id {
            // No such group means that all of it has ended already.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn remember(last: &mut VecDeque<String>, line: String) {
    if last.len() == LAST_LINES {
        last.pop_front();
    }
    last.push_back(line);
}

/// Sends each line without control characters and without credentials in URLs; empty ones not.
async fn read_lines(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
        let text: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).collect();
        let text = without_credentials(text.trim());
        if !text.is_empty() && lines.send(text).await.is_err() {
            return;
        }
    }
}

/// `https://user:word@host` becomes `https://***@host`: a mirror's password is nobody's to read.
fn without_credentials(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        rest = tail;
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str("***@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_urls_are_hidden() {
        let cases = [
            ("GET https://a:b@mirror/x 200", "GET https://***@mirror/x 200"),
            ("https://mirror/x@1", "https://mirror/x@1"),
            ("http://t@h http://h2", "http://***@h http://h2"),
            ("plain", "plain"),
        ];
        for (line, expected) in cases {
            assert_eq!(without_credentials(line), expected);
        }
    }

    fn tool(time_limit: Duration) -> Tool {
        Tool { environment: Environment::of_this_process(), home: std::env::temp_dir(), time_limit }
    }

    async fn run_shell(script: &str, time_limit: Duration) -> (Result<(), InstallError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let tool = tool(time_limit);
        let mut command = tool.command(Path::new("/bin/sh"), folder.path());
        command.args(["-c", script]);
        let (sender, said) = watch::channel(String::new());
        let result = tool.run(command, &Progress::new("thing".to_owned(), sender)).await;
        let last = said.borrow().clone();
        (result, last)
    }

    #[tokio::test]
    async fn failure_carries_the_last_lines() {
        let (result, last) = run_shell("seq 1 100 >&2; echo oops >&2; exit 3", Duration::from_secs(20)).await;
        let text = result.unwrap_err().to_string();
        assert!(text.contains("oops") && text.contains("exit status: 3") && !text.contains("\n50\n"), "{text}");
        assert!(last.starts_with("installing thing ("), "{last}");
    }

    #[tokio::test]
    async fn slow_tool_is_ended_with_its_children() {
        let mark = format!("31{}", std::process::id());
        let (result, _) = run_shell(&format!("sleep {mark} & sleep {mark}"), Duration::from_millis(300)).await;
        assert!(result.unwrap_err().to_string().contains("took longer"));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!is_running(&mark), "a child of the tool outlived it");
    }

    #[tokio::test]
    async fn left_over_child_does_not_hold_the_run() {
        let mark = format!("32{}", std::process::id());
        let (result, _) = run_shell(&format!("sleep {mark} & echo done"), Duration::from_secs(20)).await;
        assert!(result.is_ok(), "{result:?}");
        assert!(!is_running(&mark));
    }

    fn is_running(argument: &str) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap();
        processes.filter_map(Result::ok).any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).split('\0').any(|part| part == argument)
        })
    }
}
