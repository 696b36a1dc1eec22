//! Counting the files of a directory that somebody hostile fills. Everything here blocks.
//!
//! Invariants: nothing is followed: every step down goes through the open directory that it starts in,
//! and every step up is held against what was there on the way down. However deep a tree is, two
//! directories are open at a time; however wide, the names that wait are bounded. What could not be
//! looked at is said, never counted as nothing.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat},
    io::Errno,
    path::Arg,
};

/// Entries that a walk looks at before it stops.
const MAX_ENTRIES: u64 = 1_000_000;
/// Bytes of the names of directories that wait to be looked at.
const MAX_WAITING: usize = 16 << 20;
/// What a name that waits takes beside its bytes.
const OF_A_NAME: usize = 64;
/// Times that a walk finds its way again, after the directory that it was in has been moved or removed.
const MAX_LOST: u32 = 100;

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectorySize {
    /// Bytes on disk: allocated blocks, so that a file of one byte is a block, a sparse file only what it
    /// holds.
    pub bytes: u64,
    /// What is there beside directories. Links are counted, not followed.
    pub files: u64,
    /// Whether there is more than both numbers say: more than a million entries, or some that cannot be
    /// read.
    pub is_lower_bound: bool,
}

/// Counts what is below `path`, links not followed; nothing when it does not exist.
///
/// # Errors
/// Berth itself is short of open files or of memory: this says nothing about the directory.
pub fn directory_size(path: &Path) -> io::Result<DirectorySize> {
    let mut walk = Walk::default();
    let is_whole = match open(CWD, path) {
        Ok(top) => walk.run(path, top),
        Err(Errno::NOENT) => Ok(true),
        Err(error) => own_shortage(error).map(|()| false),
    }?;
    Ok(DirectorySize { is_lower_bound: !is_whole || walk.has_missed, ..walk.size })
}

/// A directory on the way from the top to the one that is open.
struct Level {
    /// Its name in the one above.
    name: CString,
    identity: Identity,
    /// Directories in it that are yet to be looked at.
    waiting: Vec<CString>,
}

/// Which directory it is, whatever it is called by now.
type Identity = (u64, u64);

#[derive(Default)]
struct Walk {
    size: DirectorySize,
    entries: u64,
    levels: Vec<Level>,
    /// What the names in `levels` take.
    waiting_bytes: usize,
    lost: u32,
    /// Something could not be looked at.
    has_missed: bool,
}

impl Walk {
    /// Walks until all is counted (`true`) or a bound is met (`false`).
    fn run(&mut self, path: &Path, top: OwnedFd) -> io::Result<bool> {
        let mut at = top;
        self.enter(CString::default(), &at)?;
        while let Some(level) = self.levels.last_mut() {
            if self.entries > MAX_ENTRIES || self.lost > MAX_LOST {
                return Ok(false);
            }
            match level.waiting.pop() {
                Some(name) => match open(&at, &name) {
                    Ok(below) => {
                        at = below;
                        self.enter(name, &at)?;
                    }
                    Err(error) => {
                        self.forget(&name);
                        self.miss(error)?;
                    }
                },
                None => match self.up(&at, path)? {
                    Some(above) => at = above,
                    None => break,
                },
            }
        }
        Ok(true)
    }

    /// Counts what is in a directory, and makes it the one that the walk is in.
    fn enter(&mut self, name: CString, directory: &OwnedFd) -> io::Result<()> {
        let identity = identity(&fstat(directory)?);
        let mut waiting = Vec::new();
        if let Err(error) = self.count(directory, &mut waiting) {
            self.miss(error)?;
        }
        self.levels.push(Level { name, identity, waiting });
        Ok(())
    }

    fn count(&mut self, directory: &OwnedFd, waiting: &mut Vec<CString>) -> rustix::io::Result<()> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                break;
            }
            match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(about) => self.add(name, &about, waiting),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &CStr, about: &Stat, waiting: &mut Vec<CString>) {
        let blocks = u64::try_from(about.st_blocks).unwrap_or(0);
        self.size.bytes = self.size.bytes.saturating_add(blocks.saturating_mul(512));
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            self.size.files += 1;
        } else if self.waiting_bytes < MAX_WAITING {
            self.waiting_bytes += weight(name);
            waiting.push(name.to_owned());
        } else {
            self.has_missed = true;
        }
    }

    /// Leaves the directory for the one above it; `None` when that was the top.
    fn up(&mut self, at: &OwnedFd, path: &Path) -> io::Result<Option<OwnedFd>> {
        self.leave();
        let Some(level) = self.levels.last() else { return Ok(None) };
        match open(at, c"..") {
            Ok(above) if identity(&fstat(&above)?) == level.identity => Ok(Some(above)),
            Err(error) if is_own_shortage(error) => Err(error.into()),
            _ => self.find_back(path),
        }
    }

    /// The directory was moved or removed under the walk: finds the lowest one on the way to it that is
    /// still in its place, and goes on from there.
    fn find_back(&mut self, path: &Path) -> io::Result<Option<OwnedFd>> {
        self.lost += 1;
        let mut found = None;
        let mut depth = 0;
        for level in &self.levels {
            let next = match &found {
                None => open(CWD, path),
                Some(at) => open(at, &level.name),
            };
            match next {
                Ok(next) if identity(&fstat(&next)?) == level.identity => found = Some(next),
                Err(error) if is_own_shortage(error) => return Err(error.into()),
                _ => break,
            }
            depth += 1;
        }
        while self.levels.len() > depth {
            self.leave();
        }
        Ok(found)
    }

    /// Forgets the directory that the walk is in.
    fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            level.waiting.iter().chain([&level.name]).for_each(|name| self.forget(name));
        }
    }

    fn forget(&mut self, name: &CStr) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(name));
    }

    /// What is gone by now, or is no directory any more, is not missed.
    fn miss(&mut self, error: Errno) -> io::Result<()> {
        own_shortage(error)?;
        self.has_missed |= !matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
        Ok(())
    }
}

fn open(at: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

const fn identity(about: &Stat) -> Identity {
    (about.st_dev, about.st_ino)
}

fn weight(name: &CStr) -> usize {
    name.count_bytes() + OF_A_NAME
}

const fn is_own_shortage(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

fn own_shortage(error: Errno) -> io::Result<()> {
    if is_own_shortage(error) { Err(error.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
