//! Groups that an earlier run left behind: every group below one named `berth-<host>`, wherever in the
//! hierarchies that run was started. Everything here blocks.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    base, files,
    group::{self, Dir},
    kill,
    mounts::{self, Version},
};
use crate::{
    domain::ids::{Generation, InstanceId},
    process::reaper,
};

/// How deep in a hierarchy a base is looked for; deeper than any service manager nests.
const MAX_DEPTH: usize = 12;

/// How long killed processes may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(2);

/// A group of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleGroup {
    /// Its directory.
    pub path: PathBuf,
    /// Whose it was, when its name says so.
    pub instance: Option<InstanceId>,
    /// Which start.
    pub generation: Option<Generation>,
    /// The processes that are still in it.
    pub pids: Vec<u32>,
}

/// All groups of instances of the data directory `host`, those of a running Berth included.
#[must_use]
pub fn find_groups(host: &str) -> Vec<StaleGroup> {
    let name = base::name(host);
    let mut found = Vec::new();
    for hierarchy in mounts::read() {
        for base in bases_below(&hierarchy.mount, &name) {
            found.extend(children(&base).map(|path| StaleGroup::at(&path)));
        }
    }
    found
}

impl StaleGroup {
    fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (instance, generation) = parse(&name).unzip();
        Self { path: path.to_path_buf(), instance, generation, pids: files::pids(path) }
    }

    fn dir(&self) -> Dir {
        let version = if self.path.join("cgroup.controllers").exists() { Version::V2 } else { Version::V1 };
        group::dirs_at(version, &self.path)
    }
}

/// `<instance>-<generation>.<number>`.
fn parse(name: &str) -> Option<(InstanceId, Generation)> {
    let (instance, start) = name.rsplit_once('-')?;
    let generation = start.split('.').next()?;
    Some((instance.parse().ok()?, Generation(generation.parse().ok()?)))
}

/// Kills what is in `groups` and removes them; returns how many processes that ended.
///
/// Nothing may be launched for the same host meanwhile.
#[must_use]
pub fn end_groups(groups: &[StaleGroup]) -> usize {
    let mut ended = BTreeSet::new();
    let deadline = Instant::now() + KILL_BOUND;
    for group in groups {
        let dir = group.dir();
        ended.extend(files::pids(&group.path));
        kill::kill_all(std::slice::from_ref(&dir));
        while !files::remove(&group.path) && Instant::now() < deadline {
            pause();
        }
        if group.path.exists() {
            log::warn!("the group {} of an earlier run cannot be removed", group.path.display());
        }
    }
    // The bases themselves, where nothing is left in them: Berth may run elsewhere now.
    for base in groups.iter().filter_map(|group| group.path.parent()).collect::<BTreeSet<_>>() {
        files::remove(base);
    }
    reaper::count_orphans(ended.len());
    ended.len()
}

fn bases_below(mount: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut level = vec![mount.to_path_buf()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for path in level.iter().flat_map(|dir| children(dir)) {
            if path.file_name().is_some_and(|it| it == name) {
                found.push(path);
            } else {
                next.push(path);
            }
        }
        level = next;
    }
    found
}

fn children(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

#[allow(clippy::disallowed_methods, reason = "documented as blocking")]
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whose_group_it_is() {
        let instance = InstanceId::generate();
        let cases = [
            (format!("{instance}-17.3"), Some((instance, Generation(17)))),
            (format!("{instance}-17"), Some((instance, Generation(17)))),
            ("probe-12".to_owned(), None),
            (instance.to_string(), None),
            (String::new(), None),
        ];
        for (name, expected) in cases {
            assert_eq!(parse(&name), expected, "{name}");
        }
    }
}
