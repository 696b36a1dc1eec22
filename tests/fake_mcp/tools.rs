//! The tools. Those that answer at once write to `out`; all others run in a thread of their own, so
//! that a slow call holds up nobody.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::Stdio,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, getgid, getpgrp, getpid, getuid, kill_process};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    hostile, myself, network,
    server::{Server, lock},
    sink::Sink,
    wire,
};

/// Name, arguments with their types, description.
pub(crate) const TOOLS: [(&str, &str, &str); 39] = [
    ("echo", "text:string", "Answers with the same text."),
    ("whoami", "", "Environment, ids, directory, arguments and descriptors of this process."),
    ("big", "bytes:integer", "One large text."),
    ("show", "", "The arguments as they came, byte for byte."),
    ("odd", "", "A result that no serialiser would write like that."),
    ("set", "key:string value:string", "Stores a value in memory."),
    ("get", "key:string", "Reads a value that set stored, or null."),
    ("cancelled", "", "The request ids that were cancelled."),
    ("subscribed", "", "The resources subscribed to."),
    ("level", "", "The level of the last logging/setLevel."),
    ("list_changed", "", "Announces that the list of tools changed."),
    ("notify_resource", "uri:string steps:integer", "Announces that a resource changed, once or that often."),
    ("read", "path:string", "Reads a file."),
    ("write", "path:string text:string", "Writes a file."),
    ("alloc", "bytes:integer", "Holds that much memory from now on."),
    ("sleep", "ms:integer", "Answers after a while."),
    ("spin", "ms:integer", "Burns a core for a while."),
    ("crash", "code:integer", "Exits without an answer."),
    ("die_signal", "signal:integer", "Dies by a signal; SIGABRT unless told."),
    ("flood_stderr", "bytes:integer", "Writes that much to stderr, then answers."),
    ("endless", "", "Writes a line without end until killed."),
    ("garbage", "", "Writes a line that is not JSON, then answers."),
    ("broken", "", "Writes lines that are JSON, or nearly, but no messages, then answers."),
    ("fork", "setsid:boolean hold:boolean", "Leaves a process behind and answers with its pid."),
    ("escape", "", "Leaves one behind without environment, session, parent or stdio, and answers with its pid."),
    ("bomb", "steps:integer", "Starts that many processes that stay; answers how many there are."),
    ("progress", "steps:integer ms:integer", "Reports progress, then answers."),
    ("log", "text:string level:string", "Sends a log notification, info unless told, then answers."),
    ("flood", "bytes:integer steps:integer", "Sends that many log notifications of that size, then answers."),
    ("never", "", "Never answers."),
    ("wrong_id", "", "Answers an id that nobody asked, then properly."),
    ("twice", "", "Answers twice."),
    (
        "ask",
        "method:string params:object stay:boolean",
        "Sends a request to the client and answers with what came back; `stay`: unless it is an error.",
    ),
    ("ask_later", "method:string", "Answers, and then sends a request; `get asked` shows what came back."),
    ("attack", "kind:string", "Tries what no child may do, and says what came of it; see `hostile`."),
    ("close_stdout", "", "Exits cleanly, without an answer."),
    ("connect", "host:string port:integer text:string", "Connects, sends the text, answers with what comes back."),
    ("bind", "port:integer", "Listens on that port of the loopback interface for a moment."),
    ("datagram", "host:string port:integer text:string", "Sends the text in a datagram."),
];

/// Numbers, escapes and an order of members that nobody would choose.
const ODD: &str = r#"{"zeta":1.0,"content":[{"type":"text","text":"\u0041\/"}],"alpha":[1e3,-0.0,1E+2,123456789012345678901234567890],"structuredContent":{"b":1,"a":{"\u0061":0.10}}}"#;

