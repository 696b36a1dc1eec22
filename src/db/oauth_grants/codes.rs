//! Authorization codes: hashes, and what the request that made them had promised.

use diesel::prelude::*;

use super::{Grant, GrantRow};
use crate::{
    db::{
        Connection,
        schema::{oauth_codes, oauth_grants, users},
        users::{User, UserRow},
    },
    domain::{ids::GrantId, time::Timestamp},
};

/// A code's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code, hex.
    pub hash: String,
    /// What it was given for.
    pub grant_id: GrantId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// The S256 challenge.
    pub challenge: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged.
    pub used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_codes, treat_none_as_default_value = false)]
struct CodeRow {
    hash: String,
    grant_id: String,
    redirect_uri: String,
    challenge: String,
    expires_at: i64,
    used_at: Option<i64>,
}

/// Inserts a code.
///
/// # Errors
/// A foreign key error when the grant does not exist.
pub fn insert(conn: &mut Connection, new: &Code) -> QueryResult<()> {
    let row = CodeRow {
        hash: new.hash.clone(),
        grant_id: new.grant_id.to_string(),
        redirect_uri: new.redirect_uri.clone(),
        challenge: new.challenge.clone(),
        expires_at: new.expires_at.0,
        used_at: new.used_at.map(|at| at.0),
    };
    diesel::insert_into(oauth_codes::table).values(&row).execute(conn).map(drop)
}

/// The code with this hash, its grant and the user. Whether they still hold is for the caller to judge.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_hash(conn: &mut Connection, hash: &str) -> QueryResult<(Code, Grant, User)> {
    let (code, (grant, user)) = oauth_codes::table
        .inner_join(oauth_grants::table.inner_join(users::table))
        .filter(oauth_codes::hash.eq(hash))
        .select((CodeRow::as_select(), (GrantRow::as_select(), UserRow::as_select())))
        .first::<(CodeRow, (GrantRow, UserRow))>(conn)?;
    let grant = grant.read()?;
    let code = Code {
        hash: code.hash,
        grant_id: grant.id,
        redirect_uri: code.redirect_uri,
        challenge: code.challenge,
        expires_at: Timestamp(code.expires_at),
        used_at: code.used_at.map(Timestamp),
    };
    Ok((code, grant, user.read()?))
}

/// Uses the code up; `false` when somebody has done that before.
///
/// # Errors
/// When the query fails.
pub fn consume(conn: &mut Connection, hash: &str, at: Timestamp) -> QueryResult<bool> {
    let unused = oauth_codes::table.filter(oauth_codes::hash.eq(hash)).filter(oauth_codes::used_at.is_null());
    diesel::update(unused).set(oauth_codes::used_at.eq(at.0)).execute(conn).map(|touched| touched == 1)
}
