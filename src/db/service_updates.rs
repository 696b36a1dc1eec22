//! Versions of services that were added: which may not change, which was the last good one.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{require_row, to_json},
    schema::{service_updates, services},
};
use crate::domain::{manifest::Manifest, names::ServiceName, time::Timestamp};

/// What is known of a service's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateState {
    /// Whether no update is to be offered.
    pub pinned: bool,
    /// The last good version, while there is one to go back to.
    pub previous: Option<String>,
    /// When the version was last changed.
    pub changed_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = service_updates, treat_none_as_default_value = false)]
struct Row {
    name: String,
    pinned: bool,
    previous: Option<String>,
    changed_at: Option<i64>,
}

/// What is known of the service's version; nothing where it never changed.
///
/// # Errors
/// When the query fails.
pub fn of(conn: &mut Connection, name: &ServiceName) -> QueryResult<UpdateState> {
    let row = service_updates::table.find(name.as_str()).select(Row::as_select()).first(conn).optional()?;
    let read = |Row { pinned, previous, changed_at, .. }| UpdateState {
        pinned,
        previous,
        changed_at: changed_at.map(Timestamp),
    };
    Ok(row.map(read).unwrap_or_default())
}

/// Writes what is known over what was.
///
/// # Errors
/// A violation of a foreign key when there is no such service that was added, or the query fails.
pub fn put(conn: &mut Connection, name: &ServiceName, state: &UpdateState) -> QueryResult<()> {
    diesel::delete(service_updates::table.find(name.as_str())).execute(conn)?;
    let row = Row {
        name: name.to_string(),
        pinned: state.pinned,
        previous: state.previous.clone(),
        changed_at: state.changed_at.map(|at| at.0),
    };
    diesel::insert_into(service_updates::table).values(&row).execute(conn).map(drop)
}

/// Gives the service of the manifest's name that manifest, and notes what is known of its version.
///
/// # Errors
/// Not found, or the query fails.
pub fn change(conn: &mut Connection, manifest: &Manifest, state: &UpdateState) -> QueryResult<()> {
    let text = to_json(manifest)?;
    let row = services::table.find(manifest.name.as_str());
    require_row(diesel::update(row).set(services::manifest.eq(text)).execute(conn)?)?;
    put(conn, &manifest.name, state)
}
