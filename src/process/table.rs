//! The process table: one pass over `/proc`, shared by sampling, stopping and sweeping.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Read,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::marker::{MarkReader, Marked};

/// One process as `/proc/<pid>/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) session: u32,
    /// `Z` is a zombie.
    pub(crate) state: u8,
    /// Ticks of CPU, those of its ended and awaited children included.
    pub(crate) ticks: u64,
    /// Resident pages.
    pub(crate) resident: u64,
    /// Ticks from boot to its start: with the pid, its identity.
    pub(crate) started: u64,
}

impl Row {
    fn parse(stat: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(&stat[memchr::memrchr(b')', stat)? + 1..]).ok()?;
        let pid = std::str::from_utf8(&stat[..memchr::memchr(b' ', stat)?]).ok()?.parse().ok()?;
        // Counted from the field after the name, which is `state`, the third of proc_pid_stat(5).
        let fields: Vec<&str> = text.split_ascii_whitespace().take(22).collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok());
        Some(Self {
            pid,
            ppid: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            state: *fields.first()?.as_bytes().first()?,
            ticks: number(14)? + number(15)? + number(16).unwrap_or(0) + number(17).unwrap_or(0),
            started: number(22)?,
            resident: number(24)?,
        })
    }

    pub(crate) const fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

fn read_into(pid: u32, buffer: &mut Vec<u8>) -> Option<Row> {
    buffer.clear();
    fs::File::open(format!("/proc/{pid}/stat")).ok()?.read_to_end(buffer).ok()?;
    Row::parse(buffer)
}

/// The row of one process, while it exists.
pub(crate) fn row(pid: u32) -> Option<Row> {
    read_into(pid, &mut Vec::with_capacity(512))
}

/// How long ago the process was started, while it exists.
#[must_use]
pub fn running_for(pid: u32) -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let up = Duration::try_from_secs_f64(uptime.split(' ').next()?.parse().ok()?).ok()?;
    let started = row(pid)?.started.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    Some(up.saturating_sub(Duration::from_millis(started)))
}

/// Signals exactly this process: its number and its start time must both match.
pub(crate) fn signal_exact(pid: u32, started: u64, signal: Signal) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return false };
    // The pidfd pins the process, so what is read now cannot become another one before the signal.
    row(pid).is_some_and(|row| row.started == started) && pidfd_send_signal(pidfd, signal).is_ok()
}

/// All processes at one moment.
#[derive(Debug, Default)]
pub struct Table {
    rows: HashMap<u32, Row>,
    children: HashMap<u32, Vec<u32>>,
    sessions: HashMap<u32, Vec<u32>>,
}

impl Table {
    /// Reads `/proc` once. Blocking: a few microseconds per process of the machine.
    #[must_use]
    pub fn read() -> Self {
        let mut table = Self::default();
        let mut buffer = Vec::with_capacity(512);
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            if let Some(row) = pid.and_then(|pid| read_into(pid, &mut buffer)) {
                table.insert(row);
            }
        }
        table
    }

    fn insert(&mut self, row: Row) {
        self.children.entry(row.ppid).or_default().push(row.pid);
        self.sessions.entry(row.session).or_default().push(row.pid);
        self.rows.insert(row.pid, row);
    }

    pub(crate) fn get(&self, pid: u32) -> Option<&Row> {
        self.rows.get(&pid)
    }

    pub(crate) fn children_of(&self, pid: u32) -> impl Iterator<Item = &Row> {
        self.children.get(&pid).into_iter().flatten().filter_map(|pid| self.rows.get(pid))
    }

    /// `seeds`, their descendants, and the sessions that any of these lead; without zombies and this process.
    ///
    /// A session counts only when its leader is one of them: a process that is still in the session
    /// of whoever started Berth must never draw that session in.
    pub(crate) fn closure(&self, seeds: impl IntoIterator<Item = u32>) -> Vec<Row> {
        let myself = std::process::id();
        let mut seen: HashSet<u32> = HashSet::from([myself, 1]);
        let mut todo: Vec<u32> = seeds.into_iter().collect();
        let mut found = Vec::new();
        while let Some(pid) = todo.pop() {
            let Some(row) = self.rows.get(&pid).filter(|_| seen.insert(pid)) else { continue };
            if !row.is_zombie() {
                found.push(*row);
            }
            todo.extend(self.children.get(&pid).into_iter().flatten());
            todo.extend(self.sessions.get(&pid).into_iter().flatten());
        }
        found
    }

    #[cfg(test)]
    pub(crate) fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|row| table.insert(row));
        table
    }
}

