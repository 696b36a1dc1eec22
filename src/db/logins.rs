//! Dashboard sign-ins (table `sessions`): hashes of cookies, never the cookies.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::{sessions, users},
    users::{User, UserRow},
};
use crate::domain::{
    ids::{LoginId, UserId},
    time::Timestamp,
};

/// A sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// Who signed in.
    pub user_id: UserId,
    /// SHA-256 of the cookie's value, hex.
    pub hash: String,
    /// SHA-256 of the CSRF token, hex, where one is kept.
    pub csrf_hash: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to within a minute or so.
    pub last_seen_at: Timestamp,
    /// What the browser called itself.
    pub user_agent: Option<String>,
    /// Where it came from.
    pub address: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
struct LoginRow {
    id: String,
    user_id: String,
    hash: String,
    csrf_hash: Option<String>,
    created_at: i64,
    expires_at: i64,
    last_seen_at: i64,
    user_agent: Option<String>,
    address: Option<String>,
}

impl LoginRow {
    fn read(self) -> QueryResult<Login> {
        let at = |column| At("sessions", column);
        Ok(Login {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            hash: self.hash,
            csrf_hash: self.csrf_hash,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
            last_seen_at: Timestamp(self.last_seen_at),
            user_agent: self.user_agent,
            address: self.address,
        })
    }
}

/// Inserts a sign-in.
///
/// # Errors
/// A foreign key error when the user does not exist.
pub fn insert(conn: &mut Connection, new: &Login) -> QueryResult<()> {
    let row = LoginRow {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        hash: new.hash.clone(),
        csrf_hash: new.csrf_hash.clone(),
        created_at: new.created_at.0,
        expires_at: new.expires_at.0,
        last_seen_at: new.last_seen_at.0,
        user_agent: new.user_agent.clone(),
        address: new.address.clone(),
    };
    diesel::insert_into(sessions::table).values(&row).execute(conn).map(drop)
}

/// The sign-in with this hash and its user. Whether it still holds (expired, user disabled) is for the
/// caller to judge.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_hash(conn: &mut Connection, hash: &str) -> QueryResult<(Login, User)> {
    let (login, user) = sessions::table
        .inner_join(users::table)
        .filter(sessions::hash.eq(hash))
        .select((LoginRow::as_select(), UserRow::as_select()))
        .first::<(LoginRow, UserRow)>(conn)?;
    Ok((login.read()?, user.read()?))
}

/// A user's sign-ins, newest first.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Login>> {
    let rows = sessions::table
        .filter(sessions::user_id.eq(user.to_string()))
        .order((sessions::created_at.desc(), sessions::id.desc()))
        .select(LoginRow::as_select())
        .load(conn)?;
    rows.into_iter().map(LoginRow::read).collect()
}

/// Writes when the sign-in was last used and until when it holds.
///
/// # Errors
/// Not found, or the query fails.
pub fn touch(conn: &mut Connection, id: LoginId, seen_at: Timestamp, expires_at: Timestamp) -> QueryResult<()> {
    let set = (sessions::last_seen_at.eq(seen_at.0), sessions::expires_at.eq(expires_at.0));
    require_row(diesel::update(sessions::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Ends the sign-in.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: LoginId) -> QueryResult<()> {
    require_row(diesel::delete(sessions::table.find(id.to_string())).execute(conn)?)
}

/// Ends all sign-ins of a user but `except`; returns how many.
///
/// # Errors
/// When the query fails.
pub fn delete_for_user(conn: &mut Connection, user: UserId, except: Option<LoginId>) -> QueryResult<usize> {
    // No id is empty, so an empty one keeps none.
    let kept = except.map(|id| id.to_string()).unwrap_or_default();
    let others = sessions::table.filter(sessions::user_id.eq(user.to_string())).filter(sessions::id.ne(kept));
    diesel::delete(others).execute(conn)
}

/// Removes sign-ins that are over; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_expired(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::expires_at.le(now.0))).execute(conn)
}

/// Ends the sign-in with this hash, if there is one.
///
/// # Errors
/// When the query fails.
pub fn delete_by_hash(conn: &mut Connection, hash: &str) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::hash.eq(hash))).execute(conn)
}

/// Ends this sign-in of this user.
///
/// # Errors
/// Not found, also when it is somebody else's; or the query fails.
pub fn delete_own(conn: &mut Connection, user: UserId, id: LoginId) -> QueryResult<()> {
    let own = sessions::table.find(id.to_string()).filter(sessions::user_id.eq(user.to_string()));
    require_row(diesel::delete(own).execute(conn)?)
}