/// All arguments of all tools; each takes what it needs.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    text: Option<String>,
    key: Option<String>,
    value: Option<String>,
    uri: Option<String>,
    path: Option<String>,
    method: Option<String>,
    level: Option<String>,
    host: Option<String>,
    port: u16,
    params: Option<Box<RawValue>>,
    bytes: usize,
    ms: u64,
    code: i32,
    signal: Option<i32>,
    steps: u64,
    setsid: bool,
    hold: bool,
    stay: bool,
}

/// A slow call, moved into its thread.
struct Call {
    id: String,
    /// As they came, for tools that know more of them than [`Arguments`].
    raw: String,
    arguments: Arguments,
    token: Option<String>,
    sink: Sink,
}

/// Runs a tool that answers at once; `None` if it is not one of those.
pub(crate) fn quick(
    server: &Server,
    name: &str,
    arguments: &str,
    id: &str,
    out: &mut Vec<u8>,
) -> Option<Result<(), String>> {
    if name == "echo" {
        return Some(echo(arguments, id, out));
    }
    if name == "odd" {
        wire::result(out, id, ODD);
        return Some(Ok(()));
    }
    if name == "show" {
        wire::text(out, id, arguments);
        return Some(Ok(()));
    }
    let answer = match serde_json::from_str(arguments) {
        Ok(arguments) => quick_text(server, name, arguments)?,
        Err(error) => Err(error.to_string()),
    };
    Some(answer.map(|text| wire::text(out, id, &text)))
}

/// The hot path: the text is passed on as the JSON that it is.
fn echo(arguments: &str, id: &str, out: &mut Vec<u8>) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Echo<'a> {
        #[serde(borrow)]
        text: &'a RawValue,
    }
    match serde_json::from_str::<Echo<'_>>(arguments) {
        Ok(Echo { text }) if text.get().starts_with('"') => {
            wire::raw_text(out, id, text.get());
            Ok(())
        }
        _ => Err("text must be a string".to_owned()),
    }
}

fn quick_text(server: &Server, name: &str, arguments: Arguments) -> Option<Result<String, String>> {
    let missing = |name: &str| format!("{name} must be a string");
    let text = match name {
        "whoami" => whoami(),
        "big" => "x".repeat(arguments.bytes),
        "get" => wire::json(&lock(&server.memory).get(&arguments.key.unwrap_or_default())),
        "set" => {
            let (Some(key), Some(value)) = (arguments.key, arguments.value) else {
                return Some(Err(missing("key and value")));
            };
            lock(&server.memory).insert(key, value);
            "stored".to_owned()
        }
        "cancelled" => format!("[{}]", lock(&server.cancelled).join(",")),
        "subscribed" => wire::json(&*lock(&server.subscribed)),
        "level" => lock(&server.level).clone(),
        "list_changed" => {
            server.announce(wire::notification("notifications/tools/list_changed", "{}"));
            "announced".to_owned()
        }
        "notify_resource" => {
            let Some(uri) = arguments.uri else { return Some(Err(missing("uri"))) };
            let note = wire::notification("notifications/resources/updated", &json!({ "uri": uri }).to_string());
            (0..arguments.steps.max(1)).for_each(|_| server.announce(note.clone()));
            "announced".to_owned()
        }
        "read" => read_file(&arguments.path.unwrap_or_default()),
        "write" => match std::fs::write(arguments.path.unwrap_or_default(), arguments.text.unwrap_or_default()) {
            Ok(()) => "written".to_owned(),
            Err(error) => format!("error: {error}"),
        },
        "alloc" => {
            lock(&server.ballast).push(vec![1; arguments.bytes]);
            "held".to_owned()
        }
        _ => return None,
    };
    Some(Ok(text))
}

fn read_file(path: &str) -> String {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("error: {error}"),
    }
}

fn whoami() -> String {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let env: BTreeMap<String, String> = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect();
    let fds: BTreeMap<String, String> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((lossy(entry.file_name()), lossy(std::fs::read_link(entry.path()).ok()?.into()))))
        .collect();
    json!({
        "env": env,
        "pid": getpid().as_raw_nonzero(),
        "pgid": getpgrp().as_raw_nonzero(),
        "sid": session(),
        "uid": getuid().as_raw(),
        "gid": getgid().as_raw(),
        "cwd": std::env::current_dir().unwrap_or_default(),
        "args": std::env::args_os().map(lossy).collect::<Vec<_>>(),
        "fds": fds,
    })
    .to_string()
}

