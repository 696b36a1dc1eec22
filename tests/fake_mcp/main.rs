//! `fake-mcp`: a scriptable MCP server, the child of tests and benchmarks.
//!
//! It speaks the session era over stdio (one thread, plain blocking reads, so that two hundred
//! copies cost next to nothing) or, with `--http`, Streamable HTTP on `127.0.0.1:$PORT`. Its tools
//! misbehave on request; its flags make it misbehave from the start. See [`options::USAGE`].
//!
//! It owns no state but what lives in [`server::Server`], and that dies with the process.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test program: its stdout is the protocol, it sleeps in threads of its own, and a panic is a fine answer"
)]

mod contract;
mod hostile;
mod http;
mod listing;
mod network;
mod options;
mod server;
mod sink;
mod stdio;
mod tools;
mod wire;

use std::{io::Write as _, process::Command, sync::Arc, time::Duration};

use options::{Options, Transport};

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("fake-mcp: {message}\n{}", options::USAGE);
            std::process::exit(2);
        }
    };
    if let Some(attack) = &options.attack {
        print!("{}", hostile::run(&Arc::default(), attack));
        return;
    }
    if options.escape {
        let child = tools::leave_behind(true, false).expect("a copy of this program starts");
        // Until then a signal to the group of its parent would reach it.
        let pid = rustix::process::Pid::from_raw(i32::try_from(child).expect("a pid"));
        while rustix::process::getsid(pid).ok() != pid {
            std::thread::yield_now();
        }
        println!("{child}");
        return;
    }
    // A signal handler lives as long as the runtime that serves it.
    let _term_guard = options.ignore_term.then(ignore_term);
    if let Some(seconds) = options.linger {
        linger(seconds, options.setsid);
    }
    misbehave_at_start(&options);
    if options.contract {
        return contract::serve(options);
    }
    let server = Arc::new(server::Server::new(options));
    match server.options.transport {
        Transport::Stdio => stdio::serve(&server),
        Transport::Http => http::serve(server),
    }
}

/// What the flags ask for before the first byte is read.
fn misbehave_at_start(options: &Options) {
    if options.starts {
        let file = std::fs::File::options().create(true).append(true).open("starts");
        writeln!(file.expect("a writable directory"), "started").expect("a line in a file");
    }
    if let Some(text) = &options.say {
        eprintln!("{text}");
    }
    if let Some(text) = &options.print {
        println!("{text}");
    }
    if options.flood_stderr {
        std::thread::spawn(|| {
            loop {
                eprintln!("{}", "flood ".repeat(170));
            }
        });
    }
    if options.fork_and_leave {
        let child = tools::leave_behind(true, true).expect("a copy of this program starts");
        eprintln!("left {child} behind");
        std::process::exit(0);
    }
    if let Some(code) = options.exit {
        eprintln!("exiting with {code} as told");
        std::process::exit(code);
    }
    std::thread::sleep(Duration::from_millis(options.slow_start_ms));
}

/// The body of the process that `fork` leaves behind: does nothing for a long time.
fn linger(seconds: u64, setsid: bool) -> ! {
    if setsid {
        let _ = rustix::process::setsid();
    }
    std::thread::sleep(Duration::from_secs(seconds));
    std::process::exit(0);
}

/// Replaces the default action of SIGTERM by nothing, for good.
fn ignore_term() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        let kind = tokio::signal::unix::SignalKind::terminate();
        std::mem::forget(tokio::signal::unix::signal(kind).expect("a handler"));
    });
    runtime
}

/// This very program, to be started again with other flags.
fn myself() -> Command {
    Command::new(std::env::current_exe().expect("a program knows its own path"))
}
