//! Debugging of one instance: on and off, the end of its time, and Berth's own lines about it.
//!
//! The manifest's debug part is added to a start while the time lasts (see `environment`), so turning it on
//! or off starts a process that runs anew. A moment in the past means "off": nothing has to be written when
//! the time is over, and a Berth that was down then knows it, too.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix::{AsyncContext, Context, SpawnHandle};

use super::{InstanceActor, housekeeping};
use crate::{
    actors::messages::InstanceCommand,
    domain::{lifecycle::State, time::Timestamp},
    process::logs::LogFile,
};

/// Between two writes of the debug log.
const FLUSH: Duration = Duration::from_secs(1);

/// What debugging keeps.
pub(super) struct Debugging {
    log: OnceLock<Arc<LogFile>>,
    timer: Option<SpawnHandle>,
    flush: Option<SpawnHandle>,
}

impl Debugging {
    pub(super) const fn new() -> Self {
        Self { log: OnceLock::new(), timer: None, flush: None }
    }

    /// Forgets the open log: an expiry may have archived the file since.
    pub(super) fn reopen(&mut self) {
        self.log = OnceLock::new();
    }
}

impl InstanceActor {
    /// Debugs until then, or no longer. What runs is started anew when that changes how it is started.
    pub(super) fn debug(&mut self, context: &mut Context<Self>, until: Option<Timestamp>) {
        let was_on = self.instance.is_debugged(Timestamp::now());
        self.own().debug_until = until;
        self.publish(|status| status.debug_until = until);
        let is_on = self.instance.is_debugged(Timestamp::now());
        if was_on && !is_on {
            self.end_debugging(context);
        }
        self.arm_debugging(context);
        if was_on != is_on {
            self.note(if is_on { "debug_on" } else { "debug_off" }, serde_json::json!({ "until": until }));
            self.start_anew(context);
        }
    }

    /// Sets the timer that ends debugging; begins the lines.
    pub(super) fn arm_debugging(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.debugging.timer.take() {
            context.cancel_future(timer);
        }
        let now = Timestamp::now();
        let Some(until) = self.instance.debug_until.filter(|until| *until > now) else { return };
        self.route.trace.set(true);
        if self.debugging.flush.is_none() {
            self.debugging.flush = Some(context.run_interval(FLUSH, |actor, _| actor.write_trace()));
        }
        // Never longer than a day; a change of the wall clock is noticed within the hour.
        let wait = until.until(now).min(Duration::from_secs(3600));
        self.debugging.timer = Some(context.run_later(wait, move |actor, context| {
            if until > Timestamp::now() {
                return actor.arm_debugging(context);
            }
            actor.debugging.timer = None;
            actor.end_debugging(context);
            actor.note("debug_off", serde_json::json!({ "reason": "its time is over" }));
            actor.start_anew(context);
        }));
    }

    fn end_debugging(&mut self, context: &mut Context<Self>) {
        self.route.trace.line(format_args!("debugging ends"));
        self.route.trace.set(false);
        if let Some(flush) = self.debugging.flush.take() {
            context.cancel_future(flush);
        }
        self.write_trace();
    }

    /// A process that is there, or on its way, is started with other settings now; one that is not gets them
    /// with its next start. What failed is tried again: that is what somebody debugs.
    fn start_anew(&mut self, context: &mut Context<Self>) {
        let up = self.state().serves() || matches!(self.state(), State::Pending | State::Starting | State::Restarting);
        let failed = self.state() == State::Failed && self.instance.is_debugged(Timestamp::now());
        if up || failed {
            self.act(InstanceCommand::Restart, context);
        }
    }

    fn write_trace(&mut self) {
        let Some(lines) = self.route.trace.take() else { return };
        let rotation = self.housekeeping.error_log().1;
        let log = match self.debugging.log.get() {
            Some(log) => Some(Arc::clone(log)),
            None => housekeeping::open_log(self.home.dirs.logs.join("debug.log"), rotation),
        };
        if let Some(log) = log {
            let _ = self.debugging.log.set(Arc::clone(&log));
            actix_rt::spawn(housekeeping::write_lines(Some((log, lines))));
        }
    }
}
