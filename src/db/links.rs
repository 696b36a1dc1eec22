//! Links that are good for one use: hashes of their tokens, never the tokens.

use std::{fmt, str::FromStr};

use diesel::prelude::*;

use super::{Connection, convert::At, schema::login_links};
use crate::domain::{ids::UserId, time::Timestamp};

/// What a link is for. One for something else does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs in.
    Magic,
    /// Sets a password.
    Reset,
    /// Makes the first administrator.
    Setup,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Magic => "magic",
            Self::Reset => "reset",
            Self::Setup => "setup",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Magic, Self::Reset, Self::Setup];
        known.into_iter().find(|purpose| purpose.as_str() == text).ok_or_else(|| format!("unknown purpose {text:?}"))
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// SHA-256 of its token, hex.
    pub hash: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Whose it is; nobody's where it makes the first account.
    pub user_id: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = login_links, treat_none_as_default_value = false)]
struct LinkRow {
    hash: String,
    purpose: String,
    user_id: Option<String>,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
}

impl LinkRow {
    fn read(self) -> QueryResult<Link> {
        let at = |column| At("login_links", column);
        Ok(Link {
            hash: self.hash,
            purpose: at("purpose").parse(&self.purpose)?,
            user_id: at("user_id").parse_option(self.user_id.as_deref())?,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
            used_at: self.used_at.map(Timestamp),
        })
    }
}

/// Inserts a link.
///
/// # Errors
/// A foreign key error when the user does not exist.
pub fn insert(conn: &mut Connection, new: &Link) -> QueryResult<()> {
    let row = LinkRow {
        hash: new.hash.clone(),
        purpose: new.purpose.to_string(),
        user_id: new.user_id.map(|id| id.to_string()),
        created_at: new.created_at.0,
        expires_at: new.expires_at.0,
        used_at: new.used_at.map(|at| at.0),
    };
    diesel::insert_into(login_links::table).values(&row).execute(conn).map(drop)
}

/// The link with this hash that is for this purpose. Whether it still opens is for the caller to judge.
///
/// # Errors
/// Not found, or the query fails.
pub fn find(conn: &mut Connection, hash: &str, purpose: Purpose) -> QueryResult<Link> {
    let wanted = login_links::table.find(hash).filter(login_links::purpose.eq(purpose.as_str()));
    wanted.select(LinkRow::as_select()).first(conn)?.read()
}

/// Uses the link up; `false` when it was used already or is over. Of two at once one has it.
///
/// # Errors
/// When the query fails.
pub fn consume(conn: &mut Connection, hash: &str, purpose: Purpose, now: Timestamp) -> QueryResult<bool> {
    let open = login_links::table
        .filter(login_links::hash.eq(hash))
        .filter(login_links::purpose.eq(purpose.as_str()))
        .filter(login_links::used_at.is_null())
        .filter(login_links::expires_at.gt(now.0));
    diesel::update(open).set(login_links::used_at.eq(now.0)).execute(conn).map(|touched| touched > 0)
}

/// Takes back all links of a user.
///
/// # Errors
/// When the query fails.
pub fn delete_for_user(conn: &mut Connection, user: UserId) -> QueryResult<usize> {
    diesel::delete(login_links::table.filter(login_links::user_id.eq(user.to_string()))).execute(conn)
}

/// Takes back all links of a purpose.
///
/// # Errors
/// When the query fails.
pub fn delete_purpose(conn: &mut Connection, purpose: Purpose) -> QueryResult<usize> {
    diesel::delete(login_links::table.filter(login_links::purpose.eq(purpose.as_str()))).execute(conn)
}

/// Removes links that were over before `before`; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_expired(conn: &mut Connection, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(login_links::table.filter(login_links::expires_at.le(before.0))).execute(conn)
}
