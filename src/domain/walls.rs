//! The walls of the room that a program runs in: which there are, which a service asks for, and how
//! one came out on this host. Pure; who builds them is `process`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How closely a service's processes are confined. The manifest's key `sandbox`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// [`Level::Standard`], and nothing that the program writes can be run, the network is never
    /// `open`, and more system calls are refused.
    Strict,
    /// Every wall that this host has.
    #[default]
    Standard,
    /// Berth's own user, files and network; only resource limits, no new privileges, an environment
    /// from nothing and no inherited descriptors. For services that an administrator answers for.
    Off,
}

impl Level {
    /// The name that manifests use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Off => "off",
        }
    }
}

/// One wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wall {
    /// A user id of its own, one per person, and no groups. When Berth is root.
    Uid,
    /// A user namespace that knows one user. When Berth is not root.
    UserNamespace,
    /// A view of the file system with only what it needs in it.
    Mounts,
    /// Its own process numbers: it sees no other process, and all of it ends at once.
    Pids,
    /// Its own System V and POSIX message queues, semaphores and shared memory.
    Ipc,
    /// Its own host name.
    Uts,
    /// Its own view of the control groups.
    CgroupNamespace,
    /// Its own network, or a guarded one.
    Network,
    /// No capability, and none to be had.
    Capabilities,
    /// Programs that would give privileges (setuid) give none.
    NoNewPrivs,
    /// System calls that only reach for the kernel are refused.
    Seccomp,
    /// File access by path, and signals and sockets of others, refused a second time.
    Landlock,
    /// Limits of open files, core dumps and file size.
    Rlimits,
    /// An environment made from nothing.
    Environment,
    /// No descriptor but 0 to 2.
    Descriptors,
}

impl Wall {
    /// All of them, in the order of display.
    pub const ALL: [Self; 15] = [
        Self::Uid,
        Self::UserNamespace,
        Self::Mounts,
        Self::Pids,
        Self::Ipc,
        Self::Uts,
        Self::CgroupNamespace,
        Self::Network,
        Self::Capabilities,
        Self::NoNewPrivs,
        Self::Seccomp,
        Self::Landlock,
        Self::Rlimits,
        Self::Environment,
        Self::Descriptors,
    ];

    /// The name that people read and write.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uid => "uid",
            Self::UserNamespace => "user_namespace",
            Self::Mounts => "mounts",
            Self::Pids => "pids",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::CgroupNamespace => "cgroup_namespace",
            Self::Network => "network",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no_new_privs",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Rlimits => "rlimits",
            Self::Environment => "environment",
            Self::Descriptors => "descriptors",
        }
    }

    /// Whether `level` asks for it, of a Berth that is `root` or not, for a program whose network is
    /// `fenced` off or not. The last four stand at every level.
    #[must_use]
    pub const fn is_asked(self, level: Level, root: bool, fenced: bool) -> bool {
        match self {
            Self::NoNewPrivs | Self::Rlimits | Self::Environment | Self::Descriptors => true,
            _ if matches!(level, Level::Off) => false,
            Self::Uid => root,
            Self::UserNamespace => !root,
            Self::Network => fenced,
            _ => true,
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Wall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|wall| wall.as_str() == text);
        found.ok_or_else(|| format!("unknown wall {text:?}: {}", names()))
    }
}

/// How a wall came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was built, and the program is behind it.
    Stands,
    /// It was asked for and is not there; the operator allowed that.
    Missing,
    /// Nobody asked for it.
    NotAsked,
}

/// What became of one wall of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallReport {
    /// Which.
    pub name: Wall,
    /// How it came out.
    pub state: State,
    /// One sentence: what it holds back, or why it is missing.
    pub detail: String,
}

/// Walls that may be missing: the setting `allow_missing_walls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    all: bool,
    walls: Vec<Wall>,
}

impl Allowance {
    /// Whether a start may go on without `wall`.
    #[must_use]
    pub fn allows(&self, wall: Wall) -> bool {
        self.all || self.walls.contains(&wall)
    }
}

impl FromStr for Allowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.into_iter().try_fold(Self::default(), |mut allowance, name| {
            match name {
                "all" => allowance.all = true,
                name => allowance.walls.push(name.parse()?),
            }
            Ok(allowance)
        })
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all {
            return f.write_str("all");
        }
        f.write_str(&self.walls.iter().map(|wall| wall.as_str()).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(level: Level, root: bool, fenced: bool) -> Vec<Wall> {
        Wall::ALL.into_iter().filter(|wall| wall.is_asked(level, root, fenced)).collect()
    }

    #[test]
    fn each_level_asks_for_its_walls() {
        use Wall::*;
        let always = [NoNewPrivs, Rlimits, Environment, Descriptors];
        for (root, fenced) in [(true, true), (true, false), (false, true), (false, false)] {
            assert_eq!(asked(Level::Off, root, fenced), always);
            for level in [Level::Standard, Level::Strict] {
                let left_out: Vec<Wall> =
                    Wall::ALL.into_iter().filter(|wall| !wall.is_asked(level, root, fenced)).collect();
                let other = if root { UserNamespace } else { Uid };
                let expected = if fenced { vec![other] } else { vec![other, Network] };
                assert_eq!(left_out, expected, "{level:?} root={root} fenced={fenced}");
            }
        }
    }

    #[test]
    fn names_read_back() {
        for wall in Wall::ALL {
            assert_eq!(wall.as_str().parse(), Ok(wall));
            assert_eq!(serde_json::to_value(wall).unwrap(), wall.as_str());
        }
        assert!("moat".parse::<Wall>().is_err());
    }

    #[test]
    fn an_allowance_is_a_list_or_all() {
        let allows = |text: &str| -> Vec<Wall> {
            let allowance: Allowance = text.parse().unwrap();
            assert_eq!(allowance.to_string().parse(), Ok(allowance.clone()));
            Wall::ALL.into_iter().filter(|wall| allowance.allows(*wall)).collect()
        };
        assert_eq!(allows(""), []);
        assert_eq!(allows("landlock, pids,"), [Wall::Pids, Wall::Landlock]);
        assert_eq!(allows("all"), Wall::ALL);
        assert!("landlock,moat".parse::<Allowance>().is_err());
    }
}
