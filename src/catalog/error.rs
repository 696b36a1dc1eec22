//! What can be wrong: with a service of the catalog (always a reason, and the file and field where
//! there are any), and with an installation (what the tool said, and what to do next).

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use thiserror::Error;

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

/// Why a service's program is not there.
#[derive(Clone, Debug, Error)]
pub enum InstallError {
    /// A program of the host is needed first.
    #[error("{tool} is not on this machine; install it (Debian: apt install {debian}) and start again")]
    ToolMissing {
        /// What is missing.
        tool: &'static str,
        /// The Debian packages that have it.
        debian: &'static str,
    },
    /// A tool ended badly. Nothing of the installation was kept.
    #[error("{what} failed ({ending}): {advice}\n{output}")]
    Tool {
        /// What was being done.
        what: String,
        /// Exit status, or that it took too long.
        ending: String,
        /// What to do next.
        advice: &'static str,
        /// The last lines of its output.
        output: String,
    },
    /// The package is there, but has no such program.
    #[error("{package} has no program to start: {reason}")]
    NoProgram {
        /// The package.
        package: String,
        /// What was looked for, and what there is.
        reason: String,
    },
    /// The command of the manifest is not there.
    #[error("the command {command:?} is not an executable file on this machine; install it or correct the manifest")]
    CommandMissing {
        /// As in the manifest.
        command: String,
    },
    /// A file or folder could not be used.
    #[error("cannot use {path}: {reason}; check that the disk has room and Berth may write there")]
    Files {
        /// Which.
        path: String,
        /// What the operating system said.
        reason: String,
    },
}

impl InstallError {
    pub(super) fn file(path: impl AsRef<Path>, error: &io::Error) -> Self {
        Self::Files { path: path.as_ref().display().to_string(), reason: error.to_string() }
    }

    pub(super) fn no_program(package: &str, reason: impl Into<String>) -> Self {
        Self::NoProgram { package: package.to_owned(), reason: reason.into() }
    }

    pub(super) fn tool(what: &str, ending: &str, lines: &[String]) -> Self {
        let output = lines.join("\n");
        Self::Tool { what: what.to_owned(), ending: ending.to_owned(), advice: advice_for(&output), output }
    }
}

/// What to do next, from what the tools are known to say.
fn advice_for(output: &str) -> &'static str {
    const KNOWN: &[(&[&str], &str)] = &[
        (
            &["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED"],
            "the registry cannot be reached: check the network, HTTPS_PROXY and the registry in ~/.npmrc",
        ),
        (
            &["NewConnectionError", "Failed to establish a new connection", "ConnectTimeoutError", "dns error"],
            "the index cannot be reached: check the network, HTTPS_PROXY and the index in pip.conf",
        ),
        (
            &["CERTIFICATE", "certificate", "UnknownIssuer"],
            "the registry's certificate is not trusted: set NODE_EXTRA_CA_CERTS or PIP_CERT to your authority's file",
        ),
        (&["ENOSPC", "No space left"], "the disk is full: make room in the data directory"),
        (&["E401", "E403", "401 ", "403 "], "the registry refused access: check the token in ~/.npmrc or pip.conf"),
        (
            &["E404", "ETARGET", "No matching distribution", "no version of", "not found in the package registry"],
            "there is no such package and version, or it has no wheel for this machine: correct the manifest",
        ),
    ];
    let known = KNOWN.iter().find(|(signs, _)| signs.iter().any(|sign| output.contains(sign)));
    known.map_or("nothing was kept; see what the tool said and start again", |(_, advice)| advice)
}
