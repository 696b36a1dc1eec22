//! People with an account.

use std::{fmt, str::FromStr};

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Connection,
    convert::{At, require_row},
    counters,
    schema::users,
};
use crate::domain::{ids::UserId, names::Email, time::Timestamp};

/// What a user may do beyond their own things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, for everybody.
    Admin,
    /// Their own things.
    User,
}

impl Role {
    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            _ => Err(format!("unknown role {text:?}: admin or user")),
        }
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their ordinal, 1 for the first; never given to another.
    pub number: u32,
    /// What they sign in with; unique.
    pub email: Email,
    /// The password's hash in PHC form; none when they cannot sign in by password.
    pub password_hash: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Instances that they may have, where it differs from the default.
    pub instance_quota: Option<u32>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was disabled; nothing of theirs may be used from then on.
    pub disabled_at: Option<Timestamp>,
}

/// A user to insert; the number is given by the database.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their id.
    pub id: UserId,
    /// What they sign in with.
    pub email: Email,
    /// The password's hash in PHC form.
    pub password_hash: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Instances that they may have, where it differs from the default.
    pub instance_quota: Option<u32>,
    /// When the account is made.
    pub created_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(super) struct UserRow {
    id: String,
    number: i64,
    email: String,
    password_hash: Option<String>,
    role: String,
    instance_quota: Option<i64>,
    created_at: i64,
    disabled_at: Option<i64>,
}

impl UserRow {
    pub(super) fn read(self) -> QueryResult<User> {
        let at = |column| At("users", column);
        Ok(User {
            id: at("id").parse(&self.id)?,
            number: at("number").number(self.number)?,
            email: at("email").parse(&self.email)?,
            password_hash: self.password_hash,
            role: at("role").parse(&self.role)?,
            instance_quota: at("instance_quota").number_option(self.instance_quota)?,
            created_at: Timestamp(self.created_at),
            disabled_at: self.disabled_at.map(Timestamp),
        })
    }
}

/// Inserts a user under the next number.
///
/// # Errors
/// A unique violation of `users_email` when the address is taken.
pub fn insert(conn: &mut Connection, new: &NewUser) -> QueryResult<User> {
    let row = UserRow {
        id: new.id.to_string(),
        number: counters::take(conn, counters::USERS)?,
        email: new.email.to_string(),
        password_hash: new.password_hash.clone(),
        role: new.role.to_string(),
        instance_quota: new.instance_quota.map(i64::from),
        created_at: new.created_at.0,
        disabled_at: None,
    };
    diesel::insert_into(users::table).values(&row).execute(conn)?;
    row.read()
}

/// The user with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: UserId) -> QueryResult<User> {
    users::table.find(id.to_string()).select(UserRow::as_select()).first(conn)?.read()
}

/// The user with this address.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_email(conn: &mut Connection, email: &Email) -> QueryResult<User> {
    users::table.filter(users::email.eq(email.as_str())).select(UserRow::as_select()).first(conn)?.read()
}

/// All users by number.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection) -> QueryResult<Vec<User>> {
    let rows = users::table.order(users::number).select(UserRow::as_select()).load(conn)?;
    rows.into_iter().map(UserRow::read).collect()
}

/// How many users there are.
///
/// # Errors
/// When the query fails.
pub fn count(conn: &mut Connection) -> QueryResult<u64> {
    let count: i64 = users::table.count().get_result(conn)?;
    At("users", "count").number(count)
}

/// Disables the account from `at` on, or enables it.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_disabled(conn: &mut Connection, id: UserId, at: Option<Timestamp>) -> QueryResult<()> {
    let set = users::disabled_at.eq(at.map(|at| at.0));
    require_row(diesel::update(users::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Sets or removes the password's hash.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_password(conn: &mut Connection, id: UserId, hash: Option<&str>) -> QueryResult<()> {
    let set = users::password_hash.eq(hash);
    require_row(diesel::update(users::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Sets the quota of instances; the default applies when it is none.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_quota(conn: &mut Connection, id: UserId, quota: Option<u32>) -> QueryResult<()> {
    let set = users::instance_quota.eq(quota.map(i64::from));
    require_row(diesel::update(users::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Sets what the user may do.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_role(conn: &mut Connection, id: UserId, role: Role) -> QueryResult<()> {
    let set = users::role.eq(role.as_str());
    require_row(diesel::update(users::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Deletes the user with their tokens, sign-ins and credentials.
///
/// # Errors
/// Not found; a foreign key error while they still have instances or services, which must go first.
pub fn delete(conn: &mut Connection, id: UserId) -> QueryResult<()> {
    require_row(diesel::delete(users::table.find(id.to_string())).execute(conn)?)
}
