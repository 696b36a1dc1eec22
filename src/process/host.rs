//! The machine that Berth runs on, and Berth's own part of it. Reads small files of the kernel: blocks for a
//! moment; nothing where the kernel does not say.

use std::{fs, path::Path};

/// Bytes of the disk of `path`: all, and those that are free for Berth.
#[must_use]
pub fn disk_space(path: &Path) -> Option<(u64, u64)> {
    let about = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    Some((bytes(about.f_blocks), bytes(about.f_bavail)))
}

/// Processes that ran or wanted to, on average over 1, 5 and 15 minutes.
#[must_use]
pub fn load_average() -> Option<[f64; 3]> {
    read_load(&fs::read_to_string("/proc/loadavg").ok()?)
}

fn read_load(text: &str) -> Option<[f64; 3]> {
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || figures.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// Bytes of memory of the machine: all, and those that are available.
#[must_use]
pub fn host_memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some((kilobytes(&text, "MemTotal:")?, kilobytes(&text, "MemAvailable:")?))
}

/// Bytes of memory that Berth itself has resident, without its children.
#[must_use]
pub fn own_memory() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The figure of a line `Name:  123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let figure: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(figure.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(read_load("0.50 1.25 2.00 3/456 789\n"), Some([0.5, 1.25, 2.0]));
        assert_eq!(read_load("0.50 x"), None);
        assert_eq!(kilobytes("Name:\tberth\nVmRSS:\t    12 kB\n", "VmRSS:"), Some(12 * 1024));
        assert_eq!(kilobytes("", "VmRSS:"), None);
    }
}
