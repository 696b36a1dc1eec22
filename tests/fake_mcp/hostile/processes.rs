//! Other processes: seeing, reading, stopping and outliving them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use nix::{
    sys::{ptrace, signal::kill, wait::waitpid},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{Attack, Outcome, files, name_of};
use crate::myself;

pub(super) fn attempt(attack: &Attack) -> Option<Outcome> {
    Some(match attack.kind.as_str() {
        "pids" => Ok(pids()),
        "proc" => look_into(attack.pid, &attack.name),
        "scan" => Ok(scan(attack.text.as_bytes())),
        "signal" => signal(attack.pid, attack.signal),
        "ptrace" => trace(attack.pid),
        "fork" => Ok(fork(attack.count)),
        "daemonize" => daemonize(&attack.text),
        "leave" => leave(&attack.text),
        "run" => run(&attack.path, &attack.args),
        _ => return None,
    })
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Everybody, with their arguments.
fn pids() -> Value {
    let arguments = |pid| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = |pid: i32| json!([pid, String::from_utf8_lossy(&arguments(pid)).replace('\0', " ")]);
    all().map(line).collect()
}

/// One member of `/proc/PID`.
fn look_into(pid: i32, name: &str) -> Outcome {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    match name {
        "root" | "cwd" | "fd" => files::list(&path.join(".")),
        "mem" => read_memory(&path, pid),
        _ => Ok(json!(String::from_utf8_lossy(&fs::read(path)?))),
    }
}

/// The first bytes of the first mapping.
fn read_memory(path: &Path, pid: i32) -> Outcome {
    let memory = File::open(path)?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let first = maps.split_once('-').and_then(|(start, _)| u64::from_str_radix(start, 16).ok());
    let mut bytes = [0; 16];
    memory.read_exact_at(&mut bytes, first.ok_or(io::ErrorKind::NotFound)?)?;
    Ok(json!(bytes))
}

/// Where in `/proc` the words are found: environments, arguments and names of open files of everybody.
fn scan(needle: &[u8]) -> Value {
    let holds = |path: &String| {
        let found = fs::read(path).unwrap_or_default();
        memchr::memmem::find(&found, needle).is_some()
    };
    let places = all().flat_map(|pid| ["environ", "cmdline"].map(|name| format!("/proc/{pid}/{name}")));
    places.filter(holds).collect()
}

fn signal(pid: i32, number: i32) -> Outcome {
    let signal = if number == 0 { None } else { Some(number.try_into()?) };
    kill(Pid::from_raw(pid), signal)?;
    Ok(json!("sent"))
}

/// Takes another process over, and lets it go again.
fn trace(pid: i32) -> Outcome {
    let pid = Pid::from_raw(pid);
    ptrace::attach(pid)?;
    let stopped = waitpid(pid, None)?;
    ptrace::detach(pid, None)?;
    Ok(json!(format!("{stopped:?}")))
}

/// As many copies of this program as there may be, at most `count`.
fn fork(count: u64) -> Value {
    for got in 0..count {
        let mut copy = myself();
        copy.args(["--linger", "1000"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = copy.spawn() {
            return json!({ "got": got, "stopped_by": name_of(&error) });
        }
    }
    json!({ "got": count, "stopped_by": null })
}

/// Leaves a process behind that nothing of ours marks: forked twice, in a session of its own, with an
/// empty environment, in the root directory, deaf to SIGTERM. Its arguments hold the words.
fn daemonize(words: &str) -> Outcome {
    let attack = json!({ "kind": "leave", "text": words }).to_string();
    let mut between = myself();
    between.args(["--attack", &attack]).env_clear().current_dir("/");
    let output = between.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    Ok(json!(String::from_utf8_lossy(&output.stdout)))
}

/// The second half: runs in the process between.
fn leave(words: &str) -> Outcome {
    rustix::process::setsid()?;
    let mut daemon = myself();
    daemon.args(["--linger", "1000", "--setsid", "--ignore-term", words]);
    let child = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(json!(child.id()))
}

/// Runs any program; what it printed.
fn run(path: &str, args: &[String]) -> Outcome {
    let output = std::process::Command::new(path).args(args).stdin(Stdio::null()).output()?;
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(json!({ "code": output.status.code(), "stdout": lossy(&output.stdout), "stderr": lossy(&output.stderr) }))
}
