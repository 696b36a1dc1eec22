//! Second factors (table `totp`) and the codes that stand in for a lost one: sealed secrets, hashes of codes.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::{recovery_codes, totp},
};
use crate::domain::{ids::UserId, time::Timestamp};

/// A second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totp {
    /// Whose.
    pub user_id: UserId,
    /// Its secret, sealed.
    pub sealed: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// From when on it is in force.
    pub confirmed_at: Option<Timestamp>,
    /// The time step of the last code that was accepted; 0 when none was.
    pub last_step: u64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = totp, treat_none_as_default_value = false)]
struct TotpRow {
    user_id: String,
    sealed: String,
    created_at: i64,
    confirmed_at: Option<i64>,
    last_step: i64,
}

impl TotpRow {
    fn read(self) -> QueryResult<Totp> {
        let at = |column| At("totp", column);
        Ok(Totp {
            user_id: at("user_id").parse(&self.user_id)?,
            sealed: self.sealed,
            created_at: Timestamp(self.created_at),
            confirmed_at: self.confirmed_at.map(Timestamp),
            last_step: at("last_step").number(self.last_step)?,
        })
    }
}

/// The second factor of a user, confirmed or not.
///
/// # Errors
/// Not found, or the query fails.
pub fn of_user(conn: &mut Connection, user: UserId) -> QueryResult<Totp> {
    totp::table.find(user.to_string()).select(TotpRow::as_select()).first(conn)?.read()
}

/// Every second factor, for the rotation of the master key.
///
/// # Errors
/// When the query fails.
pub fn all(conn: &mut Connection) -> QueryResult<Vec<Totp>> {
    let rows: Vec<TotpRow> = totp::table.order(totp::user_id).select(TotpRow::as_select()).load(conn)?;
    rows.into_iter().map(TotpRow::read).collect()
}

/// The same secret sealed with another master key.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(conn: &mut Connection, user: UserId, sealed: &str) -> QueryResult<()> {
    require_row(diesel::update(totp::table.find(user.to_string())).set(totp::sealed.eq(sealed)).execute(conn)?)
}

/// Whether a second factor of the user is in force.
///
/// # Errors
/// When the query fails.
pub fn is_on(conn: &mut Connection, user: UserId) -> QueryResult<bool> {
    let confirmed = totp::table.find(user.to_string()).filter(totp::confirmed_at.is_not_null());
    diesel::select(diesel::dsl::exists(confirmed)).get_result(conn)
}

/// Writes an unconfirmed second factor in the place of one that is unconfirmed, too.
///
/// # Errors
/// A unique violation of `totp_user_id` when one is in force.
pub fn begin(conn: &mut Connection, user: UserId, sealed: &str, now: Timestamp) -> QueryResult<()> {
    let unconfirmed = totp::table.filter(totp::user_id.eq(user.to_string())).filter(totp::confirmed_at.is_null());
    diesel::delete(unconfirmed).execute(conn)?;
    let row = TotpRow {
        user_id: user.to_string(),
        sealed: sealed.to_owned(),
        created_at: now.0,
        confirmed_at: None,
        last_step: 0,
    };
    diesel::insert_into(totp::table).values(&row).execute(conn).map(drop)
}

/// Puts the second factor in force and writes its recovery codes.
///
/// # Errors
/// Not found when there is none that waits for it.
pub fn confirm(conn: &mut Connection, user: UserId, hashes: &[String], now: Timestamp) -> QueryResult<()> {
    let waiting = totp::table.filter(totp::user_id.eq(user.to_string())).filter(totp::confirmed_at.is_null());
    require_row(diesel::update(waiting).set(totp::confirmed_at.eq(now.0)).execute(conn)?)?;
    for hash in hashes {
        let row = (recovery_codes::user_id.eq(user.to_string()), recovery_codes::hash.eq(hash));
        diesel::insert_into(recovery_codes::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Uses a time step up; `false` when it, or a later one, was used already. Of two at once one has it.
///
/// # Errors
/// When the query fails.
pub fn use_step(conn: &mut Connection, user: UserId, step: u64) -> QueryResult<bool> {
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    let unused = totp::table.filter(totp::user_id.eq(user.to_string())).filter(totp::last_step.lt(step));
    diesel::update(unused).set(totp::last_step.eq(step)).execute(conn).map(|touched| touched > 0)
}

/// Uses a recovery code up; `false` when there is none with this hash.
///
/// # Errors
/// When the query fails.
pub fn use_recovery_code(conn: &mut Connection, user: UserId, hash: &str) -> QueryResult<bool> {
    diesel::delete(recovery_codes::table.find((user.to_string(), hash))).execute(conn).map(|touched| touched > 0)
}

/// Recovery codes that are left.
///
/// # Errors
/// When the query fails.
pub fn recovery_codes_left(conn: &mut Connection, user: UserId) -> QueryResult<u64> {
    let own = recovery_codes::table.filter(recovery_codes::user_id.eq(user.to_string()));
    let count: i64 = own.count().get_result(conn)?;
    At("recovery_codes", "count").number(count)
}

/// Removes the second factor with its recovery codes; `false` when there was none.
///
/// # Errors
/// When the query fails.
pub fn delete(conn: &mut Connection, user: UserId) -> QueryResult<bool> {
    diesel::delete(totp::table.find(user.to_string())).execute(conn).map(|touched| touched > 0)
}
