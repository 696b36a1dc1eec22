//! `conformance-server`: the MCP server that the official conformance suite asks for by name.
//!
//! One program, two servers that share their tools, prompts and resources: `--era session` speaks
//! 2025-11-25 and older and nothing newer, `--era stateless` speaks 2026-07-28 and nothing older.
//! Both over stdio or Streamable HTTP. A tool that needs input of the client is written once, as a
//! [`script::Script`], and played in the way of the era.
//!
//! Everything runs on one thread and lives as long as the process.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test program: its stdout is the protocol, and a panic is a fine answer"
)]

mod caller;
mod catalog;
mod http;
mod jobs;
mod options;
mod prompts;
mod resources;
mod script;
mod scripts;
mod session;
mod stateless;
mod stdio;
mod tools;
mod wire;

use options::{Era, Options};

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("conformance-server: {message}\n{}", options::USAGE);
            std::process::exit(2);
        }
    };
    let served = actix_web::rt::System::new().block_on(async move {
        match (options.era, options.port) {
            (Era::Session, None) => stdio::serve(session::stdio::Lines::new()).await,
            (Era::Stateless, None) => stdio::serve(stateless::stdio::Lines::new()).await,
            (Era::Session, Some(port)) => http::serve(port, session::http::routes).await,
            (Era::Stateless, Some(port)) => http::serve(port, stateless::http::routes).await,
        }
    });
    if let Err(error) = served {
        eprintln!("conformance-server: {error}");
        std::process::exit(1);
    }
}
