//! Accounts of sign-in providers, and whose they are.

use diesel::prelude::*;

use super::{
    Connection,
    schema::{identities, users},
    users::{User, UserRow},
};
use crate::domain::{ids::UserId, time::Timestamp};

/// The user that this account of this provider belongs to.
///
/// # Errors
/// Not found, or the query fails.
pub fn user_of(conn: &mut Connection, provider: &str, subject: &str) -> QueryResult<User> {
    let row = identities::table
        .inner_join(users::table)
        .filter(identities::provider.eq(provider))
        .filter(identities::subject.eq(subject))
        .select(UserRow::as_select())
        .first::<UserRow>(conn)?;
    row.read()
}

/// Gives an account of a provider to a user.
///
/// # Errors
/// A unique violation when it is somebody's already, a foreign key error when the user does not exist.
pub fn insert(
    conn: &mut Connection,
    (provider, subject): (&str, &str),
    user: UserId,
    now: Timestamp,
) -> QueryResult<()> {
    let row = (
        identities::provider.eq(provider),
        identities::subject.eq(subject),
        identities::user_id.eq(user.to_string()),
        identities::created_at.eq(now.0),
    );
    diesel::insert_into(identities::table).values(row).execute(conn).map(drop)
}

/// The providers by which a user can sign in.
///
/// # Errors
/// When the query fails.
pub fn providers_of(conn: &mut Connection, user: UserId) -> QueryResult<Vec<String>> {
    let own = identities::table.filter(identities::user_id.eq(user.to_string()));
    own.select(identities::provider).order(identities::provider).load(conn)
}
