//! Which limits hold on this machine, and by what. Probed, never assumed.

use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use serde::Serialize;

use super::{Cgroups, table, wire::DEFAULT_OPEN_FILES};

/// By what a limit or a guarantee holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The kernel, by a control group.
    ByCgroup,
    /// The kernel refuses: a resource limit, or a flag that survives `exec`.
    ByRlimit,
    /// Looked at every few seconds; three samples over the limit end the instance.
    BySampling,
    /// Not here.
    NotAvailable,
}

impl How {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByCgroup => "by cgroup",
            Self::ByRlimit => "by rlimit",
            Self::BySampling => "by sampling",
            Self::NotAvailable => "not available",
        }
    }
}

/// One line of what is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// `memory`, `cpu`, `processes`, `open_files`, `disk`, `log`, `core_dumps` or `whole_tree_stop`.
    pub what: &'static str,
    /// By what it holds.
    pub how: How,
    /// One sentence for a person.
    pub detail: String,
}

/// What is in force on this machine with `cgroups`, in the order of display. Cheap; call it once at start.
#[must_use]
pub fn probe(cgroups: &Cgroups) -> Vec<Enforcement> {
    let [memory, cpu, processes, freezer] = cgroups.kinds();
    let held = |what, kind: Option<&str>, by_kernel: &str, by_sampling: &str| match kind {
        Some(kind) => line(what, How::ByCgroup, format!("{kind}, {by_kernel}")),
        None if table::row(std::process::id()).is_none() => {
            line(what, How::NotAvailable, "/proc cannot be read".to_owned())
        }
        None => line(what, How::BySampling, format!("{by_sampling}{}", why_not(cgroups))),
    };
    vec![
        held("memory", memory, "of the process tree with its file cache", "resident bytes of the process tree"),
        held("cpu", cpu, "percent of one core, of the process tree", "percent of one core, of the process tree"),
        held(
            "processes",
            processes,
            "twice as many processes and threads; the number itself by sampling",
            "processes of the tree",
        ),
        open_files(),
        line("disk", How::BySampling, "blocks below the instance's directories".to_owned()),
        line("log", How::BySampling, "blocks of the instance's logs, which are rotated by size".to_owned()),
        line("core_dumps", How::ByRlimit, "off".to_owned()),
        tree(freezer),
    ]
}

const fn line(what: &'static str, how: How, detail: String) -> Enforcement {
    Enforcement { what, how, detail }
}

/// Why there is no control group, and what to do about it.
fn why_not(cgroups: &Cgroups) -> String {
    let Some(note) = cgroups.notes().first() else { return String::new() };
    format!(
        "; no control group: {note} (start Berth as a systemd service with Delegate=yes, \
         or with `systemd-run --user --scope -p Delegate=yes`)"
    )
}

fn tree(freezer: Option<&str>) -> Enforcement {
    let what = "whole_tree_stop";
    match (pidfd_open(getpid(), PidfdFlags::empty()), freezer) {
        (Err(_), _) => line(what, How::NotAvailable, "needs Linux 5.3 (pidfd): no child can be started".to_owned()),
        (Ok(_), Some(kind)) => {
            let detail = "process group, then all of its control group at once, then every process with the mark";
            line(what, How::ByCgroup, format!("{kind}, {detail}"))
        }
        (Ok(_), None) => {
            line(what, How::BySampling, "process group, then every process that carries the mark".to_owned())
        }
    }
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
        let probed = probe(&Cgroups::none());
        for what in ["memory", "cpu", "processes", "open_files", "disk", "log", "core_dumps", "whole_tree_stop"] {
            assert_eq!(probed.iter().filter(|line| line.what == what).count(), 1, "{what}");
        }
        assert!(probed.iter().all(|line| !line.detail.is_empty()));
        let memory = probed.iter().find(|line| line.what == "memory").unwrap();
        assert_eq!(memory.how, How::BySampling);
        assert!(memory.detail.contains("Delegate=yes"), "{}", memory.detail);
    }
}
