//! The directories of one instance: made for its owner alone, removed without following a link.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::CWD;

use super::removal;

/// Entries of a folder that are listed at once.
const MAX_LISTED: usize = 100_000;

/// The directories that an instance has to itself. Mode 0700, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceDirs {
    /// Holds its working directory, its `HOME` and its `TMPDIR`; goes with the instance.
    pub root: PathBuf,
    /// Its logs; elsewhere, so that they can be archived on their own.
    pub logs: PathBuf,
    /// What its logs are archived in, a directory for each time; a connection has none.
    pub archives: Option<PathBuf>,
}

impl InstanceDirs {
    /// The layout below `root`, with the logs in `logs` and no archives. Touches nothing.
    #[must_use]
    pub fn new(root: PathBuf, logs: PathBuf) -> Self {
        Self { root, logs, archives: None }
    }

    /// Its working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Its `HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Its `TMPDIR`.
    #[must_use]
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// With the logs archived in `archives`.
    #[must_use]
    pub fn archived_in(self, archives: PathBuf) -> Self {
        Self { archives: Some(archives), ..self }
    }

    /// Makes what is missing, and closes to others what is there.
    ///
    /// # Errors
    /// A directory cannot be made, or something else has its name: a link is refused.
    pub fn create(&self) -> io::Result<()> {
        let all = [self.root.clone(), self.work(), self.home(), self.tmp(), self.logs.clone()];
        all.iter().try_for_each(|path| private(path))
    }

    /// Removes all of it, logs and their archives included. What is already gone is no error.
    ///
    /// # Errors
    /// Something cannot be removed; the rest is removed all the same.
    pub fn remove(&self) -> io::Result<()> {
        let all = [Some(&self.root), Some(&self.logs), self.archives.as_ref()];
        remove_trees(all.into_iter().flatten().cloned())
    }

    /// Empties the temporary directory, as between two starts.
    ///
    /// # Errors
    /// Something in it cannot be removed, or it cannot be made again.
    pub fn empty_tmp(&self) -> io::Result<()> {
        let tmp = self.tmp();
        remove_tree(&tmp)?;
        private(&tmp)
    }
}

fn private(path: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(named)?;
    let directory = match fs::File::from(removal::pin(CWD, path).map_err(|error| named(error.into()))?) {
        directory if directory.metadata().map_err(named)?.is_dir() => directory,
        _ => {
            return Err(named(io::Error::new(io::ErrorKind::NotADirectory, "is a link, not a directory; remove it")));
        }
    };
    removal::open_up(&directory).map_err(named)
}

/// Removes `path` and everything below it, however deep, following no link. What is already gone is no error.
///
/// # Errors
/// Something cannot be removed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match removal::remove_tree(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Removes each of `paths` as [`remove_tree`] does; one that cannot be removed does not keep the others.
///
/// # Errors
/// The first thing that cannot be removed.
pub fn remove_trees(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
    paths.into_iter().map(|path| remove_tree(&path)).fold(Ok(()), io::Result::and)
}

/// The directories, at most 100,000, that are in `folder` at this moment; none where it cannot be read.
#[must_use]
pub fn directories_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_LISTED);
    // The kind comes with the name.
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn makes_private_directories_and_removes_them_without_following_links() {
        let base = tempfile::tempdir().unwrap();
        let outside = base.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();

        let dirs = InstanceDirs::new(base.path().join("a/b"), base.path().join("logs/users/user_1/mcp_001_x_1"))
            .archived_in(base.path().join("archive"));
        dirs.create().unwrap();
        dirs.create().unwrap();
        for path in [&dirs.root, &dirs.work(), &dirs.home(), &dirs.tmp(), &dirs.logs] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::os::unix::fs::symlink(&outside, dirs.work().join("link")).unwrap();
        fs::set_permissions(dirs.home(), Permissions::from_mode(0o0)).unwrap();
        fs::create_dir_all(base.path().join("archive/once")).unwrap();
        dirs.empty_tmp().unwrap();
        dirs.remove().unwrap();
        dirs.remove().unwrap();
        assert!(!dirs.root.exists() && !dirs.logs.exists() && !base.path().join("archive").exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn refuses_a_link_in_place_of_a_directory() {
        let base = tempfile::tempdir().unwrap();
        let dirs = InstanceDirs::new(base.path().join("root"), base.path().join("logs"));
        dirs.create().unwrap();
        fs::remove_dir(dirs.tmp()).unwrap();
        std::os::unix::fs::symlink("/etc", dirs.tmp()).unwrap();
        assert!(dirs.create().is_err());
    }

    /// As a connection that is made after the others were listed: it is nobody's to remove.
    #[test]
    fn what_was_listed_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let (outside, folder) = (base.path().join("outside"), base.path().join("folder"));
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(folder.join("old/below")).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        let mut listed = directories_in(&folder);
        assert_eq!(listed, [folder.join("old")]);
        fs::create_dir(folder.join("new")).unwrap();
        // What cannot be removed does not keep the others; what is gone is no matter.
        listed.splice(0..0, ["no\0path".into(), folder.join("gone")]);
        assert!(remove_trees(listed).is_err());
        assert!(folder.join("new").exists() && !folder.join("old").exists() && outside.exists());
        assert!(directories_in(&folder.join("gone")).is_empty());
    }
}
