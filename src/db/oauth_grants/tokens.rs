//! Access and refresh tokens: hashes and how far they reach, never the tokens themselves.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Grant, GrantRow};
use crate::{
    db::{
        Connection,
        convert::{At, to_variant},
        schema::{oauth_grants, oauth_tokens, users},
        users::{User, UserRow},
    },
    domain::{ids::GrantId, time::Timestamp},
};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// For the instance.
    Access,
    /// For the next access token, once.
    Refresh,
}

/// A token's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// What it came of.
    pub grant_id: GrantId,
    /// What it is for.
    pub kind: Kind,
    /// Its scopes, separated by spaces: those of the grant, or fewer.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When a refresh token was used: another has taken its place.
    pub used_at: Option<Timestamp>,
    /// When it was revoked by itself.
    pub revoked_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_tokens, treat_none_as_default_value = false)]
struct TokenRow {
    hash: String,
    grant_id: String,
    kind: String,
    scopes: String,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenRow {
    fn read(self) -> QueryResult<Token> {
        Ok(Token {
            hash: self.hash,
            grant_id: At("oauth_tokens", "grant_id").parse(&self.grant_id)?,
            kind: At("oauth_tokens", "kind").variant(&self.kind)?,
            scopes: self.scopes,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
            used_at: self.used_at.map(Timestamp),
            revoked_at: self.revoked_at.map(Timestamp),
        })
    }
}

/// Inserts a token.
///
/// # Errors
/// A foreign key error when the grant does not exist.
pub fn insert(conn: &mut Connection, new: &Token) -> QueryResult<()> {
    let row = TokenRow {
        hash: new.hash.clone(),
        grant_id: new.grant_id.to_string(),
        kind: to_variant(&new.kind)?,
        scopes: new.scopes.clone(),
        created_at: new.created_at.0,
        expires_at: new.expires_at.0,
        used_at: new.used_at.map(|at| at.0),
        revoked_at: new.revoked_at.map(|at| at.0),
    };
    diesel::insert_into(oauth_tokens::table).values(&row).execute(conn).map(drop)
}

/// The token with this hash, its grant and the user. Whether they still hold is for the caller to judge.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_hash(conn: &mut Connection, hash: &str) -> QueryResult<(Token, Grant, User)> {
    let (token, (grant, user)) = oauth_tokens::table
        .inner_join(oauth_grants::table.inner_join(users::table))
        .filter(oauth_tokens::hash.eq(hash))
        .select((TokenRow::as_select(), (GrantRow::as_select(), UserRow::as_select())))
        .first::<(TokenRow, (GrantRow, UserRow))>(conn)?;
    Ok((token.read()?, grant.read()?, user.read()?))
}

/// Uses a refresh token up; `false` when somebody has done that before.
///
/// # Errors
/// When the query fails.
pub fn consume(conn: &mut Connection, hash: &str, at: Timestamp) -> QueryResult<bool> {
    let unused = oauth_tokens::table.filter(oauth_tokens::hash.eq(hash)).filter(oauth_tokens::used_at.is_null());
    diesel::update(unused).set(oauth_tokens::used_at.eq(at.0)).execute(conn).map(|touched| touched == 1)
}

/// Revokes this one token; the time of the first revocation stays.
///
/// # Errors
/// When the query fails.
pub fn revoke(conn: &mut Connection, hash: &str, at: Timestamp) -> QueryResult<()> {
    let open = oauth_tokens::table.filter(oauth_tokens::hash.eq(hash)).filter(oauth_tokens::revoked_at.is_null());
    diesel::update(open).set(oauth_tokens::revoked_at.eq(at.0)).execute(conn).map(drop)
}

/// Removes tokens that are over; returns how many.
pub(super) fn purge_expired(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(oauth_tokens::table.filter(oauth_tokens::expires_at.le(now.0))).execute(conn)
}
