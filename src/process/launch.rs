//! The launch stage: `berth launch`, the short life between `fork` and the program.
//!
//! It is single-threaded and owns nothing but itself, so it may do at leisure what must not be done
//! between `fork` and `exec` of a threaded parent. What it does to itself survives `exec`. Each step
//! either succeeds or ends it: a program never runs with less confinement than was asked for.
//! See `wire` for what it reads and answers.

mod cgroups;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{self, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Command, ExitCode},
};

use rustix::{
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{
        Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit, setsid, umask,
    },
};
use zeroize::Zeroizing;

use super::wire::{MAX_SPEC, PREFIX, READY, WireSpec};

/// The exit code for a program that is not there, as shells have it.
const NOT_FOUND: u8 = 127;
/// The exit code for everything else that fails here.
const CANNOT_RUN: u8 = 126;

/// A step that failed.
struct Failure {
    what: String,
    why: io::Error,
    code: u8,
}

/// Names the step whose error it is.
fn step<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    move |why| Failure { what: what.into(), why: why.into(), code: CANNOT_RUN }
}

/// Becomes the program that the parent names, or says why not: on the socket for the parent, on
/// standard error for a person, and by the exit code 126 or 127.
#[must_use]
pub fn run() -> ExitCode {
    let mut control = None;
    let Err(failure) = launch(&mut control);
    let line = format!("{} {}\n", failure.what, failure.why);
    let _ = io::stderr().write_all(format!("{PREFIX}{line}").as_bytes());
    if let Some(mut control) = control {
        let _ = control.write_all(line.as_bytes());
    }
    ExitCode::from(failure.code)
}

fn launch(socket: &mut Option<UnixStream>) -> Result<std::convert::Infallible, Failure> {
    let (stdin, length) = receive_stdin().map_err(step("is started by berth, not by hand:"))?;
    let control =
        rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3).map_err(step("cannot keep the socket:"))?;
    let control = socket.insert(UnixStream::from(control));
    let json = receive_spec(control, length).map_err(step("cannot read the spec:"))?;
    let spec: WireSpec<'_> = serde_json::from_slice(&json).map_err(step("cannot understand the spec:"))?;
    cgroups::enter(&spec.cgroups).map_err(step("cannot enter the control group"))?;
    rustix::stdio::dup2_stdin(&stdin).map_err(step("cannot set standard input:"))?;

    detach(spec.parent)?;
    restrict(spec.open_files)?;
    reset_ignored_signals().map_err(step("cannot reset ignored signals:"))?;
    let cwd: &str = &spec.cwd;
    std::env::set_current_dir(cwd).map_err(step(format!("cannot enter the working directory {cwd}:")))?;
    // Marked, not closed: the socket must last until `exec` has succeeded.
    close_fds::set_fds_cloexec(3, &[]);
    control.write_all(&[READY]).map_err(step("cannot answer:"))?;
    Err(exec(&spec))
}

/// The program's standard input and the length of the spec: the first message on descriptor 0.
fn receive_stdin() -> io::Result<(OwnedFd, u32)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut length = [0; 4];
    let mut parts = [IoSliceMut::new(&mut length)];
    let received = recvmsg(rustix::stdio::stdin(), &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let stdin = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match stdin {
        Some(stdin) if received.bytes == length.len() => Ok((stdin, u32::from_be_bytes(length))),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn receive_spec(control: &mut UnixStream, length: u32) -> io::Result<Zeroizing<Vec<u8>>> {
    if length > MAX_SPEC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes are too many")));
    }
    let mut json = Zeroizing::new(vec![0; length as usize]);
    control.read_exact(&mut json)?;
    Ok(json)
}

/// A session of its own, which ends with the parent.
fn detach(parent: u32) -> Result<(), Failure> {
    setsid().map_err(step("cannot make a session:"))?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(step("cannot arm the death signal:"))?;
    // Had the parent ended just before, no signal would come.
    let still_ours = getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == parent);
    if still_ours { Ok(()) } else { Err(step("has lost its parent:")(io::Error::from(io::ErrorKind::NotConnected))) }
}

/// Privileges, file mode and limits.
fn restrict(open_files: u32) -> Result<(), Failure> {
    rustix::thread::set_no_new_privs(true).map_err(step("cannot give up privileges:"))?;
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let files = Some(u64::from(open_files).min(hard));
    let limits = [(Resource::Nofile, files, "open files"), (Resource::Core, Some(0), "core dumps")];
    for (resource, limit, name) in limits {
        setrlimit(resource, Rlimit { current: limit, maximum: limit })
            .map_err(step(format!("cannot limit {name}:")))?;
    }
    Ok(())
}

/// Signals that are ignored stay so across `exec`; those with a handler go back to their default.
///
/// `exec` of the standard library clears the mask and resets SIGPIPE. Others are ignored only when
/// Berth was started so, by `nohup` for one; installing any handler is then the safe way back.
fn reset_ignored_signals() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let signals: Vec<i32> =
        (1..32).filter(|signal| ignored & (1 << (signal - 1)) != 0 && *signal != Signal::PIPE.as_raw()).collect();
    if signals.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    for signal in signals {
        // A few (SIGSEGV and the like) cannot be caught this way; ignoring them has no effect anyway.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(signal));
    }
    Ok(())
}

/// Returns only when it fails.
fn exec(spec: &WireSpec<'_>) -> Failure {
    // Sorted and unique: the last of two equal names counts.
    let env: BTreeMap<&str, &str> = spec.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    let program: &str = &spec.program;
    let why = Command::new(program).args(spec.args.iter()).env_clear().envs(env).exec();
    if why.kind() != io::ErrorKind::NotFound {
        return step(format!("cannot run {program}:"))(why);
    }
    // The kernel says the same of a script whose interpreter is missing.
    let what = match Path::new(program) {
        path if path.components().count() == 1 && path.file_name() == Some(OsStr::new(program)) => {
            format!("cannot find {program} in PATH:")
        }
        path if path.exists() => format!("cannot find the interpreter of {program}:"),
        _ => format!("cannot find {program}:"),
    };
    Failure { what, why, code: NOT_FOUND }
}
