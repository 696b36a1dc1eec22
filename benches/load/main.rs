//! `berth-load`: the closed-loop load generator of `scripts/bench.sh`.
//!
//! Every client waits for its answer before it asks again, and every answer is compared with what
//! this client, this session and this call must get: an answer that goes to the wrong asker is
//! counted, never averaged away. Blocking sockets and one thread per client keep its own share of
//! the processor small; it is printed beside the result.
//!
//! Exit code: 0 when every answer was right, 1 when one was wrong or missing, 2 for bad usage.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of the benchmark: it prints its result and sleeps in threads of its own"
)]

mod authenticate;
mod closed_loop;
mod connection;
mod fresh;
mod minimal;
mod pipes;
mod proc_stat;
mod report;
mod session;
mod start;
mod targets;

use std::{
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::{closed_loop::Plan, fresh::Beginnings, report::Report, session::Session, targets::Target};

/// Closed-loop load generator that checks every answer.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// `tools/call echo` over Streamable HTTP, one session per client.
    Call(Load),
    /// POSTs a body to any handler that answers 200, without MCP.
    Raw(Load),
    /// The same calls to a child on bare pipes.
    Pipes {
        /// Requests under way at any time.
        #[arg(long, default_value_t = 1)]
        outstanding: usize,
        #[command(flatten)]
        pace: Pace,
        /// The program and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// A minimal actix-web handler with two workers: the yardstick.
    ServeMinimal {
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
    },
    /// Starts a server, waits for its first answer, ends it, and prints the milliseconds that took.
    Start {
        /// What to ask: any answer below 400 counts.
        #[arg(long)]
        url: Url,
        /// The program and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// The first call of one new session after the other.
    Fresh {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// The first call to one new process after the other, on bare pipes.
    FreshPipes {
        #[command(flatten)]
        rounds: Rounds,
        /// The program and its arguments.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// The same GET again and again.
    Get {
        /// What to get.
        #[arg(long)]
        url: Url,
        /// Bearer token.
        #[arg(long)]
        token: String,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// What proving who asks costs, beside its hash alone.
    Authenticate {
        /// Berth's database, such as `sqlite:///path/berth.db`.
        #[arg(long)]
        database: String,
        /// An API token that is good there.
        #[arg(long)]
        token: String,
    },
    /// Opens sessions, prints `ready`, and holds them until stdin ends.
    Hold {
        #[command(flatten)]
        target: Target,
        /// How many.
        #[arg(long)]
        sessions: usize,
        /// Also keep a GET stream open for each.
        #[arg(long)]
        streams: bool,
    },
}

#[derive(Args)]
struct Load {
    #[command(flatten)]
    target: Target,
    /// A JSON list of `{url, token}` instead of one target.
    #[arg(long, conflicts_with = "url")]
    targets: Option<PathBuf>,
    /// Clients, when there is one target.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Clients of each target of a list.
    #[arg(long, default_value_t = 1)]
    sessions_per_target: usize,
    /// Bytes of padding in the echoed text.
    #[arg(long, default_value_t = 0)]
    padding: usize,
    #[command(flatten)]
    pace: Pace,
    /// A process whose processor time per call is reported.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// A process whose time is reported together with that of all its descendants.
    #[arg(long = "tree")]
    trees: Vec<u32>,
}

/// How often, and what is called.
#[derive(Args)]
struct Rounds {
    /// How often.
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Milliseconds of rest before each.
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// The tool to call.
    #[arg(long, default_value = "echo")]
    tool: String,
    /// Its arguments, as JSON.
    #[arg(long, default_value = r#"{"text":"first"}"#)]
    arguments: String,
    /// A process whose time is reported together with that of all its descendants.
    #[arg(long = "tree")]
    trees: Vec<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How long, and how to say what came of it.
#[derive(Args)]
struct Pace {
    /// Length of the measured part, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stop after that many calls of all clients together instead.
    #[arg(long)]
    calls: Option<u64>,
    /// Seconds of load before measuring.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().mode) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("berth-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mode: Mode) -> Result<bool> {
    match mode {
        Mode::Call(load) => load.run(false),
        Mode::Raw(load) => load.run(true),
        Mode::Pipes { outstanding, pace, command } => {
            Ok(finish(&pipes::run(&command, outstanding, pace.warmup(), pace.end(1))?, pace.json))
        }
        Mode::ServeMinimal { port } => minimal::serve(port).map(|()| true),
        Mode::Start { url, command } => start::run(&url, &command).map(|()| true),
        Mode::Fresh { target, rounds } => rounds.finish(|rounds| Ok(rounds.sessions(&target))),
        Mode::FreshPipes { rounds, command } => rounds.finish(|rounds| Ok(rounds.processes(&command))),
        Mode::Get { url, token, rounds } => rounds.finish(|rounds| rounds.gets(&url, &token)),
        Mode::Authenticate { database, token } => authenticate::run(&database, &token).map(|()| true),
        Mode::Hold { target, sessions, streams } => hold(&target, sessions, streams).map(|()| true),
    }
}

fn finish(report: &Report, json: bool) -> bool {
    report.print(json);
    report.is_clean()
}

impl Rounds {
    fn finish(self, measure: impl FnOnce(&Beginnings<'_>) -> Result<Report>) -> Result<bool> {
        let report = measure(&Beginnings {
            rounds: self.rounds,
            pause: Duration::from_millis(self.pause),
            tool: &self.tool,
            arguments: &self.arguments,
            watch: proc_stat::Watch { pids: Vec::new(), trees: self.trees },
        })?;
        Ok(finish(&report, self.json))
    }
}

impl Load {
    fn run(self, raw: bool) -> Result<bool> {
        let targets = targets::expand(self.target, self.targets.as_deref(), self.clients, self.sessions_per_target)?;
        let plan = Plan {
            raw,
            padding: self.padding,
            warmup: self.pace.warmup(),
            end: self.pace.end(targets.len() as u64),
            watch: proc_stat::Watch { pids: self.pids, trees: self.trees },
        };
        Ok(finish(&closed_loop::run(&targets, &plan)?, self.pace.json))
    }
}

impl Pace {
    fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.warmup)
    }

    fn end(&self, clients: u64) -> closed_loop::End {
        match self.calls {
            Some(calls) => closed_loop::End::Calls(calls.div_ceil(clients.max(1))),
            None => closed_loop::End::After(Duration::from_secs_f64(self.seconds)),
        }
    }
}

/// Sessions opened one after the other over one connection, so that what is measured is a session.
fn hold(target: &Target, sessions: usize, streams: bool) -> Result<()> {
    let mut first = Session::open(target, 0)?;
    let mut listening = Vec::new();
    for number in 0..sessions {
        if number > 0 {
            first.begin()?;
        }
        if streams {
            listening.push(first.listen()?);
        }
    }
    println!("ready");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
