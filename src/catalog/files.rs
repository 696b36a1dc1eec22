//! Trees of the package cache: copied, made read-only, hashed and removed. All of it blocks.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// Written into a folder when all of it is there.
const COMPLETE: &str = ".berth-complete";

/// Whether the folder was completed once.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.join(COMPLETE).is_file()
}

/// Marks the folder as complete and makes its tree read-only and readable by every user, as
/// instances may run as users of their own.
pub(super) fn complete(folder: &Path) -> io::Result<()> {
    fs::write(folder.join(COMPLETE), b"")?;
    each(folder, &mut |path, about| {
        if about.is_symlink() {
            return Ok(());
        }
        let executable = about.is_dir() || about.permissions().mode() & 0o111 != 0;
        fs::set_permissions(path, fs::Permissions::from_mode(if executable { 0o555 } else { 0o444 }))
    })?;
    // The folder itself stays writable to its owner, so that it can still be renamed and removed.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Makes a folder and those above it, readable by every user.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

/// Removes a tree, read-only or not. One that is not there is no error.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    each(folder, &mut |path, about| {
        if about.is_dir() { fs::set_permissions(path, fs::Permissions::from_mode(0o755)) } else { Ok(()) }
    })?;
    fs::remove_dir_all(folder)
}

/// Copies a service's folder without installed packages and hidden files. Links are refused: the
/// copy would run what is not in the folder.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    make_folder(to)?;
    for (path, relative, is_folder) in sources(from)? {
        let target = to.join(relative);
        if is_folder { make_folder(&target)? } else { fs::copy(path, target).map(|_| ())? }
    }
    Ok(())
}

/// Adds what [`copy`] would copy to the hash: paths and contents.
pub(super) fn hash_tree(hash: &mut Sha256, folder: &Path) -> io::Result<()> {
    for (path, relative, is_folder) in sources(folder)? {
        field(hash, relative.as_os_str().as_encoded_bytes());
        if !is_folder {
            field(hash, &fs::read(path)?);
        }
    }
    Ok(())
}

/// Adds one value to the hash, with its length, so that two values never run into one another.
pub(super) fn field(hash: &mut Sha256, value: &[u8]) {
    hash.update(value.len().to_le_bytes());
    hash.update(value);
}

/// The start of the hash as 24 hexadecimal digits: a folder's name.
pub(super) fn digits(hash: Sha256) -> String {
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// What is below `folder` and belongs to its source, folders before their contents, sorted:
/// path, path below the folder, whether it is a folder.
fn sources(folder: &Path) -> io::Result<Vec<(PathBuf, PathBuf, bool)>> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(relative) = waiting.pop() {
        for entry in fs::read_dir(folder.join(&relative))? {
            let entry = entry?;
            let name = entry.file_name();
            if name == "node_modules" || name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type()?;
            if !kind.is_dir() && !kind.is_file() {
                return Err(io::Error::other(format!("{} is neither file nor folder", entry.path().display())));
            }
            let below = relative.join(name);
            if kind.is_dir() {
                waiting.push(below.clone());
            }
            found.push((entry.path(), below, kind.is_dir()));
        }
    }
    found.sort();
    Ok(found)
}

type Visit<'a> = dyn FnMut(&Path, &fs::Metadata) -> io::Result<()> + 'a;

/// Visits a tree without following links: on the way down, each folder before its contents.
fn each(folder: &Path, visit: &mut Visit<'_>) -> io::Result<()> {
    visit(folder, &fs::symlink_metadata(folder)?)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let about = fs::symlink_metadata(&path)?;
        if about.is_dir() { each(&path, visit)? } else { visit(&path, &about)? }
    }
    Ok(())
}

/// A folder that is removed again unless it is [`keep`](Self::keep)ed: half an installation never stays.
#[derive(Debug)]
pub(super) struct Unfinished {
    folder: Option<PathBuf>,
    /// Where it is moved at once, so that its name is free while its files are removed.
    trash: PathBuf,
}

impl Unfinished {
    pub(super) const fn new(folder: PathBuf, trash: PathBuf) -> Self {
        Self { folder: Some(folder), trash }
    }

    /// It is finished, or has moved elsewhere.
    pub(super) fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        let trash = std::mem::take(&mut self.trash);
        let doomed = if fs::rename(&folder, &trash).is_ok() { trash } else { folder };
        // Thousands of files: not on the thread that happens to drop the install.
        std::thread::spawn(move || {
            if let Err(error) = remove(&doomed) {
                log::warn!("cannot remove the unfinished installation {}: {error}", doomed.display());
            }
        });
    }
}
