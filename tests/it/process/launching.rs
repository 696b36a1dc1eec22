//! What a program is started with, and what is said when it cannot be.

use std::{fs, path::PathBuf};

use berth::{
    domain::{crash::ExitReason, secret::Secret},
    process::{Launcher, SpawnError},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{fails, finish, first_line, launch, launcher, run, shell, spec, wrapped};

#[tokio::test]
async fn environment_is_exactly_what_was_given_and_the_mark() {
    let mut spec = spec("/usr/bin/env", &[]);
    let strange = "line\nbreak \"quoted\" ünïcode\t=";
    spec.env = vec![
        ("B".to_owned(), Secret::new("first".to_owned())),
        ("B".to_owned(), Secret::new(strange.to_owned())),
        ("BERTH_HOST".to_owned(), Secret::new("somebody else".to_owned())),
    ];
    let marker = spec.marker.clone();
    let (out, err, reason) = run(spec).await;
    let expected = format!(
        "B={strange}\nBERTH_GENERATION=1\nBERTH_HOST={}\nBERTH_INSTANCE={}\nBERTH_NAME=mcp-1-test-1\n",
        marker.host, marker.instance
    );
    assert_eq!((out, err, reason), (expected, String::new(), ExitReason::Code { code: 0 }));
}

#[tokio::test]
async fn program_runs_confined() {
    let directory = tempfile::tempdir().unwrap();
    let mut spec = shell("umask; pwd; ulimit -n; ulimit -c; grep -E '^(NoNewPrivs|SigBlk)' /proc/self/status; echo $0");
    spec.cwd = directory.path().canonicalize().unwrap();
    spec.open_files = Some(321);
    let expected =
        format!("0077\n{}\n321\n0\nSigBlk:\t{}\nNoNewPrivs:\t1\n/bin/sh\n", spec.cwd.display(), "0".repeat(16));
    let (out, err, _) = run(spec).await;
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!((sorted(&out), err.as_str()), (sorted(&expected), ""));
}

#[tokio::test]
async fn program_leads_a_session_of_its_own() {
    let child = launch(shell("cut -d' ' -f5,6 /proc/$$/stat")).await;
    let pid = child.pid;
    assert_eq!(finish(child).await.0, format!("{pid} {pid}\n"));
}

#[tokio::test]
async fn no_descriptor_above_two_is_inherited() {
    let directory = tempfile::tempdir().unwrap();
    let launcher = wrapped(directory.path(), "exec 7</dev/null 9>/dev/null 200</etc/passwd");
    let child = launcher.launch(spec("/bin/ls", &["/proc/self/fd"])).await.unwrap();
    // 3 is the directory that `ls` itself reads.
    assert_eq!(finish(child).await.0, "0\n1\n2\n3\n");
}

#[tokio::test]
async fn ignored_signals_are_reset() {
    let directory = tempfile::tempdir().unwrap();
    let launcher = wrapped(directory.path(), "trap '' HUP INT TERM USR1 CHLD");
    let child = launcher.launch(spec("/bin/grep", &["SigIgn", "/proc/self/status"])).await.unwrap();
    let said = finish(child).await.0;
    let ignored = u64::from_str_radix(said.trim_start_matches("SigIgn:").trim(), 16).unwrap();
    // 32 and 33 are the C library's own; nobody but itself can touch them.
    assert_eq!(ignored & 0x7fff_ffff, 0, "{ignored:x}");
}

#[tokio::test]
async fn standard_input_is_the_programs_alone() {
    let mut child = launch(spec("/bin/cat", &[])).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut received = Vec::new();
    let write = async {
        child.stdin.write_all(&sent).await.unwrap();
        drop(child.stdin);
    };
    let ((), read) = tokio::join!(write, child.stdout.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    assert_eq!(child.exit.await.unwrap(), ExitReason::Code { code: 0 });
}

#[tokio::test]
async fn spec_may_be_large() {
    let mut spec = shell("echo ${#BIG} ${#1}");
    let big = "x".repeat(120_000);
    spec.env.push(("BIG".to_owned(), Secret::new(big.clone())));
    spec.env.extend((0..10).map(|number| (format!("FILL_{number}"), Secret::new(big.clone()))));
    spec.args.extend(["sh".to_owned(), big]);
    assert_eq!(run(spec).await.0, "120000 120000\n");
}

#[tokio::test]
async fn secrets_are_not_in_the_arguments() {
    let mut spec = spec("/bin/sleep", &["100"]);
    spec.env.push(("TOKEN".to_owned(), Secret::new("hunter2hunter2".to_owned())));
    let child = launch(spec).await;
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", child.pid)).unwrap();
    assert_eq!(cmdline, "/bin/sleep\x00100\x00");
    let environ = fs::read_to_string(format!("/proc/{}/environ", child.pid)).unwrap();
    assert!(environ.contains("TOKEN=hunter2hunter2\0"));
}

#[tokio::test]
async fn ends_are_told_apart() {
    let cases = [
        ("exit 0", ExitReason::Code { code: 0 }),
        ("exit 3", ExitReason::Code { code: 3 }),
        // A program that ends with the stage's own codes is not taken for a failed stage.
        ("exit 127", ExitReason::Code { code: 127 }),
        ("kill -9 $$", ExitReason::Signal { signal: 9 }),
        ("kill -TERM $$", ExitReason::Signal { signal: 15 }),
    ];
    for (script, reason) in cases {
        assert_eq!(run(shell(script)).await.2, reason, "{script}");
    }
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    let script = script.to_str().unwrap();

    let not_executable = fails(spec(script, &[])).await.to_string();
    assert_eq!(not_executable, format!("cannot run {script}: Permission denied (os error 13)"));
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cases = [
        (spec("/no/such/program", &[]), "cannot find /no/such/program:"),
        (spec("no-such-program", &[]), "cannot find no-such-program in PATH:"),
        (spec(script, &[]), &format!("cannot find the interpreter of {script}:")),
    ];
    for (spec, what) in cases {
        let error = fails(spec).await;
        assert!(matches!(error, SpawnError::Stage(_)));
        assert_eq!(error.to_string(), format!("{what} No such file or directory (os error 2)"));
    }
}

#[tokio::test]
async fn a_missing_working_directory_says_so() {
    let mut missing = shell("true");
    missing.cwd = PathBuf::from("/no/such/directory");
    let reason = ExitReason::from(fails(missing).await);
    let detail = "cannot enter the working directory /no/such/directory: No such file or directory (os error 2)";
    assert_eq!(reason, ExitReason::SpawnFailed { detail: detail.to_owned() });
}

#[tokio::test]
async fn specs_that_no_kernel_takes_are_refused_without_naming_a_value() {
    let with_env = |name: &str, value: &str| {
        let mut spec = shell("true");
        spec.env.push((name.to_owned(), Secret::new(value.to_owned())));
        spec
    };
    let mut relative = shell("true");
    relative.cwd = PathBuf::from("relative");
    for spec in [with_env("A=B", "hidden"), with_env("", "hidden"), with_env("A", "hid\0den"), relative] {
        let error = fails(spec).await;
        assert!(matches!(error, SpawnError::Spec(_)), "{error}");
        assert!(!error.to_string().contains("hid"), "{error}");
    }
}

#[tokio::test]
async fn a_broken_stage_is_not_a_running_program() {
    let directory = tempfile::tempdir().unwrap();
    let cases = [("echo it is broken >&2; exit 1", "the launch stage broke off: it is broken"), ("kill -9 $$", "")];
    for (preparation, said) in cases {
        let error = wrapped(directory.path(), preparation).launch(shell("true")).await.map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(said) && !matches!(error, SpawnError::Spec(_)), "{error}");
    }
    let missing = berth::process::ProcessLauncher::new(directory.path().join("missing")).unwrap();
    assert!(matches!(missing.launch(shell("true")).await, Err(SpawnError::Fork(_))));
}

#[test]
fn the_stage_started_by_hand_says_so() {
    let stage = std::process::Command::new(env!("CARGO_BIN_EXE_berth")).arg("launch").output().unwrap();
    let said = String::from_utf8(stage.stderr).unwrap();
    assert_eq!(stage.status.code(), Some(126));
    assert!(said.starts_with("berth-launch: is started by berth, not by hand:"), "{said}");
}

#[tokio::test]
async fn many_start_and_end_at_once() {
    let launcher = launcher();
    let runs = (0..50).map(|number| {
        let launcher = &launcher;
        async move {
            let mut child = launcher.launch(shell(&format!("echo {number}; exit {number}"))).await.unwrap();
            assert_eq!(first_line(&mut child).await, number.to_string());
            assert_eq!(child.exit.await.unwrap(), ExitReason::Code { code: number });
        }
    });
    futures_util::future::join_all(runs).await;
}
