//! The key file: base64 on one line, readable by its owner alone, never overwritten.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use super::VaultError;
use crate::domain::secret::Secret;

/// More than a key in base64 with a line end; nothing longer is read.
const MOST_BYTES: u64 = 256;

/// The key in `path`, or `None` where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, VaultError> {
    let failed = |source| VaultError::KeyFile { action: "read", path: path.display().to_string(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Of the open file, not of the path, which may be another one by now.
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(VaultError::KeyFileExposed { path: path.display().to_string(), mode });
    }
    let mut text = String::with_capacity(usize::try_from(MOST_BYTES).unwrap_or_default());
    let read = file.take(MOST_BYTES).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(failed)?;
    Ok(Some(text))
}

/// Writes the key to `path`, which must not exist, and makes sure that it is on the disk.
pub(super) fn create(path: &Path, key: &Secret) -> Result<(), VaultError> {
    let failed = |source| VaultError::KeyFile { action: "create", path: path.display().to_string(), source };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    write(file, path, key).map_err(|error| {
        // A file with half a key would be refused at every start from now on; nothing was sealed with it yet.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

fn write(mut file: File, path: &Path, key: &Secret) -> io::Result<()> {
    file.write_all(key.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