/// The session's number; zero where its leader is out of sight.
fn session() -> Option<u32> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(3)?.parse().ok()
}

/// Runs any other tool in a thread.
pub(crate) fn start_slow(
    server: &Arc<Server>,
    name: &str,
    arguments: &str,
    id: &str,
    token: Option<&str>,
    sink: &Sink,
) {
    let call = Call {
        id: id.to_owned(),
        raw: arguments.to_owned(),
        arguments: serde_json::from_str(arguments).unwrap_or_default(),
        token: token.map(str::to_owned),
        sink: sink.clone(),
    };
    let (server, name) = (Arc::clone(server), name.to_owned());
    let body = move || slow(&server, &name, call);
    thread::Builder::new().stack_size(256 * 1024).spawn(body).expect("a thread");
}

fn slow(server: &Arc<Server>, name: &str, call: Call) {
    let arguments = &call.arguments;
    let text = match name {
        "sleep" => {
            thread::sleep(Duration::from_millis(arguments.ms));
            "slept".to_owned()
        }
        "spin" => spin(Duration::from_millis(arguments.ms)),
        "crash" => {
            eprintln!("crashing with {} as told", arguments.code);
            std::process::exit(arguments.code);
        }
        "close_stdout" => std::process::exit(0),
        "die_signal" => {
            let signal = arguments.signal.and_then(Signal::from_named_raw).unwrap_or(Signal::ABORT);
            let _ = kill_process(getpid(), signal);
            // Another thread may be the one that the kernel interrupts, a moment later.
            std::thread::park_timeout(std::time::Duration::from_secs(2));
            "the signal had no effect".to_owned()
        }
        "flood_stderr" => flood(arguments.bytes),
        "bind" => network::bind(arguments.port),
        "connect" | "datagram" => reach(name, arguments),
        "endless" => endless(&call.sink),
        "garbage" => {
            call.sink.note(b"this line is not JSON {".to_vec());
            "garbage sent".to_owned()
        }
        "fork" => match leave_behind(arguments.setsid, arguments.hold) {
            Ok(pid) => pid.to_string(),
            Err(error) => format!("error: {error}"),
        },
        "attack" => hostile::run(server, &call.raw),
        "escape" => match escape() {
            Ok(pid) => pid,
            Err(error) => format!("error: {error}"),
        },
        "bomb" => bomb(arguments.steps).to_string(),
        "progress" => progress(&call),
        "log" => {
            log(
                &call.sink,
                arguments.level.as_deref().unwrap_or("info"),
                arguments.text.as_deref().unwrap_or_default(),
            );
            "logged".to_owned()
        }
        "flood" => {
            let text = "x".repeat(arguments.bytes);
            (0..arguments.steps).for_each(|_| log(&call.sink, "info", &text));
            "flooded".to_owned()
        }
        "never" => {
            lock(&server.parked).push(call.sink);
            return;
        }
        "wrong_id" => {
            let mut stray = Vec::new();
            wire::text(&mut stray, "987654321", "nobody asked");
            call.sink.note(stray);
            "the right answer".to_owned()
        }
        "broken" => {
            BROKEN.iter().for_each(|line| call.sink.note(line.to_vec()));
            "broken lines sent".to_owned()
        }
        "twice" => {
            let mut first = Vec::new();
            wire::text(&mut first, &call.id, "the first answer");
            call.sink.note(first);
            "the second answer".to_owned()
        }
        "ask" => {
            let answer = ask(server, arguments, |request| call.sink.note(request));
            if arguments.stay && answer.contains("\"code\"") {
                lock(&server.parked).push(call.sink);
                return;
            }
            answer
        }
        "ask_later" => {
            let mut out = Vec::new();
            wire::text(&mut out, &call.id, "later");
            call.sink.answer(out);
            let answer = ask(server, arguments, |request| server.announce(request));
            lock(&server.memory).insert("asked".to_owned(), answer);
            return;
        }
        _ => return refuse(name, &call),
    };
    let mut out = Vec::new();
    wire::text(&mut out, &call.id, &text);
    call.sink.answer(out);
}

