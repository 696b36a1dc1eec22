//! What a service is started with, and where programs are found.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A program to start directly: no shell, no `npx` or `uvx` in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Absolute path of the executable.
    pub program: PathBuf,
    /// Flags of the runtime, before all arguments, unless the manifest has its own. They hold templates; one
    /// whose template has no value is left out.
    pub runtime_args: Vec<String>,
    /// Environment that suits the runtime, below that of the manifest. The values hold templates.
    pub env: Vec<(String, String)>,
    /// Its arguments. Those of the manifest still hold their templates.
    pub args: Vec<String>,
    /// The folder of the bundle that it is of: `{BUNDLE_DIR}` in templates.
    pub bundle: Option<PathBuf>,
    /// Folders that it must be able to read and run, beyond the system's own.
    pub read_only: Vec<PathBuf>,
}

/// The executable that `command` means: itself when absolute, else the first of that name in `path`
/// (the value of `PATH`).
pub(super) fn find(command: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if command.starts_with('/') {
        return Some(PathBuf::from(command)).filter(|program| is_executable(program));
    }
    if command.is_empty() || command.contains('/') {
        return None;
    }
    let folders = std::env::split_paths(path?);
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(command)).find(|found| is_executable(found))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// The folder of a program, and the folder of the file that it is a link to.
pub(super) fn folders_of(program: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = program.parent().map(Path::to_owned).into_iter().collect();
    if let Some(target) = program.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned))
        && !folders.contains(&target)
    {
        folders.push(target);
    }
    folders
}

/// A program, and the file that it is a link to.
pub(super) fn files_of(program: &Path) -> Vec<PathBuf> {
    let target = program.canonicalize().ok().filter(|target| target != program);
    std::iter::once(program.to_owned()).chain(target).collect()
}

/// A path as an argument. Arguments are text; a cache below a folder whose name is none fails at the start.
pub(super) fn as_argument(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_as_a_shell_would() {
        let path = OsStr::new("relative:/nonexistent:/usr/bin:/bin");
        assert!(find("sh", Some(path)).is_some_and(|found| found.is_absolute()));
        assert_eq!(find("/bin/sh", None), Some(PathBuf::from("/bin/sh")));
        for command in ["", "sh/sh", "../sh", "./sh", "no-such-program", "/etc/passwd", "/bin"] {
            assert_eq!(find(command, Some(path)), None, "{command}");
        }
        assert_eq!(find("sh", None), None);
    }
}
