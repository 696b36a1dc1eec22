//! Services that were added while running; those in the services folder are not here.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    schema::services,
};
use crate::domain::{ids::UserId, manifest::Manifest, names::ServiceName, time::Timestamp};

/// A service that somebody added.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What it is; its name is the key.
    pub manifest: Manifest,
    /// Who added it; none for the installation's own.
    pub owner_id: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = services, treat_none_as_default_value = false)]
struct ServiceRow {
    name: String,
    owner_id: Option<String>,
    manifest: String,
    created_at: i64,
}

impl ServiceRow {
    fn read(self) -> QueryResult<Service> {
        let at = |column| At("services", column);
        Ok(Service {
            manifest: at("manifest").json(&self.manifest)?,
            owner_id: at("owner_id").parse_option(self.owner_id.as_deref())?,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// Inserts a service.
///
/// # Errors
/// A unique violation of `services_name` when the name is taken.
pub fn insert(conn: &mut Connection, new: &Service) -> QueryResult<()> {
    let row = ServiceRow {
        name: new.manifest.name.to_string(),
        owner_id: new.owner_id.map(|id| id.to_string()),
        manifest: to_json(&new.manifest)?,
        created_at: new.created_at.0,
    };
    diesel::insert_into(services::table).values(&row).execute(conn).map(drop)
}

/// All services by name.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection) -> QueryResult<Vec<Service>> {
    let rows = services::table.order(services::name).select(ServiceRow::as_select()).load(conn)?;
    rows.into_iter().map(ServiceRow::read).collect()
}

/// The service of this name.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_name(conn: &mut Connection, name: &ServiceName) -> QueryResult<Service> {
    services::table.find(name.as_str()).select(ServiceRow::as_select()).first(conn)?.read()
}

/// Deletes the service; its instances are the caller's to care for.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, name: &ServiceName) -> QueryResult<()> {
    // Whoever has the name next is not to have its secret.
    super::outside_clients::delete(conn, name)?;
    require_row(diesel::delete(services::table.find(name.as_str())).execute(conn)?)
}
