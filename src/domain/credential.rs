//! How trying a credential at its service went.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// What the service made of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It takes it.
    Valid,
    /// It refuses it.
    Refused,
    /// It could not be asked, or could not say.
    Unknown,
}

/// A verdict, with the words for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The verdict.
    pub verdict: Verdict,
    /// The service's own reason, or why it could not be asked; never the credential.
    pub detail: String,
}

/// The last time that a stored credential was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTest {
    /// When.
    pub at: Timestamp,
    /// How it went.
    pub tried: Tried,
}
