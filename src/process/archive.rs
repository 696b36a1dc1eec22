//! Packing the logs of an instance away when its time is over. Everything here blocks.
//!
//! Invariants: no link is followed: every step goes through the open directory that it is about. Nothing
//! is removed before all of it is safely packed; what could not be packed whole leaves nothing behind.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::DirBuilderExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat},
    io::Errno,
    path::Arg,
};

use super::{
    dirs::remove_tree,
    logs::{LogError, compress},
};

/// Directories below that of an instance's logs: `connections`, and in it that of each connection.
const MAX_DEPTH: u32 = 2;
/// Files and directories that an archive is made of: far more than the logs of all connections.
const MAX_ENTRIES: u32 = 100_000;

/// Moves every file in and below `log_dir` into `archive_dir`, compressed, and removes `log_dir`.
///
/// `archive_dir` must not be there yet; it is made when there is a file for it. Directories deeper than
/// those of connections hold no logs and are not looked into.
///
/// # Errors
/// The archive cannot be written. The logs are then still where they were, and there is no archive.
pub fn archive(log_dir: &Path, archive_dir: &Path) -> Result<(), LogError> {
    if fs::symlink_metadata(archive_dir).is_ok() {
        return Err(LogError::on("archive into", archive_dir)(io::ErrorKind::AlreadyExists.into()));
    }
    let top = open_directory(CWD, log_dir);
    let top = top.map_err(|error| LogError::on("read the log directory", log_dir)(error.into()))?;
    let mut packer = Packer { entries: 0 };
    if let Err(error) = packer.pack(&top, log_dir, archive_dir, 0) {
        if let Err(left) = remove_tree(archive_dir) {
            log::warn!("what was archived in vain is left behind: {left}");
        }
        return Err(error);
    }
    remove_tree(log_dir).map_err(LogError::on("remove the archived log directory", log_dir))
}

struct Packer {
    /// Looked at so far.
    entries: u32,
}

impl Packer {
    /// Packs what is in `directory`, which was found at `path`, into `target`.
    fn pack(&mut self, directory: &OwnedFd, path: &Path, target: &Path, depth: u32) -> Result<(), LogError> {
        let read = |error: Errno| LogError::on("read the log directory", path)(error.into());
        for entry in Dir::read_from(directory).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                let error = io::Error::other(format!("it has more than {MAX_ENTRIES} entries"));
                return Err(LogError::on("archive", path)(error));
            }
            self.pack_one(directory, name, (&path.join(name), target), depth)?;
        }
        Ok(())
    }

    /// Packs the file or the directory `name`; anything else is no log.
    fn pack_one(
        &mut self,
        directory: &OwnedFd,
        name: &OsStr,
        (path, target): (&Path, &Path),
        depth: u32,
    ) -> Result<(), LogError> {
        match open_directory(directory, name) {
            Ok(below) if depth < MAX_DEPTH => return self.pack(&below, path, &target.join(name), depth + 1),
            Err(Errno::NOTDIR) => {}
            Ok(_) | Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
            Err(error) => return Err(LogError::on("read the log directory", path)(error.into())),
        }
        let file = match open_file(directory, name) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(error) => return Err(LogError::on("read", path)(error)),
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(target);
        made.map_err(LogError::on("make the archive directory", target))?;
        let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
        compress(file, is_compressed, &archived_name(target, name, is_compressed))
            .map_err(LogError::on("archive", path))
    }
}

fn archived_name(target: &Path, name: &OsStr, is_compressed: bool) -> PathBuf {
    let mut path = target.join(name);
    if !is_compressed {
        path.as_mut_os_string().push(".gz");
    }
    path
}

fn open_directory(at: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// `None` for a link, a pipe, a device or a socket. Not waiting for the other end of a pipe.
fn open_file(at: &OwnedFd, name: &OsStr) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()) {
        Ok(file) => Ok(Some(File::from(file)).filter(|file| file.metadata().is_ok_and(|about| about.is_file()))),
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
