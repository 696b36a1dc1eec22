use super::*;
use crate::domain::time::Timestamp;

fn facts(state: State) -> Facts {
    Facts {
        state,
        health: Health::Healthy,
        check_error: None,
        progress: None,
        crash: None,
        stderr: Vec::new(),
        needs_credential: false,
        has_credential: false,
        package_error: None,
        port: None,
        start_seconds: 60,
        limits: Limits::default(),
        usage: None,
        disk_free: Some(1 << 40),
        calls: (0, 256),
    }
}

fn card(reason: ExitReason, lines: &[&str]) -> CrashCard {
    let stderr_tail = lines.iter().map(|line| (*line).to_owned()).collect();
    CrashCard {
        at: Timestamp(0),
        reason,
        out_of_memory: false,
        memory_limit: None,
        stderr_tail,
        changed: Vec::new(),
        restarts: 5,
    }
}

fn failed(reason: ExitReason, lines: &[&str]) -> Facts {
    Facts { crash: Some(card(reason, lines)), ..facts(State::Failed) }
}

fn text(detail: &str) -> String {
    detail.to_owned()
}

#[track_caller]
fn first(facts: &Facts) -> Finding {
    diagnose(facts).into_iter().next().unwrap_or_else(|| panic!("nothing found in {facts:?}"))
}

