//! What a process tree uses, from one pass over `/proc` for all instances. Everything here blocks.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use super::table::Table;
use crate::domain::limits::Usage;

/// Entries that a walk over a directory looks at before it stops: beyond this the sum is a lower bound.
const MAX_ENTRIES: usize = 1_000_000;

/// One sample of a process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// What it uses. Disk and log bytes are zero: they are walked less often, by [`directory_bytes`].
    pub usage: Usage,
    /// CPU ticks so far, to be given to the next call.
    pub ticks: u64,
}

/// Sums over the members of the session that `leader` leads and over its descendants.
///
/// `previous` is the last sample's ticks, `elapsed` the time since; without one the CPU is 0 %.
/// CPU counts processes that ended in between as long as their parent waited for them.
#[must_use]
pub fn usage_of(table: &Table, leader: u32, previous: Option<u64>, elapsed: Duration) -> Sample {
    let members = table.closure([leader]);
    let ticks = members.iter().map(|row| row.ticks).sum::<u64>();
    let resident = members.iter().map(|row| row.resident).sum::<u64>();
    let open_files = members.iter().map(|row| open_files(row.pid)).sum::<usize>();
    let spent = previous.map_or(0, |previous| ticks.saturating_sub(previous));
    let usage = Usage {
        memory_bytes: resident.saturating_mul(rustix::param::page_size() as u64),
        cpu_percent: percent(spent, elapsed),
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
        open_files: u32::try_from(open_files).unwrap_or(u32::MAX),
        ..Usage::default()
    };
    Sample { usage, ticks }
}

/// Ticks in `elapsed` as a percentage of one core.
fn percent(ticks: u64, elapsed: Duration) -> u32 {
    let spent_ms = ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    u32::try_from(spent_ms.saturating_mul(100) / elapsed_ms).unwrap_or(u32::MAX)
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Bytes on disk below `path`, links not followed; zero when it does not exist.
///
/// Counts allocated blocks: a file of one byte is a block, a sparse file only what it holds.
#[must_use]
pub fn directory_bytes(path: &Path) -> u64 {
    let mut bytes = 0_u64;
    let mut entries = 0;
    let mut directories = vec![path.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return bytes;
            }
            // `DirEntry::metadata` does not follow a link.
            let Ok(metadata) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_of_one_core() {
        let second = Duration::from_secs(1);
        let hertz = rustix::param::clock_ticks_per_second();
        let cases = [(0, second, 0), (hertz, second, 100), (hertz * 2, second, 200), (hertz, second * 4, 25)];
        for (ticks, elapsed, expected) in cases {
            assert_eq!(percent(ticks, elapsed), expected, "{ticks} in {elapsed:?}");
        }
        assert_eq!(percent(u64::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn directory_bytes_does_not_follow_links() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        fs::write(directory.path().join("below/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/usr", directory.path().join("link")).unwrap();
        std::os::unix::fs::symlink("..", directory.path().join("below/loop")).unwrap();
        let bytes = directory_bytes(directory.path());
        assert!((100_000..200_000).contains(&bytes), "{bytes}");
        assert_eq!(directory_bytes(&directory.path().join("missing")), 0);
    }
}
