//! Removing what a program has left, which may have been made to be hard to remove: closed directories,
//! links in place of directories, directories ten thousand deep.
//!
//! Invariants: nothing is followed, whatever is renamed meanwhile: every step goes through the open
//! directory that it is about. However deep a tree is, two directories are open at a time: what lies
//! deeper is moved up before it is looked at.

use std::{
    ffi::{CStr, CString},
    fs::{self, File, Permissions},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat},
    io::Errno,
    path::Arg,
};

/// Looks at the top directory before it is given up: somebody fills it faster than it is emptied.
const MAX_ROUNDS: u32 = 100_000;

/// Removes `path` and everything below it. A link is removed, not followed.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let top = match open(CWD, path) {
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlinkat(CWD, path, AtFlags::empty())?),
        top => top?,
    };
    let mut moved = 0;
    for _ in 0..MAX_ROUNDS {
        if !empty_once(&top, &mut moved)? {
            return Ok(unlinkat(CWD, path, AtFlags::REMOVEDIR)?);
        }
    }
    Err(io::Error::other("it is being filled while it is emptied"))
}

/// Removes what is in `top`, moving what lies two levels down into it; whether there was anything.
fn empty_once(top: &OwnedFd, moved: &mut u64) -> io::Result<bool> {
    let mut found = false;
    for name in names(top)? {
        let name = name?;
        found = true;
        if is_removed(top, &name)? {
            continue;
        }
        let directory = open(top, &name)?;
        for below in names(&directory)? {
            let below = below?;
            if !is_removed(&directory, &below)? {
                // Moving a directory writes to it, too.
                drop(open(&directory, &below)?);
                *moved += 1;
                match renameat(&directory, &below, top, format!(".removed-{moved}")) {
                    // That name was somebody's own; the next round has another.
                    Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(found)
}

/// Removes a file, a link or an empty directory; `false` for a directory that is not empty.
fn is_removed(at: &OwnedFd, name: &CStr) -> io::Result<bool> {
    match unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(at, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn names(directory: &OwnedFd) -> io::Result<impl Iterator<Item = io::Result<CString>>> {
    let entries = Dir::read_from(directory)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_owned()).map_err(io::Error::from));
    Ok(names.filter(|name| !matches!(name.as_deref().map(CStr::to_bytes), Ok(b"." | b".."))))
}

/// Opens a directory to read it; one that is closed to its owner is opened up first.
fn open(at: impl AsFd + Copy, name: impl Arg + Copy) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if !rustix::process::geteuid().is_root() {
        let pinned = File::from(pin(at, name)?);
        if pinned.metadata().is_ok_and(|about| about.is_dir() && about.permissions().mode() & 0o700 != 0o700) {
            open_up(&pinned).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))?;
        }
    }
    openat(at, name, flags, Mode::empty())
}

/// Holds on to what is at `name`, be it a link, without any right to it.
pub(super) fn pin(at: impl AsFd, name: impl Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Gives its owner, and nobody else, every right to a directory that [`pin`] holds.
pub(super) fn open_up(directory: &File) -> io::Result<()> {
    // The very file that is held: a change by its name could reach what has taken its place.
    fs::set_permissions(format!("/proc/self/fd/{}", directory.as_raw_fd()), Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering::Relaxed},
    };

    use super::*;

    #[test]
    fn a_tree_as_deep_as_no_program_can_walk_is_removed() {
        let base = tempfile::tempdir().unwrap();
        let top = base.path().join("top");
        fs::create_dir(&top).unwrap();
        let mut at = open(CWD, &top).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = open(&at, "d").unwrap();
        }
        drop(at);
        remove_tree(&top).unwrap();
        assert!(!top.exists());
    }

    /// A directory becomes a link to the outside and back, all the time.
    #[test]
    fn what_swaps_directories_for_links_leads_nowhere() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o755)).unwrap();
        let done = AtomicBool::new(false);
        for _ in 0..50 {
            let top = base.path().join("top");
            let victim = top.join("victim");
            fs::create_dir_all(victim.join("deep")).unwrap();
            symlink(&outside, top.join("link")).unwrap();
            fs::set_permissions(&victim, Permissions::from_mode(0o0)).unwrap();
            done.store(false, Relaxed);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (link, spare) = (top.join("link"), top.join("spare"));
                    while !done.load(Relaxed) {
                        let _ = fs::rename(&victim, &spare);
                        let _ = fs::rename(&link, &victim);
                        let _ = fs::rename(&victim, &link);
                        let _ = fs::rename(&spare, &victim);
                    }
                });
                // What is renamed under its hands may make it give up; never may it go outside.
                let _ = remove_tree(&top);
                done.store(true, Relaxed);
            });
            assert!(outside.join("kept").exists());
            assert_eq!(fs::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o755);
            remove_tree(&top)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .unwrap();
        }
    }
}
