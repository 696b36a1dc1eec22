//! Trees that are hard to walk.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use rustix::fs::mkdirat;

use super::*;

#[test]
fn links_are_not_followed_and_what_is_not_there_is_nothing() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir(base.path().join("below")).unwrap();
    fs::write(base.path().join("below/file"), vec![1; 100_000]).unwrap();
    symlink("/usr", base.path().join("link")).unwrap();
    symlink("..", base.path().join("below/loop")).unwrap();
    let size = directory_size(base.path()).unwrap();
    assert!((100_000..200_000).contains(&size.bytes), "{size:?}");
    assert_eq!((size.files, size.is_lower_bound), (3, false));
    assert_eq!(directory_size(&base.path().join("missing")).unwrap(), DirectorySize::default());
    assert!(directory_size(&base.path().join("link")).unwrap().is_lower_bound);
}

/// Long names, so that no path leads to the end; a file there, and one beside every tenth step.
#[test]
fn what_lies_deeper_than_a_path_is_long_is_counted() {
    let base = tempfile::tempdir().unwrap();
    let top = base.path().join("top");
    fs::create_dir(&top).unwrap();
    let mut at = open(CWD, &top).unwrap();
    let (name, flags) = ("d".repeat(200), OFlags::CREATE | OFlags::WRONLY);
    for step in 0..2000 {
        if step % 10 == 0 {
            openat(&at, "file", flags, Mode::RWXU).unwrap();
            mkdirat(&at, "empty", Mode::RWXU).unwrap();
        }
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = open(&at, &name).unwrap();
    }
    let end = std::fs::File::from(openat(&at, "end", flags, Mode::RWXU).unwrap());
    io::Write::write_all(&mut &end, &[1; 100_000]).unwrap();
    end.sync_all().unwrap();
    let size = directory_size(&top).unwrap();
    assert_eq!((size.files, size.is_lower_bound), (201, false));
    assert!(size.bytes >= 100_000, "{size:?}");
    drop((at, end));
    super::super::removal::remove_tree(&top).unwrap();
}

#[test]
fn directories_that_are_too_many_to_wait_are_not_kept() {
    let base = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::create_dir(base.path().join(name)).unwrap();
    }
    let mut walk = Walk { waiting_bytes: MAX_WAITING - 1, ..Walk::default() };
    let top = open(CWD, base.path()).unwrap();
    let mut waiting = Vec::new();
    walk.count(&top, &mut waiting).unwrap();
    assert_eq!((waiting.len(), walk.has_missed), (1, true));
    let mut walk = Walk { entries: MAX_ENTRIES - 1, ..Walk::default() };
    assert!(!walk.run(base.path(), top).unwrap());
}

#[test]
fn what_is_closed_is_not_nothing() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: root reads what is closed");
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let closed = base.path().join("closed");
    fs::create_dir(&closed).unwrap();
    for mode in [0o0, 0o200, 0o300] {
        fs::set_permissions(&closed, Permissions::from_mode(mode)).unwrap();
        assert!(directory_size(base.path()).unwrap().is_lower_bound, "{mode:o}");
    }
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
}

/// Directories move out of the tree and back all the time: the walk stays inside and comes to an end.
#[test]
fn what_moves_meanwhile_leads_nowhere() {
    let base = tempfile::tempdir().unwrap();
    let (top, outside) = (base.path().join("top"), base.path().join("outside"));
    fs::create_dir_all(top.join("a/b/c/d")).unwrap();
    fs::create_dir(top.join("still")).unwrap();
    fs::create_dir(&outside).unwrap();
    for number in 0..100 {
        fs::write(outside.join(number.to_string()), "").unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                let _ = fs::rename(top.join("a/b"), outside.join("b"));
                let _ = fs::rename(outside.join("b"), top.join("a/b"));
            }
        });
        for _ in 0..2000 {
            assert_eq!(directory_size(&top).unwrap().files, 0);
        }
        done.store(true, Relaxed);
    });
}

/// The walk was in `a/b` when it was taken away: it goes on at the top with what waits there.
#[test]
fn a_walk_that_was_lost_finds_back() {
    let base = tempfile::tempdir().unwrap();
    let top = base.path().join("top");
    fs::create_dir_all(top.join("a/b")).unwrap();
    let mut walk = Walk::default();
    let mut enter = |name: &str, path: &Path| {
        let directory = open(CWD, path).unwrap();
        walk.enter(CString::new(name).unwrap(), &directory).unwrap();
        directory
    };
    enter("", &top);
    enter("a", &top.join("a"));
    let at = enter("b", &top.join("a/b"));
    fs::rename(top.join("a/b"), base.path().join("b")).unwrap();
    fs::remove_dir(top.join("a")).unwrap();
    let back = walk.up(&at, &top).unwrap().unwrap();
    assert_eq!(identity(&fstat(&back).unwrap()), identity(&fstat(open(CWD, &top).unwrap()).unwrap()));
    assert_eq!((walk.levels.len(), walk.lost), (1, 1));
}
