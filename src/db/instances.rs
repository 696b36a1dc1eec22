//! Instances: what their owners want and what was last known of them.

mod create;
mod row;

use std::collections::BTreeMap;

use diesel::prelude::*;

pub use self::create::{CreateLimits, CreateRefusal, NewInstance, create};
use self::row::{Changeset, InstanceRow};
use super::{
    Connection,
    convert::{At, require_row, to_json},
    schema::{instances, users},
};
use crate::domain::{
    crash::CrashCard,
    fingerprint::Fingerprint,
    ids::{CredentialId, InstanceId, UserId},
    instance::{Desired, Instance, Mode},
    lifecycle::State,
    limits::Limits,
    time::Timestamp,
};

/// What happened to an instance. An outer `None` leaves the column as it is; an inner one empties it.
#[derive(Clone, Debug, Default)]
pub struct StateChange {
    /// Its state.
    pub state: Option<State>,
    /// Its port.
    pub port: Option<Option<u16>>,
    /// When it last became ready.
    pub started_at: Option<Option<Timestamp>>,
    /// Restarts since it was made.
    pub restarts: Option<u32>,
    /// The last failure.
    pub last_error: Option<Option<CrashCard>>,
    /// What it was started with when it last became ready.
    pub last_good: Option<Option<Fingerprint>>,
}

/// What its owner changes. An outer `None` leaves the column as it is; an inner one empties it.
#[derive(Clone, Debug, Default)]
pub struct InstanceChanges {
    /// The owner's name for it.
    pub label: Option<String>,
    /// The URL prefix.
    pub slug: Option<String>,
    /// How processes serve it.
    pub mode: Option<Mode>,
    /// Values for the manifest's `config` fields; replaces all.
    pub config: Option<BTreeMap<String, String>>,
    /// Additional environment, sealed.
    pub env_sealed: Option<Option<String>>,
    /// The credential that its process gets. Whether it is the owner's is the caller's to check.
    pub credential_id: Option<Option<CredentialId>>,
    /// Limits of its own; replaces all.
    pub limits: Option<Limits>,
    /// Seconds without use after which it sleeps.
    pub idle_seconds: Option<Option<u32>>,
}

/// The instance with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: InstanceId) -> QueryResult<Instance> {
    let row: (InstanceRow, i64) = instances::table
        .inner_join(users::table)
        .filter(instances::id.eq(id.to_string()))
        .select((InstanceRow::as_select(), users::number))
        .first(conn)?;
    InstanceRow::read(row)
}

/// The instance with this URL prefix.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_slug(conn: &mut Connection, slug: &str) -> QueryResult<Instance> {
    let row: (InstanceRow, i64) = instances::table
        .inner_join(users::table)
        .filter(instances::slug.eq(slug))
        .select((InstanceRow::as_select(), users::number))
        .first(conn)?;
    InstanceRow::read(row)
}

/// All instances, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_all(conn: &mut Connection) -> QueryResult<Vec<Instance>> {
    let rows: Vec<(InstanceRow, i64)> = instances::table
        .inner_join(users::table)
        .order((instances::created_at, instances::id))
        .select((InstanceRow::as_select(), users::number))
        .load(conn)?;
    rows.into_iter().map(InstanceRow::read).collect()
}

/// A user's instances, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Instance>> {
    let rows: Vec<(InstanceRow, i64)> = instances::table
        .inner_join(users::table)
        .filter(instances::user_id.eq(user.to_string()))
        .order((instances::created_at, instances::id))
        .select((InstanceRow::as_select(), users::number))
        .load(conn)?;
    rows.into_iter().map(InstanceRow::read).collect()
}

/// The instances that use a credential, oldest first.
///
/// # Errors
/// When the query fails.
pub fn using_credential(conn: &mut Connection, id: CredentialId) -> QueryResult<Vec<Instance>> {
    let rows: Vec<(InstanceRow, i64)> = instances::table
        .inner_join(users::table)
        .filter(instances::credential_id.eq(id.to_string()))
        .order((instances::created_at, instances::id))
        .select((InstanceRow::as_select(), users::number))
        .load(conn)?;
    rows.into_iter().map(InstanceRow::read).collect()
}

