//! Which limits hold on this machine, and by what. Probed, never assumed.

use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use serde::Serialize;

use super::{table, wire::DEFAULT_OPEN_FILES};
use crate::domain::walls::{State, WallReport};

/// By what a limit or a guarantee holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The kernel refuses: a resource limit, or a flag that survives `exec`.
    ByRlimit,
    /// Looked at every few seconds; three samples over the limit end the instance.
    BySampling,
    /// The kernel refuses: a wall around the process.
    ByWall,
    /// Not here.
    NotAvailable,
}

impl How {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByRlimit => "by rlimit",
            Self::BySampling => "by sampling",
            Self::ByWall => "by wall",
            Self::NotAvailable => "not available",
        }
    }
}

/// One line of what is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// `memory`, `cpu`, `processes`, `open_files`, `disk`, `core_dumps`, `ports_of_open_services`, `whole_tree_stop`, or a wall.
    pub what: &'static str,
    /// By what it holds.
    pub how: How,
    /// One sentence for a person.
    pub detail: String,
}

/// The walls of a probe as lines of what is in force; those that this Berth never asks for left out.
#[must_use]
pub fn walls_in_force(probed: &[WallReport]) -> Vec<Enforcement> {
    let asked = probed.iter().filter(|report| report.state != State::NotAsked);
    let line = |report: &WallReport| Enforcement {
        what: report.name.as_str(),
        how: if report.state == State::Stands { How::ByWall } else { How::NotAvailable },
        detail: report.detail.clone(),
    };
    asked.map(line).collect()
}

/// What is in force on this machine, in the order of display. Cheap; call it once at start.
#[must_use]
pub fn probe() -> Vec<Enforcement> {
    let line = |what, how, detail: &str| Enforcement { what, how, detail: detail.to_owned() };
    let sampled = |what, detail: &str| match table::row(std::process::id()) {
        Some(_) => line(what, How::BySampling, detail),
        None => line(what, How::NotAvailable, "/proc cannot be read"),
    };
    let tree = match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => line("whole_tree_stop", How::BySampling, "process group, then every process that carries the mark"),
        Err(_) => line("whole_tree_stop", How::NotAvailable, "needs Linux 5.3 (pidfd): no child can be started"),
    };
    vec![
        sampled("memory", "resident bytes of the process tree"),
        sampled("cpu", "percent of one core, of the process tree"),
        sampled("processes", "processes of the tree"),
        open_files(),
        line("disk", How::BySampling, "blocks below the instance's directories"),
        line("core_dumps", How::ByRlimit, "off"),
        line(
            "ports_of_open_services",
            How::NotAvailable,
            "an HTTP service with `network = \"open\"` can be connected to by other open services and users of this host; \
             with any other `network` by Berth alone",
        ),
        tree,
    ]
}

fn open_files() -> Enforcement {
    let detail = match getrlimit(Resource::Nofile).maximum {
        Some(hard) if hard < u64::from(DEFAULT_OPEN_FILES) => {
            format!("at most {hard} per process: the hard limit that Berth was started with")
        }
        _ => format!("{DEFAULT_OPEN_FILES} per process unless the service says otherwise"),
    };
    Enforcement { what: "open_files", how: How::ByRlimit, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_something_of_every_limit_once() {
        let probed = probe();
        for what in [
            "memory",
            "cpu",
            "processes",
            "open_files",
            "disk",
            "core_dumps",
            "ports_of_open_services",
            "whole_tree_stop",
        ] {
            assert_eq!(probed.iter().filter(|line| line.what == what).count(), 1, "{what}");
        }
        assert!(probed.iter().all(|line| !line.detail.is_empty()));
    }
}
