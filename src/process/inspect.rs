//! A closer look at one process tree and at one port, for somebody who asks why. Blocking; not for every sample.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::Path,
};

use serde::Serialize;

use super::table::Table;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProcessView {
    /// Its id.
    pub pid: u32,
    /// Its name, as the kernel keeps it: at most 15 characters.
    pub name: String,
    /// Its threads.
    pub threads: u32,
    /// Its open files.
    pub open_files: u32,
    /// Its resident bytes.
    pub memory_bytes: u64,
    /// Seconds since it was started.
    pub age_seconds: u64,
}

/// Who listens on a port of the loopback or of all addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Listener {
    /// Nobody.
    Nobody,
    /// A process of the tree that was asked about.
    Own {
        /// Its id.
        pid: u32,
    },
    /// Somebody else, who is not ours to name.
    Other,
}

/// The leader and all processes that belong to it, the leader first. Empty when it has ended.
#[must_use]
pub fn processes_of(leader: u32) -> Vec<ProcessView> {
    let table = Table::read();
    let uptime = uptime_seconds();
    let mut rows = table.closure([leader]);
    rows.sort_by_key(|row| (row.pid != leader, row.started));
    let view = |row: &super::table::Row| {
        let started = row.started / rustix::param::clock_ticks_per_second().max(1);
        ProcessView {
            pid: row.pid,
            name: fs::read_to_string(format!("/proc/{}/comm", row.pid)).unwrap_or_default().trim().to_owned(),
            threads: count(&format!("/proc/{}/task", row.pid)),
            open_files: count(&format!("/proc/{}/fd", row.pid)),
            memory_bytes: row.resident.saturating_mul(rustix::param::page_size() as u64),
            age_seconds: uptime.saturating_sub(started),
        }
    };
    rows.iter().map(view).collect()
}

/// Who listens on `port`, seen from the network that `leader` lives in.
#[must_use]
pub fn listener_on(port: u16, leader: Option<u32>) -> Listener {
    let network = leader.map_or_else(|| "/proc/self/net".to_owned(), |pid| format!("/proc/{pid}/net"));
    let sockets: HashSet<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new(&network).join(table)).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    if sockets.is_empty() {
        return Listener::Nobody;
    }
    let members = leader.map(|leader| Table::read().closure([leader])).unwrap_or_default();
    let own = members.iter().find(|row| holds_one_of(row.pid, &sockets));
    own.map_or(Listener::Other, |row| Listener::Own { pid: row.pid })
}

/// The sockets that listen on `port` of this host, whoever's they are.
#[must_use]
pub fn sockets_on(port: u16) -> BTreeSet<String> {
    let tables = ["tcp", "tcp6"].iter().filter_map(|table| fs::read_to_string(format!("/proc/self/net/{table}")).ok());
    tables.flat_map(|table| listening(&table, port)).collect()
}

/// The sockets, as descriptors name them, that listen on `port` in a table of proc_net_tcp(5).
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        is_it.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
    };
    table.lines().skip(1).filter_map(socket).collect()
}

fn holds_one_of(pid: u32, sockets: &HashSet<String>) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

fn count(directory: &str) -> u32 {
    fs::read_dir(directory).map_or(0, |entries| u32::try_from(entries.count()).unwrap_or(u32::MAX))
}

fn uptime_seconds() -> u64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(['.', ' ']).next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// Bytes that are free for Berth on the disk of `path`; `None` when that cannot be told.
#[must_use]
pub fn disk_free(path: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(path).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1\n   1: 0100007F:0BB9 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12346 1\n";
        assert_eq!(listening(table, 3001), ["socket:[12345]"]);
        assert_eq!(listening(table, 3002), [""; 0]);
    }

    #[test]
    fn tells_who_listens() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(listener_on(port, None), Listener::Other);
        drop(socket);
        assert_eq!(listener_on(port, None), Listener::Nobody);
    }

    #[test]
    fn sees_a_process() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let seen = processes_of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].threads == 1 && seen[0].open_files > 0 && seen[0].age_seconds < 600, "{seen:?}");
        assert_eq!(processes_of(child.id()), []);
    }

    #[test]
    fn sees_the_room_on_a_disk() {
        assert!(disk_free(Path::new("/")).is_some());
        assert_eq!(disk_free(Path::new("/no/such/place")), None);
    }
}
