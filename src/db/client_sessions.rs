//! Sessions of MCP clients, so that a client goes on with its session when Berth was restarted.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, to_json},
    schema::{client_sessions, instances, users},
};
use crate::domain::{
    connection::Client,
    ids::{InstanceId, UserId},
    time::Timestamp,
};

/// A client's session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSession {
    /// The id that the client sends.
    pub id: String,
    /// The instance that it is a session of.
    pub instance_id: InstanceId,
    /// Who opened it.
    pub user_id: UserId,
    /// The one proof of theirs that it opens to; to all when absent.
    pub only: Option<Client>,
    /// How the client reaches it.
    pub transport: String,
    /// The protocol version that was agreed.
    pub version: String,
    /// The body of the client's `initialize`.
    pub hello: String,
    /// The resources that the client follows.
    pub subscriptions: Vec<String>,
    /// The least level of log messages that the client wants.
    pub level: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was used, as of the last write.
    pub seen_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = client_sessions, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Row {
    id: String,
    instance_id: String,
    user_id: String,
    transport: String,
    version: String,
    hello: String,
    subscriptions: String,
    level: Option<String>,
    opened_at: i64,
    seen_at: i64,
    bound_to: Option<String>,
}

impl Row {
    fn of(session: &ClientSession) -> QueryResult<Self> {
        Ok(Self {
            id: session.id.clone(),
            instance_id: session.instance_id.to_string(),
            user_id: session.user_id.to_string(),
            transport: session.transport.clone(),
            version: session.version.clone(),
            hello: session.hello.clone(),
            subscriptions: to_json(&session.subscriptions)?,
            level: session.level.clone(),
            opened_at: session.opened_at.0,
            seen_at: session.seen_at.0,
            bound_to: session.only.map(|only| only.to_string()),
        })
    }

    fn read(self) -> QueryResult<ClientSession> {
        let at = |column| At("client_sessions", column);
        Ok(ClientSession {
            id: self.id,
            instance_id: at("instance_id").parse(&self.instance_id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            only: at("bound_to").parse_option(self.bound_to.as_deref())?,
            transport: self.transport,
            version: self.version,
            hello: self.hello,
            subscriptions: at("subscriptions").json(&self.subscriptions)?,
            level: self.level,
            opened_at: Timestamp(self.opened_at),
            seen_at: Timestamp(self.seen_at),
        })
    }
}

/// Writes a session, over what was known of it. `false`: its instance or its user is gone, and the
/// session with it.
///
/// # Errors
/// When a query fails.
pub fn put(conn: &mut Connection, session: &ClientSession) -> QueryResult<bool> {
    let row = Row::of(session)?;
    if diesel::update(client_sessions::table.find(&row.id)).set(&row).execute(conn)? > 0 {
        return Ok(true);
    }
    let instance: i64 = instances::table.find(&row.instance_id).count().get_result(conn)?;
    let user: i64 = users::table.find(&row.user_id).count().get_result(conn)?;
    if instance == 0 || user == 0 {
        return Ok(false);
    }
    diesel::insert_into(client_sessions::table).values(&row).execute(conn).map(|_| true)
}

/// Deletes a session; one that is not there is none.
///
/// # Errors
/// When the query fails.
pub fn delete(conn: &mut Connection, id: &str) -> QueryResult<()> {
    diesel::delete(client_sessions::table.find(id)).execute(conn).map(drop)
}

/// All sessions, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_all(conn: &mut Connection) -> QueryResult<Vec<ClientSession>> {
    let order = (client_sessions::opened_at, client_sessions::id);
    let rows = client_sessions::table.order(order).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}
