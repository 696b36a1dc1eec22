//! What happened to each instance, for its owner to read.

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Connection,
    convert::{At, to_json},
    schema::events,
};
use crate::domain::{ids::InstanceId, time::Timestamp};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Grows with time; the cursor of a list.
    pub id: i64,
    /// To which instance.
    pub instance_id: InstanceId,
    /// When.
    pub at: Timestamp,
    /// What, as a word such as `started`.
    pub kind: String,
    /// More about it; never a secret.
    pub detail: Value,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EventRow {
    id: i64,
    instance_id: String,
    at: i64,
    kind: String,
    detail: String,
}

impl EventRow {
    fn read(self) -> QueryResult<Event> {
        Ok(Event {
            id: self.id,
            instance_id: At("events", "instance_id").parse(&self.instance_id)?,
            at: Timestamp(self.at),
            kind: self.kind,
            detail: At("events", "detail").json(&self.detail)?,
        })
    }
}

/// Adds an event; returns its id.
///
/// # Errors
/// A foreign key error when the instance is gone.
pub fn append(
    conn: &mut Connection,
    instance: InstanceId,
    at: Timestamp,
    kind: &str,
    detail: &Value,
) -> QueryResult<i64> {
    let row = (
        events::instance_id.eq(instance.to_string()),
        events::at.eq(at.0),
        events::kind.eq(kind),
        events::detail.eq(to_json(detail)?),
    );
    diesel::insert_into(events::table).values(row).returning(events::id).get_result(conn)
}

/// At most `limit` events of an instance, newest first, older than the one with id `before` if given.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection, instance: InstanceId, limit: u32, before: Option<i64>) -> QueryResult<Vec<Event>> {
    let rows = events::table
        .filter(events::instance_id.eq(instance.to_string()))
        .filter(events::id.lt(before.unwrap_or(i64::MAX)))
        .order(events::id.desc())
        .limit(i64::from(limit))
        .select(EventRow::as_select())
        .load(conn)?;
    rows.into_iter().map(EventRow::read).collect()
}

/// Removes events older than `at`; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_before(conn: &mut Connection, at: Timestamp) -> QueryResult<usize> {
    diesel::delete(events::table.filter(events::at.lt(at.0))).execute(conn)
}
