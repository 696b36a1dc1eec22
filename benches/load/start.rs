//! How long a server takes from `exec` to its first answer.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use crate::connection::Connection;

/// Half of it is the error of the measurement.
const PAUSE: Duration = Duration::from_micros(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts `command`, asks `url` until it answers, ends the server by SIGTERM and prints milliseconds.
pub(crate) fn run(url: &Url, command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no program given")?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", url.path(), url.authority());
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let took = loop {
        if answers(url, request.as_bytes()) {
            break Ok(began.elapsed());
        }
        if let Some(status) = child.try_wait()? {
            break Err(format!("{program} ended: {status}"));
        }
        if began.elapsed() > PATIENCE {
            break Err(format!("{program} did not answer at {url}"));
        }
        thread::sleep(PAUSE);
    };
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    child.wait()?;
    match took {
        Ok(took) => println!("{:.1}", took.as_secs_f64() * 1000.0),
        Err(message) => bail!(message),
    }
    Ok(())
}

fn answers(url: &Url, request: &[u8]) -> bool {
    Connection::open(url)
        .and_then(|mut connection| connection.exchange(request))
        .is_ok_and(|head| (200..400).contains(&head.status))
}
