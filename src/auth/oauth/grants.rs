//! Grants and their tokens: how both begin, go on and end.

use std::time::Duration;

use serde::Serialize;

use super::Scopes;
use crate::{
    auth::tokens::{self, TokenHash},
    config::AuthConfig,
    db::{
        Connection, QueryResult,
        oauth_grants::{
            self, Grant,
            tokens::{Kind, Token},
        },
    },
    domain::{
        ids::{GrantId, InstanceId, UserId},
        secret::Secret,
        time::Timestamp,
    },
};

/// What access tokens start with, so that secret scanners and people recognise them.
pub const ACCESS_PREFIX: &str = "bta_";
/// What refresh tokens start with.
pub const REFRESH_PREFIX: &str = "btr_";

/// What a user allows a client.
pub struct NewGrant {
    /// Who allows it.
    pub user: UserId,
    /// The client.
    pub client_id: String,
    /// The client's name as the user saw it.
    pub client_name: String,
    /// For which instance.
    pub instance: InstanceId,
    /// The instance's URL as the client asked for it.
    pub resource: String,
    /// How far.
    pub scopes: Scopes,
}

/// How long tokens live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access: Duration,
    /// Refresh tokens, each anew.
    pub refresh: Duration,
}

impl Lifetimes {
    /// As the settings say.
    #[must_use]
    pub const fn of(config: &AuthConfig) -> Self {
        Self { access: config.access_token_lifetime, refresh: config.refresh_token_lifetime }
    }
}

/// Tokens in clear: for one answer, and nowhere kept.
pub struct Tokens {
    /// For the instance.
    pub access: Secret,
    /// For the next access token.
    pub refresh: Option<Secret>,
}

impl Tokens {
    /// Fresh ones of 256 random bits each; with a refresh token or without.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn mint(with_refresh: bool) -> Result<Self, getrandom::Error> {
        let mint = |prefix: &str| tokens::random().map(|text| Secret::new(format!("{prefix}{text}")));
        let refresh = if with_refresh { Some(mint(REFRESH_PREFIX)?) } else { None };
        Ok(Self { access: mint(ACCESS_PREFIX)?, refresh })
    }

    /// The answer that hands them out (RFC 6749, section 5.1).
    #[must_use]
    pub fn answer<'a>(&'a self, scopes: &Scopes, lifetimes: &Lifetimes) -> TokenAnswer<'a> {
        TokenAnswer {
            access_token: self.access.expose(),
            token_type: "Bearer",
            expires_in: lifetimes.access.as_secs(),
            refresh_token: self.refresh.as_ref().map(Secret::expose),
            scope: scopes.to_string(),
        }
    }
}

/// The token endpoint's answer.
#[derive(Serialize)]
pub struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    scope: String,
}

/// Records a grant that ends at `expires_at`, unless tokens come of it before.
///
/// # Errors
/// A foreign key error when the user or the instance is gone, or the query fails.
pub fn open(conn: &mut Connection, new: &NewGrant, now: Timestamp, expires_at: Timestamp) -> QueryResult<GrantId> {
    let scopes = new.scopes.clone().without_instance();
    let grant = Grant {
        id: GrantId::generate(),
        user_id: new.user,
        instance_id: new.instance,
        client_id: new.client_id.clone(),
        client_name: new.client_name.clone(),
        resource: new.resource.clone(),
        tools: scopes.tool_names().filter(|names| !names.is_empty()).map(|names| names.into_iter().collect()),
        scopes: scopes.to_string(),
        created_at: now,
        expires_at,
        revoked_at: None,
        revoked_reason: None,
        last_used_at: None,
    };
    oauth_grants::insert(conn, &grant)?;
    Ok(grant.id)
}

/// Records tokens of a grant, and that it lasts as long as they do. `scopes` are those of the access token;
/// a refresh token has no fewer than the grant (RFC 6749, section 6).
///
/// # Errors
/// When a query fails.
pub fn issue(
    conn: &mut Connection,
    grant: GrantId,
    (tokens, scopes): (&Tokens, &Scopes),
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> QueryResult<()> {
    let record = |secret: &Secret, kind: Kind, lifetime: Duration| Token {
        hash: TokenHash::of(secret.expose()).to_hex(),
        grant_id: grant,
        kind,
        scopes: scopes.to_string(),
        created_at: now,
        expires_at: now.after(lifetime),
        used_at: None,
        revoked_at: None,
    };
    let access = record(&tokens.access, Kind::Access, lifetimes.access);
    let refresh = tokens.refresh.as_ref().map(|secret| record(secret, Kind::Refresh, lifetimes.refresh));
    let expires_at = refresh.as_ref().map_or(access.expires_at, |refresh| refresh.expires_at.max(access.expires_at));
    for token in [Some(access), refresh].into_iter().flatten() {
        oauth_grants::tokens::insert(conn, &token)?;
    }
    oauth_grants::extend(conn, grant, expires_at)
}

/// Ends a grant and everything that came of it. The caller then has the authenticator forget it.
///
/// # Errors
/// Not found, or the query fails.
pub fn revoke(conn: &mut Connection, id: GrantId, why: Ended, now: Timestamp) -> QueryResult<()> {
    oauth_grants::revoke(conn, id, why.as_str(), now)
}

/// Why a grant has ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its user, or an administrator, has taken it back.
    ByUser,
    /// The client has given it back (RFC 7009).
    ByClient,
    /// The client does not exist any more.
    ClientRemoved,
    /// The share by which its user reached the instance has ended.
    ShareEnded,
    /// Its code was used twice (OAuth 2.1, section 4.1.3): somebody has stolen it.
    CodeReplayed,
    /// A refresh token of it was used twice (RFC 9700, section 4.14.2): likewise.
    RefreshReplayed,
}

impl Ended {
    /// As the database and the API say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByUser => "revoked_by_user",
            Self::ByClient => "revoked_by_client",
            Self::ClientRemoved => "client_removed",
            Self::ShareEnded => "share_ended",
            Self::CodeReplayed => "code_replay",
            Self::RefreshReplayed => "refresh_reuse",
        }
    }
}