/// As Node 20 and 22, CPython 3.11 and 3.13, npm, pip and the launch stage print them.
#[test]
fn knows_what_programs_say() {
    const CASES: &[(&[&str], &str)] = &[
        (
            &[
                "node:internal/modules/cjs/loader:1210",
                "  throw err;",
                "  ^",
                "Error: Cannot find module '/srv/x/index.js'",
                "    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)",
                "  code: 'MODULE_NOT_FOUND',",
            ],
            "module_missing",
        ),
        (&["Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /srv/x/index.js"], "module_missing"),
        (
            &[
                "Traceback (most recent call last):",
                "  File \"/x/bin/server\", line 5, in <module>",
                "    from server import main",
                "ModuleNotFoundError: No module named 'httpx'",
            ],
            "module_missing",
        ),
        (
            &[
                "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000",
                "    at Server.setupListenHandle [as _listen2] (node:net:1817:16)",
            ],
            "port_in_use",
        ),
        (&["OSError: [Errno 98] Address already in use"], "port_in_use"),
        (
            &[
                "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use",
            ],
            "port_in_use",
        ),
        (
            &[
                "<--- Last few GCs --->",
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                "----- Native stack trace -----",
            ],
            "out_of_memory",
        ),
        (&["    data = bytearray(10**12)", "MemoryError"], "out_of_memory"),
        (
            &[
                "Error: connect ECONNREFUSED 127.0.0.1:5432",
                "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)",
            ],
            "unreachable",
        ),
        (&["httpx.ConnectError: [Errno 111] Connection refused"], "unreachable"),
        (&["Error: getaddrinfo ENOTFOUND api.example.invalid"], "name_unknown"),
        (&["socket.gaierror: [Errno -2] Name or service not known"], "name_unknown"),
        (&["Error: self-signed certificate in certificate chain"], "certificate"),
        (
            &[
                "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            ],
            "certificate",
        ),
        (&["AxiosError: Request failed with status code 401"], "credential_refused"),
        (
            &["httpx.HTTPStatusError: Client error '401 Unauthorized' for url 'https://api.example.com/me'"],
            "credential_refused",
        ),
        (&["HttpError: Bad credentials - https://docs.github.com/rest"], "credential_refused"),
        (&["An API error occurred: invalid_auth"], "credential_refused"),
        (&["Error: GITHUB_TOKEN environment variable is required"], "setting_missing"),
        (
            &[
                "usage: mcp-server-sqlite [-h] --db-path DB_PATH",
                "mcp-server-sqlite: error: the following arguments are required: --db-path",
            ],
            "setting_missing",
        ),
        (&["Error: ENOSPC: no space left on device, write"], "disk_full"),
        (&["OSError: [Errno 28] No space left on device: '/x'"], "disk_full"),
        (&["Error: EACCES: permission denied, open '/etc/shadow'"], "access_denied"),
        (&["PermissionError: [Errno 13] Permission denied: '/root/x'"], "access_denied"),
        (
            &["SyntaxError: The requested module 'node:util' does not provide an export named 'styleText'"],
            "runtime_version",
        ),
        (&["/usr/bin/env: 'node': No such file or directory"], "program_missing"),
        (&["HTTP 429 Too Many Requests"], "rate_limited"),
        (&["something nobody has seen before"], "exited"),
    ];
    for (lines, expected) in CASES {
        let found = first(&failed(ExitReason::Code { code: 1 }, lines));
        assert_eq!(&found.code, expected, "{lines:?}: {found:?}");
        assert!(lines.iter().any(|line| line.contains(&found.evidence)), "the evidence is one of the lines: {found:?}");
        assert!(!found.fix.is_empty());
    }
}

#[test]
fn knows_how_processes_end() {
    let spawn = |detail: &str| ExitReason::SpawnFailed { detail: text(detail) };
    let cases = [
        (ExitReason::Code { code: 127 }, "program_missing"),
        (ExitReason::Code { code: 126 }, "not_executable"),
        (ExitReason::Code { code: 0 }, "ended"),
        (ExitReason::Code { code: 3 }, "exited"),
        (ExitReason::Signal { signal: 9 }, "killed"),
        (ExitReason::Signal { signal: 11 }, "signal"),
        (ExitReason::LimitExceeded { detail: text("memory 2 bytes is over the limit of 1 bytes") }, "limit"),
        (ExitReason::Protocol { detail: text("wrote a line of more than 10 bytes") }, "protocol"),
        (ExitReason::NotReady { detail: text("initialize: the server did not answer within 60 s") }, "start_timeout"),
        (
            ExitReason::NotReady {
                detail: text("initialize: no answer; 3 lines on its standard output are not JSON-RPC"),
            },
            "protocol",
        ),
        (
            ExitReason::NotReady {
                detail: text(
                    "no answer at its MCP endpoint within 9 s: the server could not be reached: Connection refused (os error 111)",
                ),
            },
            "not_listening",
        ),
        (
            ExitReason::NotReady {
                detail: text("no answer at its MCP endpoint within 9.0 s: it does not listen on port 3001"),
            },
            "not_listening",
        ),
        (
            ExitReason::NotReady {
                detail: text("no answer at its MCP endpoint within 9.0 s: another process listens on port 3001"),
            },
            "port_in_use",
        ),
        (
            ExitReason::NotReady { detail: text("the server could not be reached: Connection refused (os error 111)") },
            "unreachable",
        ),
        (ExitReason::NotReady { detail: text("the server answered HTTP 401") }, "credential_refused"),
        (ExitReason::Unhealthy { detail: text("ping") }, "unhealthy"),
        (ExitReason::Lost { detail: text("nobody was watching") }, "disconnected"),
        (spawn("cannot find /opt/x: No such file or directory (os error 2)"), "program_missing"),
        (spawn("cannot find the interpreter of /opt/x: No such file or directory (os error 2)"), "program_missing"),
        (spawn("cannot run /opt/x: Permission denied (os error 13)"), "not_executable"),
        (spawn("no port is free in 3001-3100; stop an instance or widen `ports`"), "ports_exhausted"),
        (
            spawn(
                "installing npm package x@1 failed (exit status: 1): the registry cannot be reached\nnpm error code ENOTFOUND",
            ),
            "install_failed",
        ),
        (spawn("its directories cannot be made: x: No space left on device"), "disk_full"),
        (spawn("what nobody has seen before"), "not_started"),
    ];
    for (reason, expected) in cases {
        let found = first(&failed(reason.clone(), &[]));
        assert_eq!(found.code, expected, "{reason:?}: {found:?}");
    }
}

#[test]
fn knows_states_that_are_meant_to_be() {
    let old = card(ExitReason::Code { code: 1 }, &["Error: connect ECONNREFUSED 127.0.0.1:1"]);
    for (state, expected) in [
        (State::Stopped, "stopped"),
        (State::Expired, "expired"),
        (State::Idle, "sleeping"),
        (State::Pending, "starting"),
    ] {
        assert_eq!(first(&facts(state)).code, expected);
    }
    // A failure that is over is no cause of anything.
    for state in [State::Running, State::Stopped, State::Idle] {
        let codes: Vec<&str> =
            diagnose(&Facts { crash: Some(old.clone()), ..facts(state) }).iter().map(|finding| finding.code).collect();
        assert!(!codes.contains(&"unreachable"), "{state}: {codes:?}");
    }
}

#[test]
fn nothing_is_found_where_all_is_well() {
    let chatty = vec![text("listening"), text("took 401 ms"), text("loaded module")];
    assert_eq!(diagnose(&Facts { stderr: chatty, ..facts(State::Running) }), []);
}

#[test]
fn sees_what_is_missing_and_what_is_short() {
    let limits = Limits { memory_bytes: Some(100 << 20), ..Limits::default() };
    let usage = Some(Usage { memory_bytes: 95 << 20, ..Usage::default() });
    let unhealthy = Some(text("the server did not answer within 5 s"));
    let cases = [
        (Facts { needs_credential: true, ..facts(State::Failed) }, "credential_missing"),
        (Facts { package_error: Some(text("Node.js (node) is not here")), ..facts(State::Failed) }, "program_missing"),
        (Facts { disk_free: Some(0), ..facts(State::Running) }, "disk_full"),
        (Facts { health: Health::Unhealthy, check_error: unhealthy, ..facts(State::Unhealthy) }, "unhealthy"),
        (Facts { port: Some((3001, false)), ..facts(State::Running) }, "not_listening"),
        (Facts { limits, usage, ..facts(State::Running) }, "memory_short"),
        (Facts { calls: (256, 256), ..facts(State::Running) }, "busy"),
        (Facts { stderr: vec![text("HTTP 401 from the API")], ..facts(State::Running) }, "credential_refused"),
    ];
    for (facts, expected) in cases {
        assert_eq!(first(&facts).code, expected, "{facts:?}");
    }
}

#[test]
fn orders_by_likelihood_and_names_changed_fields() {
    let mut facts = failed(ExitReason::Code { code: 1 }, &["Error: Request failed with status code 401"]);
    if let Some(card) = &mut facts.crash {
        card.changed = vec![text("credential"), text("env.API_URL")];
    }
    let found = diagnose(&facts);
    let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["credential_refused", "changed", "exited"]);
    assert!(found[1].evidence.contains("credential, env.API_URL"));
}

#[test]
fn says_out_of_memory_when_the_kernel_does() {
    let mut facts = failed(ExitReason::Signal { signal: 9 }, &[]);
    if let Some(card) = &mut facts.crash {
        card.out_of_memory = true;
    }
    assert_eq!(first(&facts).code, "out_of_memory");
}

#[test]
fn words_are_in_lower_case_and_codes_are_words() {
    for sign in SIGNS {
        assert!(sign.words.iter().all(|word| **word == word.to_lowercase()), "{}", sign.code);
        assert!(sign.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    }
}
