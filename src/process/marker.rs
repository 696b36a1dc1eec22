//! The mark in a child's environment that says whose process it is.
//!
//! It is the only thing that survives `fork`, `setsid`, the end of the leader and the end of Berth
//! alike, and that a later run of Berth can read again.

use std::{fs, io::Read, path::PathBuf};

use crate::domain::ids::{Generation, InstanceId};

const HOST: &str = "BERTH_HOST";
const INSTANCE: &str = "BERTH_INSTANCE";
const GENERATION: &str = "BERTH_GENERATION";
const NAME: &str = "BERTH_NAME";

/// Longest environment that is read; the kernel allows a quarter of an 8 MiB stack.
const MAX_ENVIRON: u64 = 4 << 20;

/// Whose process it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// The data directory's own id, so that two Berths on one machine never touch each other's processes.
    pub host: String,
    /// The instance.
    pub instance: InstanceId,
    /// Which start of it.
    pub generation: Generation,
}

impl Marker {
    /// The environment variables that carry the mark, and the name shown to people.
    pub(crate) fn env(&self, name: &str) -> [(&'static str, String); 4] {
        [
            (HOST, self.host.clone()),
            (INSTANCE, self.instance.to_string()),
            (GENERATION, self.generation.to_string()),
            (NAME, name.to_owned()),
        ]
    }

    /// Whether a process marked `other` belongs to this start of the instance or an earlier one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.host == other.host && self.instance == other.instance && other.generation <= self.generation
    }
}

/// A mark as read from a process, with the name that came with it.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    pub(crate) marker: Marker,
    pub(crate) name: String,
}

/// Reads marks; keeps one buffer for all processes of a pass.
#[derive(Default)]
pub(crate) struct MarkReader {
    environ: Vec<u8>,
}

impl MarkReader {
    /// The mark of process `pid`; `None` when it has none, is a zombie or is not ours to read.
    pub(crate) fn read(&mut self, pid: u32) -> Option<Marked> {
        self.environ.clear();
        let path = PathBuf::from(format!("/proc/{pid}/environ"));
        fs::File::open(path).ok()?.take(MAX_ENVIRON).read_to_end(&mut self.environ).ok()?;
        parse(&self.environ)
    }
}

fn parse(environ: &[u8]) -> Option<Marked> {
    // Most processes of a machine are not ours: one search tells.
    memchr::memmem::find(environ, b"BERTH_HOST=")?;
    let variable = |name: &str| {
        environ.split(|byte| *byte == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            std::str::from_utf8(value).ok()
        })
    };
    let marker = Marker {
        host: variable(HOST)?.to_owned(),
        instance: variable(INSTANCE)?.parse().ok()?,
        generation: Generation(variable(GENERATION)?.parse().ok()?),
    };
    Some(Marked { marker, name: variable(NAME).unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes_and_nothing_else() {
        let marker = Marker { host: "h".to_owned(), instance: InstanceId::generate(), generation: Generation(7) };
        let environ: Vec<u8> = std::iter::once("A=1\0XBERTH_HOST=no\0".to_owned())
            .chain(marker.env("mcp-1-x-1").iter().map(|(name, value)| format!("{name}={value}\0")))
            .collect::<String>()
            .into_bytes();
        let read = parse(&environ).unwrap();
        assert_eq!((read.marker, read.name.as_str()), (marker, "mcp-1-x-1"));

        for other in [&b""[..], b"PATH=/bin\0", b"BERTH_HOST=h\0BERTH_INSTANCE=nonsense\0BERTH_GENERATION=1\0"] {
            assert!(parse(other).is_none());
        }
    }

    #[test]
    fn covers_its_own_and_earlier_starts_only() {
        let marker = Marker { host: "h".to_owned(), instance: InstanceId::generate(), generation: Generation(2) };
        let cases = [
            (marker.clone(), true),
            (Marker { generation: Generation(1), ..marker.clone() }, true),
            (Marker { generation: Generation(3), ..marker.clone() }, false),
            (Marker { host: "other".to_owned(), ..marker.clone() }, false),
            (Marker { instance: InstanceId::generate(), ..marker.clone() }, false),
        ];
        for (other, covered) in cases {
            assert_eq!(marker.covers(&other), covered, "{other:?}");
        }
    }
}
