//! Who asks, and what they may do.
//!
//! Owner of state: [`Authenticator`] (the token cache, what ends when a
//! proof is taken back, the times of last use and of refusals),
//! [`throttle::Throttle`] (failed sign-ins). Everything else is in the database.
//!
//! Invariants: a token is stored and compared as its SHA-256 only; a revocation empties the cache
//! before it is answered, so the next request with that token is refused; every decision about a
//! resource is made in [`policy`].

mod authenticator;
mod endings;
pub mod passwords;
pub mod policy;
mod reach;
pub mod throttle;
pub mod tokens;

use std::sync::{Arc, atomic::AtomicI64};

use governor::DefaultDirectRateLimiter;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use self::{authenticator::Authenticator, reach::Reach};
use crate::{
    db::{DbError, users::Role},
    domain::{
        ids::{GrantId, LoginId, TokenId, UserId},
        names::Email,
        time::Timestamp,
    },
};

/// Why a request has no principal.
#[derive(Debug, Error)]
pub enum AuthError {
    /// It carries nothing.
    #[error("sign in, or send an API token as `Authorization: Bearer bth_…`")]
    Missing,
    /// It carries something that is not one of our tokens, or none that is known.
    #[error("the token is not valid; create one with `berth token create` or in the dashboard")]
    Unknown,
    /// Its time is over.
    #[error("the token has expired; create a new one")]
    Expired,
    /// It was taken back.
    #[error("the token was revoked; create a new one")]
    Revoked,
    /// Its account is disabled.
    #[error("this account is disabled; ask an administrator")]
    Disabled,
    /// E-mail and password do not fit together (or the account does not exist: never said which).
    #[error("e-mail or password is wrong")]
    WrongPassword,
    /// Too many failures.
    #[error("too many failed sign-ins; try again in {retry_after_seconds} s")]
    Throttled {
        /// When the next attempt is allowed.
        retry_after_seconds: u64,
    },
    /// A request that changes something came with a cookie but without its CSRF token.
    #[error("the X-CSRF-Token header is missing or wrong; take it from the sign-in's answer")]
    Csrf,
    /// It could not be looked up.
    #[error("credentials cannot be checked now")]
    Database(#[from] DbError),
    /// Hashing failed.
    #[error("the password could not be hashed")]
    Hash(#[from] passwords::HashError),
}

/// How a principal proved who they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// With an API token.
    Token {
        /// The token.
        id: TokenId,
    },
    /// With an access token that an OAuth client was granted: for the MCP endpoint of one instance alone.
    Grant {
        /// What the user consented to.
        id: GrantId,
    },
    /// With the dashboard's cookie.
    Login {
        /// The sign-in.
        id: LoginId,
    },
    /// From this host, with the control token that only the data directory's owner can read.
    Operator,
}

/// Somebody who has proved who they are.
pub struct Principal {
    /// The account.
    pub user: UserId,
    /// Its ordinal.
    pub number: u32,
    /// What it signs in with.
    pub email: Email,
    /// What it may do.
    pub role: Role,
    /// How it was proved.
    pub via: Via,
    /// How far the proof reaches.
    pub reach: Reach,
    /// When the proof expires.
    pub expires_at: Option<Timestamp>,
    /// Requests per second, shared by all tokens of the account.
    pub limiter: Arc<DefaultDirectRateLimiter>,
    /// Fires when the proof is taken back: what is under way with it ends.
    pub ended: Arc<CancellationToken>,
    /// The second of the last use that was noted.
    pub(crate) noted_second: AtomicI64,
}

impl Principal {
    /// Whether the proof has expired.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