/// The same environment sealed with another master key, and no digests of the last good start: they were made with
/// the old key.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(conn: &mut Connection, id: InstanceId, env_sealed: Option<&str>) -> QueryResult<()> {
    let changeset = Changeset { env_sealed: Some(env_sealed), last_good: Some(None), ..Changeset::default() };
    apply(conn, id, &changeset)
}

/// How many instances a user has.
///
/// # Errors
/// When the query fails.
pub fn count_for_user(conn: &mut Connection, user: UserId) -> QueryResult<u32> {
    let count: i64 = instances::table.filter(instances::user_id.eq(user.to_string())).count().get_result(conn)?;
    At("instances", "count").number(count)
}

/// Writes what the owner wants.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_desired(conn: &mut Connection, id: InstanceId, desired: Desired) -> QueryResult<()> {
    apply(conn, id, &Changeset { desired: Some(desired.as_str()), ..Changeset::default() })
}

/// Writes when it expires; never when `None`.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_expiry(conn: &mut Connection, id: InstanceId, at: Option<Timestamp>) -> QueryResult<()> {
    apply(conn, id, &Changeset { expires_at: Some(at.map(|at| at.0)), ..Changeset::default() })
}

/// Writes until when it is debugged; not at all when `None`.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_debug(conn: &mut Connection, id: InstanceId, until: Option<Timestamp>) -> QueryResult<()> {
    apply(conn, id, &Changeset { debug_until: Some(until.map(|at| at.0)), ..Changeset::default() })
}

/// Writes what happened to it.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_state(conn: &mut Connection, id: InstanceId, change: &StateChange) -> QueryResult<()> {
    let changeset = Changeset {
        state: change.state.map(State::as_str),
        port: change.port.map(|port| port.map(i64::from)),
        started_at: change.started_at.map(|at| at.map(|at| at.0)),
        restarts: change.restarts.map(i64::from),
        last_error: nested_json(change.last_error.as_ref())?,
        last_good: nested_json(change.last_good.as_ref())?,
        ..Changeset::default()
    };
    apply(conn, id, &changeset)
}

/// Writes what its owner changed, and returns the result.
///
/// # Errors
/// Not found; a unique violation of `instances_slug`; a foreign key error for a missing credential.
pub fn update(conn: &mut Connection, id: InstanceId, changes: &InstanceChanges) -> QueryResult<Instance> {
    let changeset = Changeset {
        label: changes.label.as_deref(),
        slug: changes.slug.as_deref(),
        mode: changes.mode.map(Mode::as_str),
        config: changes.config.as_ref().map(to_json).transpose()?,
        env_sealed: changes.env_sealed.as_ref().map(Option::as_deref),
        credential_id: changes.credential_id.map(|id| id.map(|id| id.to_string())),
        limits: changes.limits.as_ref().map(to_json).transpose()?,
        idle_seconds: changes.idle_seconds.map(|seconds| seconds.map(i64::from)),
        ..Changeset::default()
    };
    apply(conn, id, &changeset)?;
    by_id(conn, id)
}

/// Deletes the record with its events.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: InstanceId) -> QueryResult<()> {
    require_row(diesel::delete(instances::table.find(id.to_string())).execute(conn)?)
}

fn nested_json<T: serde::Serialize>(value: Option<&Option<T>>) -> QueryResult<Option<Option<String>>> {
    value.map(|value| value.as_ref().map(to_json).transpose()).transpose()
}

fn apply(conn: &mut Connection, id: InstanceId, changeset: &Changeset<'_>) -> QueryResult<()> {
    if changeset.is_empty() {
        return by_id(conn, id).map(drop);
    }
    require_row(diesel::update(instances::table.find(id.to_string())).set(changeset).execute(conn)?)
}
