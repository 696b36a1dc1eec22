//! What is wrong with a service of the catalog: always a reason, and the file and field where there are any.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::domain::{manifest::ManifestError, names::ServiceName};

/// What a caller can do about a [`CatalogError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The manifest is wrong.
    Invalid,
    /// The name or the port belongs to another service.
    Taken,
    /// There is no such service.
    Unknown,
    /// It comes from the services directory, so only its folder can change it.
    Bundled,
    /// A file or folder cannot be read or must not be used.
    Unusable,
}

/// Why a service is not in the catalog, or could not be changed there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CatalogError {
    /// What a caller can do about it.
    pub kind: ErrorKind,
    /// The manifest's file, or the folder; none for a manifest that came by REST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The line of the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The field, dotted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl CatalogError {
    fn new(kind: ErrorKind, field: Option<&str>, reason: impl Into<String>) -> Self {
        Self { kind, file: None, line: None, field: field.map(str::to_owned), reason: reason.into() }
    }

    pub(super) fn invalid(field: &str, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Some(field), reason)
    }

    pub(super) fn taken(field: &str, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Taken, Some(field), reason)
    }

    pub(super) fn unknown(name: &ServiceName) -> Self {
        Self::new(ErrorKind::Unknown, None, format!("there is no service {:?}", name.as_str()))
    }

    pub(super) fn bundled(name: &ServiceName) -> Self {
        let reason = format!("service {:?} comes from the services directory: remove its folder there", name.as_str());
        Self::new(ErrorKind::Bundled, None, reason)
    }

    pub(super) fn unusable(reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unusable, None, reason)
    }

    pub(super) fn syntax(line: Option<usize>, field: Option<String>, reason: String) -> Self {
        Self { kind: ErrorKind::Invalid, file: None, line, field, reason }
    }

    /// The same error, of `file` unless it names one.
    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }
}

impl From<ManifestError> for CatalogError {
    fn from(error: ManifestError) -> Self {
        Self::new(ErrorKind::Invalid, Some(&error.field), error.reason)
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "field `{field}`: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for CatalogError {}
