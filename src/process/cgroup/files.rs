//! Reading and writing the files of control groups, with errors that name the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A control group could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct GroupError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    pub(super) source: io::Error,
}

impl GroupError {
    pub(super) fn new(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { doing, path, source }
    }

    /// With its cause, in one line.
    pub(super) fn in_words(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Writes `value` into `file` of the group `dir`, which must have that file.
pub(super) fn put(dir: &Path, file: &str, value: impl ToString) -> Result<(), GroupError> {
    let path = dir.join(file);
    let opened = fs::File::options().write(true).open(&path);
    // In one write: the kernel takes each write as a whole value.
    let written = opened.and_then(|mut file| io::Write::write_all(&mut file, value.to_string().as_bytes()));
    written.map_err(GroupError::new("write", &path))
}

/// The text of `file` in the group `dir`.
pub(super) fn get(dir: &Path, file: &str) -> Result<String, GroupError> {
    let path = dir.join(file);
    fs::read_to_string(&path).map_err(GroupError::new("read", &path))
}

/// A file that holds one number.
pub(super) fn number(dir: &Path, file: &str) -> Option<u64> {
    get(dir, file).ok()?.trim().parse().ok()
}

/// The number after `key` in a file of lines `key number`.
pub(super) fn keyed(dir: &Path, file: &str, key: &str) -> Option<u64> {
    find_key(&get(dir, file).ok()?, key)
}

fn find_key(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Makes the group `dir`; one that is there is as good.
pub(super) fn make(dir: &Path) -> Result<(), GroupError> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(GroupError::new("make the group", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Removes the group `dir`; `true` when it is gone.
pub(super) fn remove(dir: &Path) -> bool {
    match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The processes in the group `dir`.
pub(super) fn pids(dir: &Path) -> Vec<u32> {
    let text = get(dir, "cgroup.procs").unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_keys_only() {
        let text = "oom 3\noom_kill 1\noom_group_kill 0\n";
        let cases = [("oom_kill", Some(1)), ("oom", Some(3)), ("oom_group_kill", Some(0)), ("kill", None), ("", None)];
        for (key, expected) in cases {
            assert_eq!(find_key(text, key), expected, "{key}");
        }
    }

    #[test]
    fn an_error_names_the_file_and_the_cause() {
        let error = put(Path::new("/proc/self"), "no_such_file", 1).unwrap_err();
        let words = error.in_words();
        assert!(words.contains("/proc/self/no_such_file") && words.contains("os error 2"), "{words}");
    }
}
