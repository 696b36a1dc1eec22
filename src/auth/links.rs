//! Links that are good for one use and a short time: made here, opened by [`crate::db::links`].
//!
//! The token is 256 random bits; the database has its hash. A link for one thing does not open another.

use std::time::Duration;

use super::tokens::{self, TokenHash};
use crate::{
    db::links::{Link, Purpose},
    domain::{ids::UserId, secret::Secret, time::Timestamp},
};

/// How long a link is good for: to sign in 15 minutes, to set a password 30, to set Berth up a week.
#[must_use]
pub const fn lifetime(purpose: Purpose) -> Duration {
    Duration::from_secs(match purpose {
        Purpose::Magic => 15 * 60,
        Purpose::Reset => 30 * 60,
        Purpose::Setup => 7 * 86_400,
    })
}

/// Where a link leads, below the public URL.
#[must_use]
pub fn path(purpose: Purpose, token: &Secret) -> String {
    let folder = match purpose {
        Purpose::Magic => "/login/link",
        Purpose::Reset => "/login/reset",
        Purpose::Setup => "/setup",
    };
    format!("{folder}/{}", token.expose())
}

/// What the database knows a token by.
#[must_use]
pub fn hash(token: &str) -> String {
    TokenHash::of(token).to_hex()
}

/// A fresh link: its token, for the one it is for, and its row.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn mint(purpose: Purpose, user: Option<UserId>, now: Timestamp) -> Result<(Secret, Link), getrandom::Error> {
    let token = Secret::new(tokens::random()?);
    let link = Link {
        hash: hash(token.expose()),
        purpose,
        user_id: user,
        created_at: now,
        expires_at: now.after(lifetime(purpose)),
        used_at: None,
    };
    Ok((token, link))
}
