//! What a Berth and its children leave on a host: processes, directories, ports, descriptors.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::support::{TestApp, procs, wait_for};

/// A folder of the run's own for its child program: whoever runs it is ours, whatever they hide.
pub(super) fn tools() -> TempDir {
    let tools = tempfile::Builder::new().prefix("berth-it-soak-").tempdir().unwrap();
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_fake-mcp"), program(&tools)).unwrap();
    tools
}

pub(super) fn program(tools: &TempDir) -> PathBuf {
    tools.path().join("fake-mcp")
}

#[derive(Debug)]
pub(super) struct Traces {
    pub(super) processes: Vec<String>,
    /// Directories of instances, connections and their logs.
    pub(super) folders: Vec<PathBuf>,
    /// Ports of the range that somebody listens on.
    pub(super) ports: Vec<u16>,
    pub(super) descriptors: Vec<String>,
}

impl Traces {
    pub(super) fn of(app: &TestApp, tools: &TempDir) -> Self {
        let first = app.ports().first();
        Self {
            processes: procs::running(&program(tools)),
            folders: ["instances", "sessions", "connections", "rooms"]
                .iter()
                .flat_map(|name| children(&app.data().join(name)))
                .chain(children(&app.data().join("logs/users")).iter().flat_map(|user| children(user)))
                .collect(),
            ports: (first..first + procs::PORTS)
                .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_err())
                .collect(),
            descriptors: descriptors(app),
        }
    }

    /// The same once nothing is left and nothing moves any more.
    pub(super) fn settled(app: &TestApp, tools: &TempDir) -> Self {
        let (mut last, mut same) = (0, 0);
        wait_for("a steady state with nothing left", || {
            let now = Self::of(app, tools);
            let is_empty = now.processes.is_empty() && now.folders.is_empty() && now.ports.is_empty();
            same = if is_empty && now.descriptors.len() == last { same + 1 } else { 0 };
            last = now.descriptors.len();
            (same > 20).then_some(now)
        })
    }

    /// Whether nothing is there that was not there before.
    pub(super) fn is_within(&self, before: &Self) -> bool {
        self.processes.is_empty()
            && self.folders.is_empty()
            && self.ports.is_empty()
            && self.descriptors.len() <= before.descriptors.len()
    }
}

/// Berth's, without the connections that this program's clients keep.
fn descriptors(app: &TestApp) -> Vec<String> {
    let port: u16 = app.url.rsplit(':').next().unwrap().parse().unwrap();
    let is_a_clients = |line: &String| {
        let mut fields = line.split(' ').skip(1);
        let is_local = fields.next().is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
        is_local && fields.nth(1) == Some("01")
    };
    app.descriptors().into_iter().filter(|line| !is_a_clients(line)).collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
