//! Archives that others have made: looked at as a whole before one byte is written, and never believed.
//!
//! Invariants: what is written is below the folder that is given; no link is made; neither the number of entries nor
//! their sizes, said or real, exceed the limits.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use zip::{ZipArchive, read::ZipFile};

/// What a bundle may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleLimits {
    /// Bytes of all its files together. Default 512 MiB.
    pub unpacked_bytes: u64,
    /// Bytes of one file. Default 256 MiB.
    pub file_bytes: u64,
    /// Files and folders. Default 20,000.
    pub entries: usize,
    /// How many times larger a file may be than what it is packed into, when it has more than a mebibyte. Deflate
    /// itself ends at some 1,030. Default 200.
    pub ratio: u64,
}

impl Default for BundleLimits {
    fn default() -> Self {
        Self { unpacked_bytes: 512 << 20, file_bytes: 256 << 20, entries: 20_000, ratio: 200 }
    }
}

/// Why a bundle is refused. Nothing of it is kept.
#[derive(Debug, Error)]
pub enum BundleError {
    /// It is not the file that was meant.
    #[error("its SHA-256 is {actual}, not {expected}: it is not the file that was meant")]
    Hash {
        /// What was said.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// It cannot be read.
    #[error("it is no MCPB bundle, which is a zip archive with a manifest.json: {0}")]
    Malformed(String),
    /// It would write where it must not, or is more than is taken.
    #[error("{0}")]
    Refused(String),
    /// The disk failed.
    #[error("it cannot be unpacked: {0}; check that the disk has room and Berth may write there")]
    Disk(#[from] io::Error),
}

/// The SHA-256 as lower-case hexadecimal digits.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From which size on a ratio says anything.
const SMALL: u64 = 1 << 20;
/// Longest path in it, in bytes.
const MAX_PATH: usize = 1024;
/// Type bits of a mode, and those of a file and a folder.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
/// The folder of a bundle says with a file of this name that it is complete.
const OWN_FILES: &str = ".berth";

/// An archive whose entries have been looked at.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    limits: BundleLimits,
}

impl<'a> Archive<'a> {
    /// Looks at every entry.
    pub(super) fn open(bytes: &'a [u8], limits: BundleLimits) -> Result<Self, BundleError> {
        let malformed = |error: zip::result::ZipError| BundleError::Malformed(error.to_string());
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(malformed)?;
        if zip.len() > limits.entries {
            let detail = format!("it has {} files and folders; at most {} are taken", zip.len(), limits.entries);
            return Err(BundleError::Refused(detail));
        }
        let mut total = 0_u64;
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(malformed)?;
            place(&entry)?;
            check_kind(&entry)?;
            check_size(&entry, &limits)?;
            total = total.saturating_add(entry.size());
        }
        if total > limits.unpacked_bytes {
            return Err(too_large(limits.unpacked_bytes));
        }
        Ok(Self { zip, limits })
    }

    /// A text file of it, of at most `most` bytes.
    pub(super) fn text(&mut self, name: &str, most: u64) -> Result<String, BundleError> {
        let entry = self.zip.by_name(name).map_err(|_| BundleError::Malformed(format!("it has no {name}")))?;
        let mut text = String::new();
        let read = entry.take(most + 1).read_to_string(&mut text);
        read.map_err(|_| BundleError::Malformed(format!("its {name} cannot be read")))?;
        if text.len() as u64 > most {
            return Err(BundleError::Refused(format!("its {name} has more than {most} bytes")));
        }
        Ok(text)
    }

    /// Whether it has a file of this path.
    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// Writes all of it below `folder`, which is empty. Counts what comes, whatever was said.
    pub(super) fn unpack(&mut self, folder: &Path) -> Result<(), BundleError> {
        let mut left = self.limits.unpacked_bytes;
        for index in 0..self.zip.len() {
            let mut entry = self.zip.by_index(index).map_err(|error| BundleError::Malformed(error.to_string()))?;
            let path = folder.join(place(&entry)?);
            if entry.is_dir() {
                super::super::files::make_folder(&path)?;
                continue;
            }
            super::super::files::make_folder(path.parent().unwrap_or(folder))?;
            let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
            let most = left.min(self.limits.file_bytes);
            let written = write(&mut entry, &path, executable, most)?;
            left = left.checked_sub(written).ok_or_else(|| too_large(most))?;
        }
        Ok(())
    }
}

/// Writes a new file; at most `most` bytes.
fn write(from: &mut impl Read, path: &Path, executable: bool, most: u64) -> Result<u64, BundleError> {
    let mode = if executable { 0o755 } else { 0o644 };
    let opened = File::options().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BundleError::Refused("two of its files have one path".to_owned()),
        _ => error.into(),
    })?;
    let mut from = from.take(most.saturating_add(1));
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        // A checksum that is wrong is an error of the reader, not of the disk.
        let count = from.read(&mut buffer).map_err(|error| BundleError::Malformed(error.to_string()))?;
        if count == 0 {
            return Ok(written);
        }
        written += count as u64;
        if written > most {
            return Err(too_large(most));
        }
        file.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

fn too_large(most: u64) -> BundleError {
    BundleError::Refused(format!("it unpacks to more than {most} bytes"))
}

/// Where an entry belongs below the folder.
fn place<R: Read>(entry: &ZipFile<'_, R>) -> Result<PathBuf, BundleError> {
    let name = entry.name();
    let path = Path::new(name);
    let inside = !name.is_empty()
        && name.len() <= MAX_PATH
        && !name.contains(['\\', '\0'])
        && path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let windows = name.get(1..2) == Some(":");
    if !inside || windows {
        return Err(BundleError::Refused("one of its paths leads out of the bundle, or is none".to_owned()));
    }
    let path: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if path
        .components()
        .next()
        .is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(OWN_FILES.as_bytes()))
    {
        return Err(BundleError::Refused(format!("one of its paths begins with {OWN_FILES}, which is for Berth")));
    }
    Ok(path)
}

/// Files and folders only: a link may lead anywhere, also when it is written through later.
fn check_kind<R: Read>(entry: &ZipFile<'_, R>) -> Result<(), BundleError> {
    if entry.encrypted() {
        return Err(BundleError::Refused("one of its files is encrypted".to_owned()));
    }
    let kind = entry.unix_mode().map_or(0, |mode| mode & TYPE);
    if entry.is_symlink() || !matches!(kind, 0 | REGULAR | FOLDER) {
        return Err(BundleError::Refused(
            "it holds a link or another thing that is neither file nor folder".to_owned(),
        ));
    }
    Ok(())
}

fn check_size<R: Read>(entry: &ZipFile<'_, R>, limits: &BundleLimits) -> Result<(), BundleError> {
    let (size, packed) = (entry.size(), entry.compressed_size());
    if size > limits.file_bytes {
        return Err(BundleError::Refused(format!("one of its files has more than {} bytes", limits.file_bytes)));
    }
    if size > SMALL && size / packed.max(1) > limits.ratio {
        let detail = format!("one of its files is more than {} times as large as it is packed", limits.ratio);
        return Err(BundleError::Refused(detail));
    }
    Ok(())
}

/// Makes a file of the bundle a program, whatever its archive said.
pub(super) fn make_executable(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
