//! `berth migrate`, `stop` and `restart`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde_json::json;

use super::{context::Context, output, remote::Remote};
use crate::app::{self, Control};

pub(super) fn migrate(context: &Context) -> Result<()> {
    let applied = app::migrate(&context.config)?;
    context.output.show(&json!({ "applied": applied }), || match applied.as_slice() {
        [] => "the database is up to date".to_owned(),
        names => format!("applied {}", names.join(", ")),
    })
}

pub(super) fn stop(context: &Context) -> Result<()> {
    let (remote, process) = pinned(context)?;
    pidfd_send_signal(&process, Signal::TERM).context("cannot signal it")?;
    if !context.output.json {
        output::remark(&format!("stopping Berth (pid {}); calls in flight and instances get their time", remote.pid()));
    }
    if !wait(&process, patience(context))? {
        bail!("Berth (pid {}) is still stopping; look at its log", remote.pid());
    }
    context.output.show(&json!({ "pid": remote.pid(), "stopped": true }), || "stopped".to_owned())
}

pub(super) fn restart(context: &Context) -> Result<()> {
    let (remote, process) = pinned(context)?;
    let pid = remote.pid();
    let before = Control::find(&context.config.storage.data_dir).map(|control| control.token().clone());
    pidfd_send_signal(&process, Signal::USR1).context("cannot signal it")?;
    let deadline = Instant::now() + patience(context);
    loop {
        // It keeps its process, so only the new token tells the new run from the old.
        if wait(&process, Duration::from_millis(200))? {
            bail!("Berth (pid {pid}) ended instead of starting again; look at its log");
        }
        let now = Control::find(&context.config.storage.data_dir).map(|control| control.token().clone());
        let is_new = now.is_some_and(|now| before.as_ref().is_none_or(|before| before.expose() != now.expose()));
        if is_new && Remote::find(context)?.is_some() {
            return context.output.show(&json!({ "pid": pid, "restarted": true }), || "started again".to_owned());
        }
        if Instant::now() > deadline {
            bail!("Berth (pid {pid}) has not come back yet; look at its log");
        }
    }
}

/// The running Berth, and a descriptor of its process: opened before it proved who it is, so that
/// it cannot be another one that has got the same number since.
fn pinned(context: &Context) -> Result<(Remote, OwnedFd)> {
    let missing = "Berth is not running; start it with `berth serve`";
    let control = Control::find(&context.config.storage.data_dir).context(missing)?;
    let pid = i32::try_from(control.pid()).ok().and_then(Pid::from_raw).context(missing)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).context(missing)?;
    let remote = Remote::require(context)?;
    if remote.pid() != control.pid() {
        bail!("another Berth took over just now; try again");
    }
    Ok((remote, process))
}

/// Calls in flight, then the grace of instances, then some.
fn patience(context: &Context) -> Duration {
    app::DRAIN + context.config.runtime.stop_grace + Duration::from_secs(30)
}

/// Whether the process ended within `patience`.
fn wait(process: &OwnedFd, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).context("too long to wait")?;
        let mut polled = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut polled, Some(&timeout)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
