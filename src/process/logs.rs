//! Log files: appended to, rotated, expired, and read from their end. Everything here blocks.
//!
//! `error.log` is the current file; `error.log.1.gz`, `error.log.2.gz` … are older, the lowest number
//! the youngest. A rotated file stays uncompressed when there was no room to compress it. A failed
//! rotation never stops the writing.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use parking_lot::Mutex;

/// The most that [`tail`] reads of a file, so that a caller cannot ask for all of memory.
const MAX_TAIL: u64 = 4 << 20;

/// When a log file is set aside, and how long such files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Set aside before it grows beyond this. Default 10 MiB.
    pub max_bytes: u64,
    /// Set aside when it was begun longer ago than this. Default one day.
    pub max_age: Duration,
    /// Files set aside that are kept. Default 7.
    pub keep: u32,
    /// Files set aside are removed when they are older than this. Default 30 days.
    pub expire_after: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { max_bytes: 10 << 20, max_age: DAY, keep: 7, expire_after: DAY.saturating_mul(30) }
    }
}

/// A log file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}; check the permissions and the free space there", path.display())]
pub struct LogError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl LogError {
    pub(super) fn on(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { what, path, source }
    }
}

/// A log file that rotates itself. Shared by `Arc`; appends are whole.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    current: Mutex<Current>,
    /// Held while older files are renamed and compressed, which appending does not wait for.
    older: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
    begun: SystemTime,
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let file = options().append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let begun = metadata.created().or_else(|_| metadata.modified());
        Ok(Self { file, bytes, begun: begun.unwrap_or_else(|_| SystemTime::now()) })
    }
}

/// For the owner alone, and never through a link that somebody put in its place.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

impl LogFile {
    /// Opens or makes the file at `path`, its directories (0700) included.
    ///
    /// # Errors
    /// The file or its directory cannot be made, or `path` is a link.
    pub fn open(path: PathBuf, rotation: Rotation) -> Result<Self, LogError> {
        if let Some(parent) = path.parent() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
            made.map_err(LogError::on("make the log directory", parent))?;
        }
        let current = Current::open(&path).map_err(LogError::on("open the log file", &path))?;
        Ok(Self { path, rotation, current: Mutex::new(current), older: Mutex::new(()) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `bytes` as they are, after rotating when that is due.
    ///
    /// # Errors
    /// The write failed, as on a full disk; part of it may have been written.
    pub fn append(&self, bytes: &[u8]) -> Result<(), LogError> {
        let length = bytes.len() as u64;
        if self.is_due(&self.current.lock(), length) {
            self.rotate(length);
        }
        let mut current = self.current.lock();
        let written = current.file.write_all(bytes);
        current.bytes = match &written {
            Ok(()) => current.bytes.saturating_add(length),
            // Part of it, perhaps.
            Err(_) => current.file.metadata().map_or(current.bytes, |metadata| metadata.len()),
        };
        written.map_err(LogError::on("write to", &self.path))
    }

    /// Rotates a file that has grown too old, and removes expired ones. Call it now and then.
    pub fn maintain(&self) {
        if self.is_due(&self.current.lock(), 0) {
            self.rotate(0);
        }
        let _older = self.older.lock();
        let expired = |path: &Path| {
            let age = fs::metadata(path).and_then(|metadata| metadata.modified()).map(|moment| moment.elapsed());
            matches!(age, Ok(Ok(age)) if age > self.rotation.expire_after)
        };
        for path in rotated_files(&self.path).into_iter().map(|(_, path)| path).filter(|path| expired(path)) {
            self.warn_on("remove", fs::remove_file(&path));
        }
    }

    fn is_due(&self, current: &Current, more: u64) -> bool {
        let full = current.bytes.saturating_add(more) > self.rotation.max_bytes;
        let old = current.begun.elapsed().is_ok_and(|age| age > self.rotation.max_age);
        current.bytes > 0 && (full || old)
    }

    fn rotate(&self, more: u64) {
        let _older = self.older.lock();
        let first = numbered(&self.path, 1, false);
        {
            let mut current = self.current.lock();
            // Somebody else may have done it while we waited.
            if !self.is_due(&current, more) {
                return;
            }
            if let Err(error) = self.set_aside(&mut current, &first) {
                // Written on rather than lost; not tried again before as much has come once more.
                current.bytes = 0;
                current.begun = SystemTime::now();
                return self.warn_on("rotate", Err(error));
            }
        }
        if self.rotation.keep > 0 {
            let source = options().read(true).open(&first);
            let compressed = source.and_then(|source| compress(source, false, &numbered(&self.path, 1, true)));
            self.warn_on("compress", compressed.and_then(|()| fs::remove_file(&first)));
        }
    }

    /// Moves every older file up by one, then the current one to the front.
    fn set_aside(&self, current: &mut Current, first: &Path) -> io::Result<()> {
        let mut files = rotated_files(&self.path);
        files.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        for (number, path) in files {
            if number >= self.rotation.keep {
                fs::remove_file(path)?;
            } else {
                let zipped = path.extension().is_some_and(|extension| extension == "gz");
                fs::rename(&path, numbered(&self.path, number + 1, zipped))?;
            }
        }
        if self.rotation.keep > 0 {
            fs::rename(&self.path, first)?;
        } else {
            fs::remove_file(&self.path)?;
        }
        *current = Current::open(&self.path)?;
        current.begun = SystemTime::now();
        Ok(())
    }

    fn warn_on(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            log::warn!("cannot {what} the log file {}: {error}", self.path.display());
        }
    }
}

fn numbered(path: &Path, number: u32, zipped: bool) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{}", if zipped { ".gz" } else { "" }));
    name.into()
}

