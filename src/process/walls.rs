//! Which walls this host has, found by building each once around a process that is thrown away; and
//! what is done about those that it has not.

use std::{
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{
    LaunchSpec, Marker, Room, SpawnError,
    handshake::{Letter, send_descriptors, understand},
    room::Identity,
    wire::Built,
};
use crate::domain::{
    ids::{Generation, InstanceId},
    manifest::Network,
    walls::{Allowance, Level, State, Wall, WallReport},
};

/// How long one try may take; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The walls that starts go without. The default goes without none.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allowance: Allowance,
    probed: Vec<WallReport>,
}

impl Policy {
    /// Starts may go without what `allowance` names; what [`probe`] has found missing of that is not
    /// tried again at each start.
    #[must_use]
    pub const fn new(allowance: Allowance, probed: Vec<WallReport>) -> Self {
        Self { allowance, probed }
    }

    pub(super) fn allows(&self, wall: Wall) -> bool {
        self.allowance.allows(wall)
    }

    /// Of the walls that `room` asks for, those that are not worth a try.
    pub(super) fn known_missing(&self, room: &Room) -> Vec<Built> {
        let missing = |wall: &Wall| {
            let found = self.probed.iter().find(|report| report.name == *wall && report.state == State::Missing)?;
            Some(Built { wall: *wall, detail: found.detail.clone() })
        };
        room.asked().filter(|wall| self.allows(*wall)).filter_map(|wall| missing(&wall)).collect()
    }
}

/// Every wall, from what was built and what was gone without.
pub(super) fn report(built: &[Built], without: &[Built]) -> Vec<WallReport> {
    let find = |list: &[Built], wall: Wall| list.iter().find(|one| one.wall == wall).map(|one| one.detail.clone());
    let one = |name: Wall| {
        let (state, detail) = match (find(built, name), find(without, name)) {
            (Some(detail), _) => (State::Stands, detail),
            (None, Some(detail)) => (State::Missing, detail),
            (None, None) => (State::NotAsked, "not asked for".to_owned()),
        };
        WallReport { name, state, detail }
    };
    Wall::ALL.into_iter().map(one).collect()
}

/// Tries each wall that there is, with `exe launch`. Blocking; takes some milliseconds.
///
/// `identity` is one that instances get, for a Berth that is root.
#[must_use]
pub fn probe(exe: &Path, identity: Option<Identity>) -> Vec<WallReport> {
    let spec = throw_away(identity);
    let mut without: Vec<Built> = Vec::new();
    loop {
        let walls = spec.room.asked().filter(|wall| !without.iter().any(|built| built.wall == *wall)).collect();
        match attempt(exe, &spec, walls) {
            Ok(built) => return report(&built, &without),
            Err(SpawnError::MissingWall { wall, why }) if without.iter().all(|built| built.wall != wall) => {
                without.push(Built { wall, detail: why });
            }
            Err(error) => {
                let detail = format!("could not be tried: {error}");
                let untried = spec.room.asked().map(|wall| Built { wall, detail: detail.clone() });
                return report(&[], &untried.collect::<Vec<_>>());
            }
        }
    }
}

/// [`probe`] with the running binary as the stage.
#[must_use]
pub fn probe_this_host(identity: Option<Identity>) -> Vec<WallReport> {
    probe(Path::new("/proc/self/exe"), identity)
}

fn throw_away(identity: Option<Identity>) -> LaunchSpec {
    let room = Room { level: Level::Strict, identity, network: Network::Loopback, ..Room::bare() };
    LaunchSpec {
        name: "berth-probe".to_owned(),
        program: PathBuf::from("/"),
        args: Vec::new(),
        env: Vec::new(),
        cwd: PathBuf::from("/"),
        open_files: None,
        marker: Marker { host: "probe".to_owned(), instance: InstanceId::generate(), generation: Generation(0) },
        room,
        cgroup: None,
    }
}

fn attempt(exe: &Path, spec: &LaunchSpec, walls: Vec<Wall>) -> Result<Vec<Built>, SpawnError> {
    let letter = Letter::probing(spec, walls)?;
    let (mut control, theirs) = UnixStream::pair().map_err(SpawnError::Pipes)?;
    let limits = control.set_read_timeout(Some(PATIENCE)).and_then(|()| control.set_write_timeout(Some(PATIENCE)));
    limits.map_err(SpawnError::Pipes)?;
    let mut command = Command::new(exe);
    command.arg("launch").env_clear().stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(SpawnError::Fork)?;
    // It holds our copy of the other end, whose closing is to be noticed.
    drop(command);
    let answer = converse(&mut control, &letter);
    if answer.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    understand(&answer.map_err(SpawnError::Handshake)?)
        .unwrap_or_else(|| Err(SpawnError::Handshake(io::ErrorKind::UnexpectedEof.into())))
}

fn converse(control: &mut UnixStream, letter: &Letter) -> io::Result<Vec<u8>> {
    let null = OwnedFd::from(std::fs::File::open("/dev/null")?);
    let mut answer = Vec::new();
    let sent =
        send_descriptors(&*control, &null, None, letter.lengths()).and_then(|()| control.write_all(letter.json()));
    // What a stage that has broken off says is worth more than the broken pipe; one that is only tried
    // leaves the spec unread, which resets the connection.
    let heard = control.read_to_end(&mut answer);
    if answer.is_empty() { sent.and(heard).map(|_| answer) } else { Ok(answer) }
}
