//! Log files, and standard error on its way into them.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use berth::process::{
    Child, PumpReport, StderrTail, archive,
    logs::{LogFile, Rotation, tail},
    pump,
};
use tokio::time::timeout;

use super::{PATIENCE, launch, shell};

fn unzipped(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs `script` with its standard error pumped into `log`.
async fn pumped(script: &str, log: LogFile, lines: &Arc<StderrTail>) -> PumpReport {
    let Child { stderr, tree, stdout, stdin, .. } = launch(shell(script)).await;
    let report = timeout(PATIENCE, pump(stderr, Arc::new(log), Arc::clone(lines))).await.unwrap();
    drop((tree, stdout, stdin));
    report
}

#[test]
fn rotates_by_size_keeps_a_few_and_reads_across() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/error.log");
    let rotation = Rotation { max_bytes: 100, keep: 2, ..Rotation::default() };
    let log = LogFile::open(path.clone(), rotation).unwrap();
    for number in 0..50 {
        log.append(format!("line {number:03}\n").as_bytes()).unwrap();
    }
    assert_eq!(names(path.parent().unwrap()), ["error.log", "error.log.1.gz", "error.log.2.gz"]);
    // Eleven lines of nine bytes fit: 0–10, 11–21, 22–32, 33–43, 44–49.
    assert!(unzipped(&path.with_extension("log.1.gz")).starts_with("line 033\n"));
    assert!(unzipped(&path.with_extension("log.2.gz")).starts_with("line 022\n"));

    assert_eq!(tail(&path, 2).unwrap(), ["line 048", "line 049"]);
    let across = tail(&path, 10).unwrap();
    assert_eq!((across.len(), across[0].as_str(), across[9].as_str()), (10, "line 040", "line 049"));
    assert_eq!(tail(&path, 0).unwrap(), Vec::<String>::new());
    assert_eq!(tail(&path.with_file_name("access.log"), 5).unwrap(), Vec::<String>::new());
}

#[test]
fn rotates_by_age_and_expires() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let rotation = Rotation { max_age: Duration::ZERO, ..Rotation::default() };
    let log = LogFile::open(path.clone(), rotation).unwrap();
    log.maintain();
    assert_eq!(names(directory.path()), ["error.log"], "an empty file is not worth keeping");
    log.append(b"old\n").unwrap();
    log.maintain();
    assert_eq!(names(directory.path()), ["error.log", "error.log.1.gz"]);
    drop(log);
    let log = LogFile::open(path, Rotation { expire_after: Duration::ZERO, ..Rotation::default() }).unwrap();
    log.maintain();
    assert_eq!(names(directory.path()), ["error.log"]);
}

#[test]
fn reopened_logs_go_on_and_links_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    for text in ["one\n", "two\n"] {
        LogFile::open(path.clone(), Rotation::default()).unwrap().append(text.as_bytes()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);

    let link = directory.path().join("link.log");
    symlink(&path, &link).unwrap();
    assert!(LogFile::open(link.clone(), Rotation::default()).is_err());
    assert!(tail(&link, 1).is_err());
}

#[test]
fn reads_the_end_of_a_large_file_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    for number in 0..2_000_000 {
        writeln!(file, "this is line number {number}").unwrap();
    }
    drop(file);
    let started = Instant::now();
    let lines = tail(&path, 100).unwrap();
    let took = started.elapsed();
    assert_eq!((lines.len(), lines[0].as_str()), (100, "this is line number 1999900"));
    assert!(took < Duration::from_millis(100), "{took:?}");
    // However many are asked for, the answer is bounded.
    let bytes: usize = tail(&path, usize::MAX).unwrap().iter().map(String::len).sum();
    assert!(bytes < 16 << 20, "{bytes}");
}

#[test]
fn archives_everything_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, archived) = (directory.path().join("logs"), directory.path().join("archive/one"));
    let log = LogFile::open(logs.join("error.log"), Rotation { max_bytes: 4, ..Rotation::default() }).unwrap();
    log.append(b"old\n").unwrap();
    log.append(b"new\n").unwrap();
    fs::write(logs.join("access.log"), "GET\n").unwrap();
    archive(&logs, &archived).unwrap();
    assert_eq!(names(&archived), ["access.log.gz", "error.log.1.gz", "error.log.gz"]);
    let texts = ["access.log.gz", "error.log.1.gz", "error.log.gz"].map(|name| unzipped(&archived.join(name)));
    assert_eq!(texts, ["GET\n", "old\n", "new\n"]);
    assert!(!logs.exists());
}

#[test]
fn archives_the_logs_of_connections_and_follows_no_link() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, archived) = (directory.path().join("logs"), directory.path().join("archive/one"));
    let (connection, outside) = (logs.join("connections/7f"), directory.path().join("outside"));
    fs::create_dir_all(&connection).unwrap();
    fs::create_dir_all(connection.join("deeper/still")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.log"), "secret").unwrap();
    fs::write(connection.join("error.log"), "one\n").unwrap();
    fs::write(connection.join("deeper/no.log"), "").unwrap();
    symlink(outside.join("secret.log"), connection.join("stolen.log")).unwrap();
    symlink(&outside, logs.join("connections/8f")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, connection.join("pipe.log"), rustix::fs::Mode::RWXU).unwrap();
    archive(&logs, &archived).unwrap();
    assert_eq!(names(&archived), ["connections"]);
    assert_eq!(names(&archived.join("connections")), ["7f"]);
    assert_eq!(names(&archived.join("connections/7f")), ["error.log.gz"]);
    assert_eq!(unzipped(&archived.join("connections/7f/error.log.gz")), "one\n");
    assert!(!logs.exists() && outside.join("secret.log").exists());
}