fn reach(name: &str, arguments: &Arguments) -> String {
    let reach = if name == "connect" { network::connect } else { network::datagram };
    let text = arguments.text.as_deref().unwrap_or_default();
    reach(arguments.host.as_deref().unwrap_or("127.0.0.1"), arguments.port, text)
}

/// Lines that no client can make sense of.
const BROKEN: [&[u8]; 10] = [
    b"",
    b"   \r",
    b"{}",
    b"[]",
    b"null",
    b"{\"jsonrpc\":\"2.0\"",
    b"{\"jsonrpc\":\"2.0\",\"id\":1}",
    b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":7}",
    b"\xff\xfe{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"what?\"}}",
];

fn refuse(name: &str, call: &Call) {
    let mut out = Vec::new();
    wire::error(&mut out, &call.id, wire::INVALID_PARAMS, &format!("no tool {name}"));
    call.sink.answer(out);
}

fn spin(how_long: Duration) -> String {
    let start = Instant::now();
    let mut rounds = 0_u64;
    while start.elapsed() < how_long {
        rounds += 1;
    }
    format!("{rounds} rounds")
}

fn flood(bytes: usize) -> String {
    let line = [[b'e'; 1023].as_slice(), b"\n"].concat();
    let mut left = bytes;
    while left > 0 {
        let part = left.min(line.len());
        if io::stderr().write_all(&line[..part]).is_err() {
            return "stderr is closed".to_owned();
        }
        left -= part;
    }
    format!("{bytes} bytes written")
}

/// Over stdio this ends only with the process.
fn endless(sink: &Sink) -> String {
    while sink.raw(vec![b'x'; 64 * 1024]) {}
    "nobody reads any more".to_owned()
}

/// Starts a copy of this program that outlives it. `hold`: it keeps our stdio open.
pub(crate) fn leave_behind(setsid: bool, hold: bool) -> io::Result<u32> {
    let mut command = myself();
    command.args(["--linger", "1000"]);
    if setsid {
        command.arg("--setsid");
    }
    if !hold {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    }
    let child = command.spawn()?;
    Ok(child.id())
}

/// What hides as well as it can: a daemon in a session of its own, its parent gone, its environment empty.
fn escape() -> io::Result<String> {
    let output = myself().args(["--escape"]).env_clear().stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How many of `steps` could be started.
fn bomb(steps: u64) -> usize {
    let start = || myself().args(["--linger", "1000"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    (0..steps).map_while(|_| start().ok()).count()
}

fn progress(call: &Call) -> String {
    for step in 1..=call.arguments.steps {
        thread::sleep(Duration::from_millis(call.arguments.ms));
        if let Some(token) = &call.token {
            let params = format!(r#"{{"progressToken":{token},"progress":{step},"total":{}}}"#, call.arguments.steps);
            call.sink.note(wire::notification("notifications/progress", &params));
        }
    }
    format!("{} steps", call.arguments.steps)
}

/// Sends a request of our own; what came back.
fn ask(server: &Server, arguments: &Arguments, send: impl FnOnce(Vec<u8>)) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (sender, answer) = mpsc::channel();
    lock(&server.asked).insert(id, sender);
    let method = arguments.method.as_deref().unwrap_or("ping");
    let params = arguments.params.as_ref().map_or("{}", |params| params.get());
    let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#, wire::json(method));
    send(request.into_bytes());
    answer.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| "no answer".to_owned())
}

fn log(sink: &Sink, level: &str, text: &str) {
    let data = json!({ "level": level, "logger": "fake", "data": text });
    sink.note(wire::notification("notifications/message", &data.to_string()));
}
