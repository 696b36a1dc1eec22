//! Accounts that are removed and can be brought back for a while.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    instances, logins,
    schema::removals,
    users,
};
use crate::domain::{
    ids::{InstanceId, UserId},
    instance::Desired,
    time::Timestamp,
};

/// A removed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose.
    pub user_id: UserId,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// When all that it had is erased.
    pub erase_at: Timestamp,
    /// Since when the account was disabled before that.
    pub disabled_at: Option<Timestamp>,
    /// The instances that were wanted.
    pub running: Vec<InstanceId>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = removals, treat_none_as_default_value = false)]
struct Row {
    user_id: String,
    removed_at: i64,
    erase_at: i64,
    disabled_at: Option<i64>,
    running: String,
}

impl Row {
    fn read(self) -> QueryResult<Removal> {
        Ok(Removal {
            user_id: At("removals", "user_id").parse(&self.user_id)?,
            removed_at: Timestamp(self.removed_at),
            erase_at: Timestamp(self.erase_at),
            disabled_at: self.disabled_at.map(Timestamp),
            running: At("removals", "running").json(&self.running)?,
        })
    }
}

/// Removes an account for now: it is disabled, its sign-ins end, none of its instances is wanted any more. When it
/// is removed already, it is erased at the earlier of the two times.
///
/// # Errors
/// Not found, or a query fails.
pub fn begin(conn: &mut Connection, user: UserId, now: Timestamp, erase_at: Timestamp) -> QueryResult<Removal> {
    if let Some(known) = find(conn, user)? {
        let erase_at = erase_at.min(known.erase_at);
        let set = removals::erase_at.eq(erase_at.0);
        diesel::update(removals::table.find(user.to_string())).set(set).execute(conn)?;
        return Ok(Removal { erase_at, ..known });
    }
    let disabled_at = users::by_id(conn, user)?.disabled_at;
    let owned = instances::list_for_user(conn, user)?;
    let running: Vec<InstanceId> =
        owned.iter().filter(|instance| instance.desired == Desired::Running).map(|instance| instance.id).collect();
    users::set_disabled(conn, user, Some(now))?;
    logins::delete_for_user(conn, user, None)?;
    running.iter().try_for_each(|id| instances::set_desired(conn, *id, Desired::Stopped))?;
    let removal = Removal { user_id: user, removed_at: now, erase_at, disabled_at, running };
    let row = Row {
        user_id: user.to_string(),
        removed_at: now.0,
        erase_at: erase_at.0,
        disabled_at: disabled_at.map(|at| at.0),
        running: to_json(&removal.running)?,
    };
    diesel::insert_into(removals::table).values(&row).execute(conn)?;
    Ok(removal)
}

/// Brings a removed account back as it was; the instances that were wanted are so again.
///
/// # Errors
/// Not found when it is not removed, or a query fails.
pub fn undo(conn: &mut Connection, user: UserId) -> QueryResult<Removal> {
    let removal: Removal =
        removals::table.find(user.to_string()).select(Row::as_select()).first::<Row>(conn)?.read()?;
    require_row(diesel::delete(removals::table.find(user.to_string())).execute(conn)?)?;
    users::set_disabled(conn, user, removal.disabled_at)?;
    let owned = instances::list_for_user(conn, user)?;
    for instance in owned.iter().filter(|instance| removal.running.contains(&instance.id)) {
        instances::set_desired(conn, instance.id, Desired::Running)?;
    }
    Ok(removal)
}

/// The removal of an account, if it is removed.
///
/// # Errors
/// When the query fails.
pub fn find(conn: &mut Connection, user: UserId) -> QueryResult<Option<Removal>> {
    let row = removals::table.find(user.to_string()).select(Row::as_select()).first::<Row>(conn).optional()?;
    row.map(Row::read).transpose()
}

/// All removed accounts, by when they are erased.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection) -> QueryResult<Vec<Removal>> {
    let rows: Vec<Row> = removals::table.order(removals::erase_at).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}