/// The files set aside from `path`, with their numbers, in no order.
fn rotated_files(path: &Path) -> Vec<(u32, PathBuf)> {
    let (Some(directory), Some(stem)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let number = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix(stem)?.strip_prefix('.')?;
        rest.strip_suffix(".gz").unwrap_or(rest).parse::<u32>().ok()
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((number(&entry)?, entry.path()))).collect()
}

/// Writes the rest of `from`, compressed unless it is already, to `to`, which exists only when it is whole.
pub(super) fn compress(mut from: File, is_compressed: bool, to: &Path) -> io::Result<()> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut write = || {
        let mut target = options().write(true).create(true).truncate(true).open(&partial)?;
        if is_compressed {
            io::copy(&mut from, &mut target)?;
        } else {
            let mut encoder = GzEncoder::new(target, Compression::default());
            io::copy(&mut from, &mut encoder)?;
            target = encoder.finish()?;
        }
        target.sync_all()?;
        fs::rename(&partial, to)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// The last `count` lines of the log at `path`, oldest first, at most 4 MiB of them.
///
/// Reads the file from its end. When it has fewer lines and was rotated, the rest comes from the
/// youngest file set aside. A log that does not exist has no lines.
///
/// # Errors
/// The file cannot be read.
pub fn tail(path: &Path, count: usize) -> Result<Vec<String>, LogError> {
    let open = options().read(true).open(path);
    let mut lines = match open {
        Ok(file) => last_lines(file, count),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
    .map_err(LogError::on("read", path))?;
    if lines.len() < count {
        let missing = count - lines.len();
        // Rotated away this moment, or damaged: what there is still serves.
        let mut older = lines_before(path, missing).unwrap_or_default();
        older.append(&mut lines);
        lines = older;
    }
    Ok(lines)
}

fn last_lines(mut file: File, count: usize) -> io::Result<Vec<String>> {
    let mut block_size = 16 * 1024;
    let end = file.seek(SeekFrom::End(0))?;
    let mut start = end;
    let mut text = Vec::new();
    // One more newline than lines: the one before the first of them. The file's last is not counted.
    let enough = |text: &[u8]| memchr::memchr_iter(b'\n', &text[..text.len().saturating_sub(1)]).count() >= count;
    while start > 0 && end - start < MAX_TAIL && !enough(&text) {
        let length = start.min(block_size);
        start -= length;
        block_size *= 2;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + text.len());
        (&file).take(length).read_to_end(&mut block)?;
        block.append(&mut text);
        text = block;
    }
    let mut lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    Ok(lines.split_off(lines.len().saturating_sub(count)))
}

fn lines_before(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let plain = options().read(true).open(numbered(path, 1, false));
    if let Ok(file) = plain {
        return last_lines(file, count);
    }
    let zipped = options().read(true).open(numbered(path, 1, true))?;
    let mut lines = VecDeque::with_capacity(count.min(1024));
    let mut bytes = 0;
    for line in BufReader::new(GzDecoder::new(zipped)).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        bytes += line.len() as u64;
        lines.push_back(line);
        while lines.len() > count || bytes > MAX_TAIL {
            bytes -= lines.pop_front().map_or(0, |line| line.len() as u64);
        }
    }
    Ok(lines.into())
}