/// The process table with the marks of all marked processes.
#[derive(Debug)]
pub(crate) struct Scan {
    asked: Instant,
    pub(crate) table: Table,
    pub(crate) marked: HashMap<u32, Marked>,
}

/// The last scan, for those who asked before it began: hundreds of stops at once share two or three.
static LAST: Mutex<Option<Arc<Scan>>> = Mutex::new(None);

impl Scan {
    /// A scan that began at `asked` or later. Blocking; concurrent callers share.
    pub(crate) fn since(asked: Instant) -> Arc<Self> {
        let mut last = LAST.lock();
        if let Some(scan) = last.as_ref().filter(|scan| scan.asked >= asked) {
            return Arc::clone(scan);
        }
        let scan = Arc::new(Self::now());
        *last = Some(Arc::clone(&scan));
        scan
    }

    /// Gives back the memory of the last scan.
    pub(crate) fn forget() {
        *LAST.lock() = None;
    }

    fn now() -> Self {
        let asked = Instant::now();
        let table = Table::read();
        let mut reader = MarkReader::default();
        // Session 0 are the kernel's own threads; a zombie's environment is gone.
        let readable = table.rows.values().filter(|row| row.session != 0 && !row.is_zombie());
        let marked = readable.filter_map(|row| Some((row.pid, reader.read(row.pid)?))).collect();
        Self { asked, table, marked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, ppid: u32, session: u32) -> Row {
        Row { pid, ppid, session, state: b'S', ticks: 0, resident: 0, started: u64::from(pid) }
    }

    #[test]
    fn parses_names_with_brackets_and_spaces() {
        let stat =
            b"42 (a) b (c)) S 1 42 40 0 -1 4194560 100 0 0 0 7 5 2 1 20 0 1 0 9000 1000000 250 18446744073709551615 1";
        let expected = Row { pid: 42, ppid: 1, session: 40, state: b'S', ticks: 15, resident: 250, started: 9000 };
        assert_eq!(Row::parse(stat), Some(expected));
        assert_eq!(Row::parse(b"nonsense"), None);
    }

    #[test]
    fn reads_this_process() {
        let table = Table::read();
        let myself = table.get(std::process::id()).unwrap();
        assert_eq!(Some(myself.started), row(std::process::id()).map(|row| row.started));
        assert!(myself.resident > 0);
    }

    #[test]
    fn closure_follows_children_and_sessions_but_not_a_foreign_session() {
        // 10 leads a session; 11 left it by setsid; 12 is 11's child; 13 is in 10's session, reparented.
        // 20 is a marked process still in the session of a login shell, 5.
        let table = Table::of([
            process(5, 1, 5),
            process(6, 5, 5),
            process(10, 5, 10),
            process(11, 10, 11),
            process(12, 11, 11),
            process(13, 1, 10),
            process(20, 5, 5),
        ]);
        let pids = |seeds: &[u32]| {
            let mut pids: Vec<u32> = table.closure(seeds.iter().copied()).iter().map(|row| row.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(&[10]), [10, 11, 12, 13]);
        assert_eq!(pids(&[20]), [20]);
        assert_eq!(pids(&[99]), [0_u32; 0]);
    }

    #[test]
    fn a_scan_is_shared_by_those_who_asked_before_it() {
        let early = Instant::now();
        let first = Scan::since(early);
        assert!(Arc::ptr_eq(&first, &Scan::since(early)));
        assert!(!Arc::ptr_eq(&first, &Scan::since(Instant::now())));
    }
}
