//! The directories of one instance: made for its owner alone, removed without following a link.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::CWD;

use super::removal;

/// The directories that an instance has to itself. Mode 0700, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceDirs {
    /// Holds the next three; goes with the instance.
    pub root: PathBuf,
    /// Its working directory.
    pub work: PathBuf,
    /// Its `HOME`.
    pub home: PathBuf,
    /// Its `TMPDIR`.
    pub tmp: PathBuf,
    /// Its logs; elsewhere, so that they can be archived on their own.
    pub logs: PathBuf,
}

impl InstanceDirs {
    /// The layout below `root`, with the logs in `logs`. Touches nothing.
    #[must_use]
    pub fn new(root: PathBuf, logs: PathBuf) -> Self {
        Self { work: root.join("work"), home: root.join("home"), tmp: root.join("tmp"), root, logs }
    }

    /// Makes what is missing, and closes to others what is there.
    ///
    /// # Errors
    /// A directory cannot be made, or something else has its name: a link is refused.
    pub fn create(&self) -> io::Result<()> {
        [&self.root, &self.work, &self.home, &self.tmp, &self.logs].into_iter().try_for_each(|path| private(path))
    }

    /// Removes all of it, logs included. What is already gone is no error.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        remove_tree(&self.root)?;
        remove_tree(&self.logs)
    }

    /// Empties the temporary directory, as between two starts.
    ///
    /// # Errors
    /// Something in it cannot be removed, or it cannot be made again.
    pub fn empty_tmp(&self) -> io::Result<()> {
        remove_tree(&self.tmp)?;
        private(&self.tmp)
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

fn remove_tree(path: &Path) -> io::Result<()> {
    match removal::remove_tree(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
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

        let dirs = InstanceDirs::new(base.path().join("a/b"), base.path().join("logs/users/user_1/mcp_001_x_1"));
        dirs.create().unwrap();
        dirs.create().unwrap();
        for path in [&dirs.root, &dirs.work, &dirs.home, &dirs.tmp, &dirs.logs] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::os::unix::fs::symlink(&outside, dirs.work.join("link")).unwrap();
        fs::set_permissions(&dirs.home, Permissions::from_mode(0o0)).unwrap();
        dirs.empty_tmp().unwrap();
        dirs.remove().unwrap();
        dirs.remove().unwrap();
        assert!(!dirs.root.exists() && !dirs.logs.exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn refuses_a_link_in_place_of_a_directory() {
        let base = tempfile::tempdir().unwrap();
        let dirs = InstanceDirs::new(base.path().join("root"), base.path().join("logs"));
        dirs.create().unwrap();
        fs::remove_dir(&dirs.tmp).unwrap();
        std::os::unix::fs::symlink("/etc", &dirs.tmp).unwrap();
        assert!(dirs.create().is_err());
    }
}
