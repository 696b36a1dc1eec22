//! Instances that their owners share with somebody, and on which terms.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    schema::{instances, shares, users},
};
use crate::domain::{
    ids::{InstanceId, ShareId, UserId},
    names::Email,
    time::Timestamp,
};

/// One instance, shared with one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub id: ShareId,
    /// The instance.
    pub instance_id: InstanceId,
    /// With whom: not its owner.
    pub guest_id: UserId,
    /// The only tools that they call; all when `None`.
    pub tools: Option<BTreeSet<String>>,
    /// Whether they call no tool.
    pub read_only: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; when its owner says so, when absent.
    pub expires_at: Option<Timestamp>,
}

impl Share {
    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What a guest is shown of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The share.
    pub share: Share,
    /// The instance's service.
    pub service: String,
    /// The address of its owner.
    pub owner: Email,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = shares, treat_none_as_default_value = false)]
struct Row {
    id: String,
    instance_id: String,
    guest_id: String,
    tools: Option<String>,
    read_only: bool,
    created_at: i64,
    expires_at: Option<i64>,
}

impl Row {
    fn read(self) -> QueryResult<Share> {
        let at = |column| At("shares", column);
        Ok(Share {
            id: at("id").parse(&self.id)?,
            instance_id: at("instance_id").parse(&self.instance_id)?,
            guest_id: at("guest_id").parse(&self.guest_id)?,
            tools: at("tools").json_option(self.tools.as_deref())?,
            read_only: self.read_only,
            created_at: Timestamp(self.created_at),
            expires_at: self.expires_at.map(Timestamp),
        })
    }
}

/// Inserts a share. One with the same guest that is over makes room.
///
/// # Errors
/// When it is shared with them already (a unique constraint), the instance or the guest does not exist (a
/// foreign key), or a query fails.
pub fn insert(conn: &mut Connection, share: &Share) -> QueryResult<()> {
    let row = Row {
        id: share.id.to_string(),
        instance_id: share.instance_id.to_string(),
        guest_id: share.guest_id.to_string(),
        tools: share.tools.as_ref().map(to_json).transpose()?,
        read_only: share.read_only,
        created_at: share.created_at.0,
        expires_at: share.expires_at.map(|at| at.0),
    };
    let over = shares::table
        .filter(shares::instance_id.eq(&row.instance_id))
        .filter(shares::guest_id.eq(&row.guest_id))
        .filter(shares::expires_at.le(share.created_at.0));
    diesel::delete(over).execute(conn)?;
    diesel::insert_into(shares::table).values(&row).execute(conn).map(drop)
}

/// Those of an instance with their guests' addresses, oldest first, also those that are over.
///
/// # Errors
/// When the query fails.
pub fn list_of_instance(conn: &mut Connection, instance: InstanceId) -> QueryResult<Vec<(Share, Email)>> {
    let rows: Vec<(Row, String)> = shares::table
        .inner_join(users::table.on(users::id.eq(shares::guest_id)))
        .filter(shares::instance_id.eq(instance.to_string()))
        .order((shares::created_at, shares::id))
        .select((Row::as_select(), users::email))
        .load(conn)?;
    rows.into_iter().map(|(row, email)| Ok((row.read()?, At("users", "email").parse(&email)?))).collect()
}

/// Those with a guest that are not over, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_of_guest(conn: &mut Connection, guest: UserId, now: Timestamp) -> QueryResult<Vec<Received>> {
    let rows: Vec<(Row, String, String)> = shares::table
        .inner_join(instances::table.on(instances::id.eq(shares::instance_id)))
        .inner_join(users::table.on(users::id.eq(instances::user_id)))
        .filter(shares::guest_id.eq(guest.to_string()))
        .filter(shares::expires_at.is_null().or(shares::expires_at.gt(now.0)))
        .order((shares::created_at, shares::id))
        .select((Row::as_select(), instances::service, users::email))
        .load(conn)?;
    let read = |(row, service, email): (Row, String, String)| {
        Ok(Received { share: row.read()?, service, owner: At("users", "email").parse(&email)? })
    };
    rows.into_iter().map(read).collect()
}

/// All that are not over.
///
/// # Errors
/// When the query fails.
pub fn list_all(conn: &mut Connection, now: Timestamp) -> QueryResult<Vec<Share>> {
    let live = shares::table.filter(shares::expires_at.is_null().or(shares::expires_at.gt(now.0)));
    live.select(Row::as_select()).load(conn)?.into_iter().map(Row::read).collect()
}

/// Deletes one of an instance; returns whose it was.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, instance: InstanceId, id: ShareId) -> QueryResult<UserId> {
    let of_instance = shares::table.filter(shares::instance_id.eq(instance.to_string()));
    let row = of_instance.filter(shares::id.eq(id.to_string()));
    let guest: String = row.clone().select(shares::guest_id).first(conn)?;
    require_row(diesel::delete(row).execute(conn)?)?;
    At("shares", "guest_id").parse(&guest)
}

/// Deletes what is over.
///
/// # Errors
/// When the query fails.
pub fn purge(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(shares::table.filter(shares::expires_at.le(now.0))).execute(conn)
}