#[test]
fn an_archive_replaces_no_other_and_is_whole_or_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, archived) = (directory.path().join("logs"), directory.path().join("archive/one"));
    fs::create_dir_all(&archived).unwrap();
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("error.log"), "later\n").unwrap();
    assert!(archive(&logs, &archived).is_err());
    assert!(names(&archived).is_empty() && logs.join("error.log").exists());
    // A directory is where the file would go.
    let second = directory.path().join("archive/two");
    fs::write(logs.join("a.log"), "").unwrap();
    fs::create_dir(logs.join("a.log.gz")).unwrap();
    fs::write(logs.join("a.log.gz/below.log"), "").unwrap();
    assert!(archive(&logs, &second).is_err());
    assert!(!second.exists() && logs.join("error.log").exists());
}

#[tokio::test]
async fn standard_error_is_logged_kept_and_shown_live() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let lines = Arc::new(StderrTail::default());
    let mut watcher = lines.subscribe();
    let log = LogFile::open(path.clone(), Rotation::default()).unwrap();
    let script = "for i in $(seq 1 30); do echo line $i >&2; done; printf unfinished >&2";
    let report = pumped(script, log, &lines).await;
    assert_eq!((report.lines, report.dropped_lines, report.lost_bytes), (31, 0, 0));
    let written = fs::read_to_string(path).unwrap();
    assert!(written.starts_with("line 1\nline 2\n") && written.ends_with("line 30\nunfinished\n"), "{written}");
    let kept = lines.lines();
    assert_eq!((kept.len(), kept[0].as_str(), kept[19].as_str()), (20, "line 12", "unfinished"));
    assert_eq!(watcher.recv().await.unwrap().as_ref(), "line 1");
}

#[tokio::test]
async fn a_flood_is_bounded_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let lines = Arc::new(StderrTail::default());
    let log = LogFile::open(path.clone(), Rotation { max_bytes: 1 << 30, ..Rotation::default() }).unwrap();
    let line = "a line of forty characters, newline too";
    let started = Instant::now();
    let report = pumped(&format!("yes '{line}' | head -c 8000000 >&2; echo last words >&2"), log, &lines).await;
    let seconds = started.elapsed().as_secs() + 1;
    assert_eq!(report.bytes, 8_000_000 + "last words\n".len() as u64);
    assert!(report.dropped_lines > 0);
    assert_eq!(lines.dropped_lines(), report.dropped_lines);
    let written = fs::read_to_string(path).unwrap();
    assert!(written.len() as u64 <= (seconds + 1) << 20, "{} bytes in {seconds} s", written.len());
    assert!(written.contains("lines left out"));
    assert_eq!(lines.lines().last().unwrap(), "last words");
}

#[tokio::test]
async fn an_endless_line_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let lines = Arc::new(StderrTail::default());
    let log = LogFile::open(path.clone(), Rotation::default()).unwrap();
    let report = pumped("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo next >&2", log, &lines).await;
    assert_eq!((report.lines, report.bytes), (2, 3_000_006));
    let written = fs::read_to_string(path).unwrap();
    assert!(written.ends_with(" … (cut)\nnext\n") && written.len() < 20_000, "{}", written.len());
}

/// A file system of 64 KiB; `None` when this user may not mount one.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("/bin/mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tiny"]).arg(directory.path());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(directory))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("/bin/umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_does_not_disturb_the_child() {
    let Some(disk) = TinyDisk::mount() else {
        eprintln!("SKIPPED: a full disk was not tested, because mounting a small one needs root");
        return;
    };
    let path = disk.0.path().join("error.log");
    let log = LogFile::open(path.clone(), Rotation::default()).unwrap();
    let lines = Arc::new(StderrTail::default());
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 40 * 1024]).unwrap();
    // Fills the rest of the disk, writes on, and once the ballast is gone writes again.
    let script = format!(
        "for i in $(seq 1 400); do echo {} >&2; done; echo full; sleep 0.3; rm {}; sleep 0.1; echo after >&2; echo fine",
        "x".repeat(200),
        ballast.display()
    );
    let mut child = launch(shell(&script)).await;
    let stderr = child.stderr;
    let pumping = tokio::spawn(pump(stderr, Arc::new(log), Arc::clone(&lines)));
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut child.stdout, &mut said).await.unwrap();
    let report = timeout(PATIENCE, pumping).await.unwrap().unwrap();
    assert_eq!(said, "full\nfine\n");
    assert!(report.lost_bytes > 0, "{report:?}");
    assert_eq!(lines.lines().last().unwrap(), "after");
    let written = fs::read_to_string(path).unwrap();
    assert!(written.contains("bytes of standard error could not be written here\nafter\n"), "{}", written.len());
}
