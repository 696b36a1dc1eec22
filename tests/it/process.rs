//! Real processes, started through the real binary's launch stage.

mod launching;
mod logging;
mod measuring;
mod stopping;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use berth::{
    domain::{
        crash::ExitReason,
        ids::{Generation, InstanceId},
        secret::Secret,
    },
    process::{Child, LaunchSpec, Launcher, Marker, ProcessLauncher, SpawnError},
};
use tokio::{io::AsyncReadExt, time::timeout};

/// Longer than anything here takes, shorter than a person waits.
const PATIENCE: Duration = Duration::from_secs(20);

fn launcher() -> ProcessLauncher {
    ProcessLauncher::new(PathBuf::from(env!("CARGO_BIN_EXE_berth"))).unwrap()
}

/// A host id of this test's own: tests run side by side and must not find each other's processes.
fn marker() -> Marker {
    Marker { host: InstanceId::generate().to_string(), instance: InstanceId::generate(), generation: Generation(1) }
}

fn spec(program: &str, args: &[&str]) -> LaunchSpec {
    LaunchSpec {
        name: "mcp-1-test-1".to_owned(),
        program: PathBuf::from(program),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![("PATH".to_owned(), Secret::new("/usr/bin:/bin".to_owned()))],
        cwd: PathBuf::from("/"),
        open_files: None,
        cgroup: None,
        marker: marker(),
    }
}

fn shell(script: &str) -> LaunchSpec {
    spec("/bin/sh", &["-c", script])
}

async fn launch(spec: LaunchSpec) -> Child {
    launcher().launch(spec).await.unwrap()
}

/// Runs to the end: standard output, standard error and how it ended.
async fn run(spec: LaunchSpec) -> (String, String, ExitReason) {
    finish(launch(spec).await).await
}

async fn finish(child: Child) -> (String, String, ExitReason) {
    let Child { mut stdout, mut stderr, stdin, exit, tree, .. } = child;
    drop(stdin);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = async {
        tokio::try_join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err)).unwrap();
        exit.await.unwrap()
    };
    let reason = timeout(PATIENCE, ended).await.unwrap();
    tree.kill().await;
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), reason)
}

async fn fails(spec: LaunchSpec) -> SpawnError {
    launcher().launch(spec).await.map(|_| ()).unwrap_err()
}

/// The first line of standard output, which scripts use to say that they are ready.
async fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    let read = async {
        while let Ok(byte) = child.stdout.read_u8().await {
            if byte == b'\n' {
                break;
            }
            line.push(byte);
        }
    };
    timeout(PATIENCE, read).await.unwrap();
    String::from_utf8(line).unwrap()
}

/// Whether the process lives; a zombie does not.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A stand-in for the binary that does something to itself first, as the one who starts Berth may.
fn wrapped(directory: &Path, preparation: &str) -> ProcessLauncher {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join("berth-wrapped");
    let script = format!("#!/bin/bash\n{preparation}\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_berth"));
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    ProcessLauncher::new(path).unwrap()
}
