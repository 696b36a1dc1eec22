//! Connections of instances in session mode, so that a client comes back to its files.

use diesel::prelude::*;

use super::{
    Connection,
    convert::At,
    schema::{connections, instances},
};
use crate::domain::{connection::Client, ids::InstanceId, time::Timestamp};

/// A connection as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Its id; that of its session, where its client has one.
    pub id: String,
    /// The instance that it is a connection of.
    pub instance_id: InstanceId,
    /// With what its client comes, if that has no session.
    pub client: Option<Client>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used, as of the last write.
    pub last_used_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = connections, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Row {
    id: String,
    instance_id: String,
    client: Option<String>,
    created_at: i64,
    last_used_at: i64,
}

impl Row {
    fn of(record: &ConnectionRecord) -> Self {
        Self {
            id: record.id.clone(),
            instance_id: record.instance_id.to_string(),
            client: record.client.map(|client| client.to_string()),
            created_at: record.created_at.0,
            last_used_at: record.last_used_at.0,
        }
    }

    fn read(self) -> QueryResult<ConnectionRecord> {
        let at = |column| At("connections", column);
        Ok(ConnectionRecord {
            id: self.id,
            instance_id: at("instance_id").parse(&self.instance_id)?,
            client: at("client").parse_option(self.client.as_deref())?,
            created_at: Timestamp(self.created_at),
            last_used_at: Timestamp(self.last_used_at),
        })
    }
}

/// Writes a connection, over what was known of it. `false`: its instance is gone, and it too.
///
/// # Errors
/// When a query fails.
pub fn put(conn: &mut Connection, record: &ConnectionRecord) -> QueryResult<bool> {
    let row = Row::of(record);
    if diesel::update(connections::table.find(&row.id)).set(&row).execute(conn)? > 0 {
        return Ok(true);
    }
    let instance: i64 = instances::table.find(&row.instance_id).count().get_result(conn)?;
    if instance == 0 {
        return Ok(false);
    }
    diesel::insert_into(connections::table).values(&row).execute(conn).map(|_| true)
}

/// Deletes a connection; one that is not there is none.
///
/// # Errors
/// When the query fails.
pub fn delete(conn: &mut Connection, id: &str) -> QueryResult<()> {
    diesel::delete(connections::table.find(id)).execute(conn).map(drop)
}

/// All connections, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_all(conn: &mut Connection) -> QueryResult<Vec<ConnectionRecord>> {
    let order = (connections::created_at, connections::id);
    let rows = connections::table.order(order).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}
