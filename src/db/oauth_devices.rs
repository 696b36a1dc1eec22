//! Devices that wait for a user to let them in (RFC 8628): hashes of their codes, never the codes.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::oauth_devices,
};
use crate::domain::{
    ids::{InstanceId, UserId},
    time::Timestamp,
};

/// What the user has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Pending,
    /// Yes.
    Allowed,
    /// No.
    Denied,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

impl std::str::FromStr for State {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Pending, Self::Allowed, Self::Denied];
        all.into_iter().find(|state| state.as_str() == text).ok_or("no such state")
    }
}

/// A device's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// SHA-256 of the code that the device has, hex.
    pub device_hash: String,
    /// SHA-256 of the code that the user types, hex.
    pub user_hash: String,
    /// The client on it.
    pub client_id: String,
    /// The instance that it asks for; whether there is one, nobody has looked.
    pub instance_id: InstanceId,
    /// The scopes, separated by spaces.
    pub scopes: String,
    /// The instance's URL as the client asked for it.
    pub resource: String,
    /// What the user has said.
    pub state: State,
    /// Which user.
    pub user_id: Option<UserId>,
    /// When it asked.
    pub created_at: Timestamp,
    /// When its codes end.
    pub expires_at: Timestamp,
    /// The least time between two polls, in seconds.
    pub pace_seconds: i64,
    /// When it last polled.
    pub polled_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_devices, treat_none_as_default_value = false)]
struct Row {
    device_hash: String,
    user_hash: String,
    client_id: String,
    instance_id: String,
    scopes: String,
    resource: String,
    state: String,
    user_id: Option<String>,
    created_at: i64,
    expires_at: i64,
    pace_seconds: i64,
    polled_at: Option<i64>,
}

impl Row {
    fn read(self) -> QueryResult<Device> {
        let at = |column| At("oauth_devices", column);
        Ok(Device {
            device_hash: self.device_hash,
            user_hash: self.user_hash,
            client_id: self.client_id,
            instance_id: at("instance_id").parse(&self.instance_id)?,
            scopes: self.scopes,
            resource: self.resource,
            state: at("state").parse(&self.state)?,
            user_id: at("user_id").parse_option(self.user_id.as_deref())?,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
            pace_seconds: self.pace_seconds,
            polled_at: self.polled_at.map(Timestamp),
        })
    }
}

/// Inserts a device.
///
/// # Errors
/// Unique violation when a code is taken.
pub fn insert(conn: &mut Connection, device: &Device) -> QueryResult<()> {
    let row = Row {
        device_hash: device.device_hash.clone(),
        user_hash: device.user_hash.clone(),
        client_id: device.client_id.clone(),
        instance_id: device.instance_id.to_string(),
        scopes: device.scopes.clone(),
        resource: device.resource.clone(),
        state: device.state.as_str().to_owned(),
        user_id: device.user_id.map(|id| id.to_string()),
        created_at: device.created_at.0,
        expires_at: device.expires_at.0,
        pace_seconds: device.pace_seconds,
        polled_at: device.polled_at.map(|at| at.0),
    };
    diesel::insert_into(oauth_devices::table).values(&row).execute(conn).map(drop)
}

/// The device with this code of its own.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_device_hash(conn: &mut Connection, hash: &str) -> QueryResult<Device> {
    oauth_devices::table.find(hash).select(Row::as_select()).first::<Row>(conn)?.read()
}

/// The device whose user types this code.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_user_hash(conn: &mut Connection, hash: &str) -> QueryResult<Device> {
    let found = oauth_devices::table.filter(oauth_devices::user_hash.eq(hash));
    found.select(Row::as_select()).first::<Row>(conn)?.read()
}

/// How many there are.
///
/// # Errors
/// When the query fails.
pub fn count(conn: &mut Connection) -> QueryResult<i64> {
    oauth_devices::table.count().get_result(conn)
}

/// Writes what the user has said, and how far.
///
/// # Errors
/// Not found when somebody has answered already or the codes have ended, or the query fails.
pub fn answer(
    conn: &mut Connection,
    user_hash: &str,
    (state, user, scopes): (State, UserId, &str),
    now: Timestamp,
) -> QueryResult<()> {
    let open = oauth_devices::table
        .filter(oauth_devices::user_hash.eq(user_hash))
        .filter(oauth_devices::state.eq(State::Pending.as_str()))
        .filter(oauth_devices::expires_at.gt(now.0));
    let set = (
        oauth_devices::state.eq(state.as_str()),
        oauth_devices::user_id.eq(user.to_string()),
        oauth_devices::scopes.eq(scopes),
    );
    require_row(diesel::update(open).set(set).execute(conn)?)
}

/// Writes that the device has polled, and how often it may.
///
/// # Errors
/// When the query fails.
pub fn polled(conn: &mut Connection, device_hash: &str, at: Timestamp, pace_seconds: i64) -> QueryResult<()> {
    let set = (oauth_devices::polled_at.eq(at.0), oauth_devices::pace_seconds.eq(pace_seconds));
    diesel::update(oauth_devices::table.find(device_hash)).set(set).execute(conn).map(drop)
}

/// Deletes a device; `false` when somebody else just has.
///
/// # Errors
/// When the query fails.
pub fn delete(conn: &mut Connection, device_hash: &str) -> QueryResult<bool> {
    diesel::delete(oauth_devices::table.find(device_hash)).execute(conn).map(|touched| touched > 0)
}

/// Deletes devices whose codes have ended before that; how many.
///
/// # Errors
/// When the query fails.
pub fn purge_expired(conn: &mut Connection, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(oauth_devices::table.filter(oauth_devices::expires_at.le(before.0))).execute(conn)
}
