//! Berth as a registered client of outside services: one registration for each service, its secret sealed.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::outside_clients,
};
use crate::domain::{names::ServiceName, time::Timestamp};

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideClient {
    /// The service whose users it signs in.
    pub service: ServiceName,
    /// The id that the outside service gave Berth.
    pub client_id: String,
    /// The secret, sealed by the vault; none for a public client.
    pub sealed_secret: Option<String>,
    /// Where the secret may be sent: the service's token endpoint when it was stored.
    pub token_url: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = outside_clients, treat_none_as_default_value = false)]
struct Row {
    service: String,
    client_id: String,
    sealed_secret: Option<String>,
    token_url: String,
    created_at: i64,
}

impl Row {
    fn read(self) -> QueryResult<OutsideClient> {
        Ok(OutsideClient {
            service: At("outside_clients", "service").parse(&self.service)?,
            client_id: self.client_id,
            sealed_secret: self.sealed_secret,
            token_url: self.token_url,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// Stores a registration, instead of what the service had before.
///
/// # Errors
/// When a query fails.
pub fn put(conn: &mut Connection, new: &OutsideClient) -> QueryResult<()> {
    delete(conn, &new.service)?;
    let row = Row {
        service: new.service.to_string(),
        client_id: new.client_id.clone(),
        sealed_secret: new.sealed_secret.clone(),
        token_url: new.token_url.clone(),
        created_at: new.created_at.0,
    };
    diesel::insert_into(outside_clients::table).values(&row).execute(conn).map(drop)
}

/// The service's registration.
///
/// # Errors
/// Not found, or the query fails.
pub fn of_service(conn: &mut Connection, service: &ServiceName) -> QueryResult<OutsideClient> {
    outside_clients::table.find(service.as_str()).select(Row::as_select()).first(conn)?.read()
}

/// Every registration, for the rotation of the master key.
///
/// # Errors
/// When the query fails.
pub fn all(conn: &mut Connection) -> QueryResult<Vec<OutsideClient>> {
    let rows = outside_clients::table.order(outside_clients::service).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The same secret sealed with another master key.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(conn: &mut Connection, service: &ServiceName, sealed: &str) -> QueryResult<()> {
    let set = outside_clients::sealed_secret.eq(sealed);
    require_row(diesel::update(outside_clients::table.find(service.as_str())).set(set).execute(conn)?)
}

/// Forgets the service's registration; `false` when there was none.
///
/// # Errors
/// When the query fails.
pub fn delete(conn: &mut Connection, service: &ServiceName) -> QueryResult<bool> {
    diesel::delete(outside_clients::table.find(service.as_str())).execute(conn).map(|touched| touched > 0)
}
