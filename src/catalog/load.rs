//! Reading manifests: one file, or every folder of the services directory.
//!
//! Invariant: nothing outside the services directory is read. A link in it is refused, and so is a
//! program path of a manifest that resolves to somewhere outside the service's own folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{CatalogError, Origin, Service};
use crate::domain::{
    manifest::{Launch, Manifest},
    names::ServiceName,
};

/// The manifest's name in a service's folder.
pub(super) const MANIFEST: &str = "service.toml";
/// A manifest is a page of text; more than this is something else.
const MAX_MANIFEST_BYTES: u64 = 256 * 1024;

/// A folder that was looked at, and what came of it.
pub(super) struct Found {
    /// Its manifest's path, or the folder's where there is no reading that.
    pub(super) file: PathBuf,
    /// The folder's name.
    folder: String,
    /// The service, or why there is none.
    pub(super) service: Result<Service, CatalogError>,
}

impl Found {
    /// The folder's name, if it is one that a service can have.
    pub(super) fn name(&self) -> Option<ServiceName> {
        self.folder.parse().ok()
    }
}

/// Looks at every folder of the services directory, by name. Files, and folders that start with
/// `.` or `_` (shared code), are none; neither is `node_modules`.
pub(super) fn scan(services_dir: &Path) -> Vec<Found> {
    let entries = match fs::read_dir(services_dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => {
            let service = Err(CatalogError::unusable(format!("cannot read the services directory: {error}")));
            return vec![Found { file: services_dir.to_owned(), folder: String::new(), service }];
        }
    };
    let mut folders: Vec<(String, PathBuf, bool)> = entries
        .iter()
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let ignored = name.starts_with(['.', '_']) || name == "node_modules";
            ((kind.is_dir() || kind.is_symlink()) && !ignored).then(|| (name, entry.path(), kind.is_symlink()))
        })
        .collect();
    folders.sort();
    folders.into_iter().map(|(name, path, is_link)| look_at(name, &path, is_link)).collect()
}

fn look_at(folder: String, path: &Path, is_link: bool) -> Found {
    if is_link {
        let service = Err(CatalogError::unusable("is a link; a service must be a folder of the services directory"));
        return Found { file: path.to_owned(), folder, service };
    }
    Found { service: read_folder(path), file: path.join(MANIFEST), folder }
}

fn read_folder(folder: &Path) -> Result<Service, CatalogError> {
    let manifest = check_file(&folder.join(MANIFEST))?;
    if let Launch::Node { entry, .. } = &manifest.launch {
        entry_inside(folder, entry)?;
    }
    Ok(Service::new(manifest, Origin::Bundled { folder: folder.to_owned() }))
}

/// The entry must be a file inside the folder, also after every link in its path is followed.
fn entry_inside(folder: &Path, entry: &str) -> Result<(), CatalogError> {
    let resolved = folder.join(entry).canonicalize().and_then(|path| Ok((path, folder.canonicalize()?)));
    match resolved {
        Ok((path, folder)) if path.starts_with(&folder) && path.is_file() => Ok(()),
        Ok(_) => Err(CatalogError::invalid("launch.entry", format!("{entry:?} is not a file inside the folder"))),
        Err(error) => Err(CatalogError::invalid("launch.entry", format!("{entry:?}: {error}"))),
    }
}

/// Reads and validates the manifest at `path`, a file or a service's folder. A file that is named
/// `service.toml` must be in a folder named like the service. Reads files.
///
/// # Errors
/// The first thing that is wrong, with file, field and reason.
pub fn check_file(path: &Path) -> Result<Manifest, CatalogError> {
    let file = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
    let manifest = read(&file).and_then(|text| parse_toml(&text, &file))?;
    let folder = std::path::absolute(&file).ok().and_then(|file| Some(file.parent()?.file_name()?.to_owned()));
    let named = file.file_name().is_some_and(|name| name == MANIFEST);
    match folder {
        Some(folder) if named && folder != manifest.name.as_str() => {
            let reason = format!("{:?} must be the folder's name, {folder:?}", manifest.name.as_str());
            Err(CatalogError::invalid("name", reason).in_file(&file))
        }
        _ => Ok(manifest),
    }
}

fn read(file: &Path) -> Result<String, CatalogError> {
    let unusable = |reason: String| CatalogError::unusable(reason).in_file(file);
    let about = fs::symlink_metadata(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    if !about.is_file() {
        return Err(unusable("is not a regular file".to_owned()));
    }
    if about.len() > MAX_MANIFEST_BYTES {
        return Err(unusable(format!("is larger than {MAX_MANIFEST_BYTES} bytes")));
    }
    fs::read_to_string(file).map_err(|error| unusable(format!("cannot be read: {error}")))
}

/// Parses and validates a manifest; `file` is only named in the error.
///
/// # Errors
/// The first thing that is wrong, with file, line, field and reason.
pub fn parse_toml(text: &str, file: &Path) -> Result<Manifest, CatalogError> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| located(text, &error).in_file(file))?;
    manifest.validate().map_err(|error| CatalogError::from(error).in_file(file))?;
    Ok(manifest)
}

/// The line and the dotted field that a TOML error is about. The parser gives a byte range and a
/// message; the field is in the message (`missing field`, `unknown field`), else it is the key
/// that the range belongs to.
fn located(text: &str, error: &toml::de::Error) -> CatalogError {
    let message = error.message();
    let span = error.span().unwrap_or(0..0);
    let line = text.get(..span.start).map(|before| before.matches('\n').count() + 1);
    let (table, key) = key_at(text, span.start);
    let named = quoted_after(message, "unknown field ").or_else(|| quoted_after(message, "missing field "));
    let inline = text.get(span.start..).is_some_and(|rest| rest.starts_with('{'));
    let field = match named {
        Some(name) if name == key || (!inline && message.starts_with("missing")) => dotted(&[&table, name]),
        Some(name) => dotted(&[&table, &key, name]),
        None => {
            let field = dotted(&[&table, &key]);
            if field == "launch" { mistyped_launch_key(text).unwrap_or(field) } else { field }
        }
    };
    CatalogError::syntax(line, Some(field).filter(|field| !field.is_empty()), message.to_owned())
}

/// The table (dotted, with the index in an array of tables) and key that byte `at` belongs to.
fn key_at(text: &str, at: usize) -> (String, String) {
    let (mut table, mut key, mut offset) = (String::new(), String::new(), 0);
    let mut headers: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        if offset > at {
            break;
        }
        offset += line.len();
        let line = line.trim();
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.split("]]").next()) {
            table = format!("{}[{}]", name.trim(), headers.iter().filter(|earlier| **earlier == name).count());
            headers.push(name);
            key.clear();
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            name.trim().clone_into(&mut table);
            key.clear();
        } else if let Some((name, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            name.trim().trim_matches('"').clone_into(&mut key);
        }
    }
    (table, key)
}

/// The text in backquotes that follows `prefix` at the start of `message`.
fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

fn dotted(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
}

/// `launch` is told apart by its `kind`, so the parser has lost the place of a wrong type in it.
fn mistyped_launch_key(text: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let launch = table.get("launch")?.as_table()?;
    let right = |key: &str, value: &toml::Value| match key {
        "args" => value.as_array().is_some_and(|items| items.iter().all(toml::Value::is_str)),
        "headers" => value.as_table().is_some_and(|items| items.values().all(toml::Value::is_str)),
        _ => value.is_str(),
    };
    launch.iter().find(|(key, value)| !right(key, value)).map(|(key, _)| format!("launch.{key}"))
}
