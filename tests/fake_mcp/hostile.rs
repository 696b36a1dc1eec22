//! The attacks: the tool `attack` tries one thing that no child may get away with, and says precisely
//! what came of it: `{"ok": what was seen}`, or `{"error": "EACCES", "words": …}`.
//!
//! Nothing here is clever about walls: each attempt is what a program would do on a host without any,
//! so that it works there. For the same reason none does harm where it succeeds: on a machine of
//! a developer, with a wall missing, it is root that tries. `apart` makes it in a copy of this program, with a single thread, whose
//! loss or change of identity leaves the server as it was.

mod files;
mod network;
mod privileges;
mod processes;
mod resources;

use std::{
    io::{self, Read as _},
    process::Stdio,
    sync::Arc,
};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{myself, server::Server};

/// What to try, and with what. Each kind names those that it needs.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Attack {
    kind: String,
    /// A file, a directory or a program.
    path: String,
    /// What a link points to.
    target: String,
    /// A member of `/proc/PID`, an abstract socket, a namespace.
    name: String,
    text: String,
    args: Vec<String>,
    /// An address and perhaps a bearer token for it.
    host: String,
    port: u16,
    token: String,
    pid: i32,
    /// 0 only asks whether one could be sent.
    signal: i32,
    uid: u32,
    bytes: u64,
    count: u64,
    apart: bool,
}

/// What came of it.
type Outcome = io::Result<Value>;

/// Tries what `arguments` say; the outcome as JSON.
pub(crate) fn run(server: &Arc<Server>, arguments: &str) -> String {
    let outcome = match serde_json::from_str::<Attack>(arguments) {
        Ok(attack) if attack.apart => return apart(attack),
        Ok(attack) => attempt(server, &attack),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
    };
    told(&outcome).to_string()
}

fn told(outcome: &Outcome) -> Value {
    match outcome {
        Ok(seen) => json!({ "ok": seen }),
        Err(error) => json!({ "error": name_of(error), "words": error.to_string() }),
    }
}

/// `EACCES`, or the kind of an error that no system call gave.
fn name_of(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| format!("{:?}", error.kind()), |code| format!("{:?}", Errno::from_raw(code)))
}

fn attempt(server: &Arc<Server>, attack: &Attack) -> Outcome {
    files::attempt(attack)
        .or_else(|| processes::attempt(attack))
        .or_else(|| privileges::attempt(attack))
        .or_else(|| network::attempt(server, attack))
        .or_else(|| resources::attempt(server, attack))
        .unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no attack {:?}", attack.kind))))
}

/// The same in a process of its own.
fn apart(attack: Attack) -> String {
    let attack = Attack { apart: false, ..attack };
    let mut command = myself();
    command.args(["--attack", &json!(attack).to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
    let outcome = command.spawn().and_then(|mut child| {
        let mut said = String::new();
        child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut said)).transpose()?;
        Ok((child.wait()?, said))
    });
    match outcome {
        Ok((status, said)) if status.success() => said,
        Ok((status, _)) => json!({ "error": status.to_string(), "words": "the attempt ended" }).to_string(),
        Err(error) => told(&Err(error)).to_string(),
    }
}
