//! The closed loop: every client in a thread of its own, all measuring between the same two moments.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    proc_stat::{self, Watch},
    report::{Report, Tally},
    session::{Session, Verdict},
    targets::Target,
};

/// A client gives up after so many failures in a row.
const PATIENCE: u32 = 20;

/// When a client stops.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// After that much time.
    After(Duration),
    /// After that many calls of its own.
    Calls(u64),
}

/// What all clients do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Post bodies to any handler, without MCP.
    pub(crate) raw: bool,
    /// Bytes of padding in each text.
    pub(crate) padding: usize,
    pub(crate) warmup: Duration,
    pub(crate) end: End,
    pub(crate) watch: Watch,
}

impl End {
    /// Whether a client that began at `start` and made `calls` goes on.
    pub(crate) fn goes_on(self, start: Instant, calls: u64) -> bool {
        match self {
            Self::After(length) => start.elapsed() < length,
            Self::Calls(limit) => calls < limit,
        }
    }
}

/// Opens all sessions, loads the targets, and counts.
pub(crate) fn run(targets: &[Target], plan: &Plan) -> Result<Report> {
    let open = if plan.raw { Session::connect } else { Session::open };
    let sessions: Vec<Session> = targets
        .iter()
        .enumerate()
        .map(|(number, target)| open(target, number).with_context(|| format!("opening session {number}")))
        .collect::<Result<_>>()?;
    let padding = "x".repeat(plan.padding);
    let (start, stop) = (&Barrier::new(sessions.len() + 1), &Barrier::new(sessions.len() + 1));
    let padding = padding.as_str();
    thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .into_iter()
            .map(|mut session| scope.spawn(move || client(&mut session, plan, padding, start, stop)))
            .collect();
        start.wait();
        let (before, began) = (proc_stat::sample(&plan.watch), Instant::now());
        stop.wait();
        let (took, after) = (began.elapsed(), proc_stat::sample(&plan.watch));
        let tallies = clients.into_iter().filter_map(|client| client.join().ok()).collect();
        Ok(Report::new(tallies, took, &proc_stat::difference(&before, &after)))
    })
}

fn client(session: &mut Session, plan: &Plan, padding: &str, start: &Barrier, stop: &Barrier) -> Tally {
    let mut warm = Tally::default();
    let warmup = Instant::now();
    while End::After(plan.warmup).goes_on(warmup, 0) && warm.failures_in_row < PATIENCE {
        one(session, plan.raw, padding, &mut warm);
    }
    let mut tally = warm.carry_over();
    start.wait();
    let began = Instant::now();
    while plan.end.goes_on(began, tally.attempts) && tally.failures_in_row < PATIENCE {
        one(session, plan.raw, padding, &mut tally);
    }
    stop.wait();
    tally
}

fn one(session: &mut Session, raw: bool, padding: &str, tally: &mut Tally) {
    let asked = Instant::now();
    match if raw { session.raw(padding) } else { session.call(padding) } {
        Ok(Verdict::Right) => tally.right(asked.elapsed()),
        Ok(Verdict::Wrong(answer)) => tally.wrong(answer),
        Err(error) => {
            tally.failed(format!("{error:#}"));
            thread::sleep(Duration::from_millis(50));
            // The connection or the session may be gone: begin anew, and count on.
            if !raw {
                let _ = session.renew();
            }
        }
    }
}
