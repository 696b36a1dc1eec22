//! Programs that may ask users for access, except those that a document describes.

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    schema::{oauth_assertions, oauth_clients},
};
use crate::domain::{ids::UserId, time::Timestamp};

/// The origin of clients that an administrator or a user has made.
pub const FIXED: &str = "fixed";
/// The origin of clients that have registered themselves.
pub const REGISTERED: &str = "registered";

/// A client's record.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRecord {
    /// Its id, as it is sent.
    pub id: String,
    /// [`FIXED`] or [`REGISTERED`].
    pub origin: String,
    /// What it calls itself.
    pub name: String,
    /// Where answers may be sent.
    pub redirect_uris: Vec<String>,
    /// As `grant_types` of RFC 7591.
    pub grant_types: Vec<String>,
    /// As `token_endpoint_auth_method` of RFC 7591.
    pub authentication: String,
    /// SHA-256 of its secret, hex.
    pub secret_hash: Option<String>,
    /// Its JSON Web Key Set.
    pub jwks: Option<Value>,
    /// Where its keys are.
    pub jwks_uri: Option<String>,
    /// Its page.
    pub homepage: Option<String>,
    /// Whom it acts for as a machine.
    pub owner: Option<UserId>,
    /// Further members of its registration.
    pub metadata: Value,
    /// SHA-256 of the registration access token, hex.
    pub registration_hash: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a user was last asked on its behalf, or it last asked for a token.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = oauth_clients, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Row {
    id: String,
    origin: String,
    name: String,
    redirect_uris: String,
    grant_types: String,
    authentication: String,
    secret_hash: Option<String>,
    jwks: Option<String>,
    jwks_uri: Option<String>,
    homepage: Option<String>,
    owner_id: Option<String>,
    metadata: String,
    registration_hash: Option<String>,
    created_at: i64,
    last_used_at: Option<i64>,
}

impl Row {
    fn of(client: &ClientRecord) -> QueryResult<Self> {
        Ok(Self {
            id: client.id.clone(),
            origin: client.origin.clone(),
            name: client.name.clone(),
            redirect_uris: to_json(&client.redirect_uris)?,
            grant_types: to_json(&client.grant_types)?,
            authentication: client.authentication.clone(),
            secret_hash: client.secret_hash.clone(),
            jwks: client.jwks.as_ref().map(to_json).transpose()?,
            jwks_uri: client.jwks_uri.clone(),
            homepage: client.homepage.clone(),
            owner_id: client.owner.map(|owner| owner.to_string()),
            metadata: to_json(&client.metadata)?,
            registration_hash: client.registration_hash.clone(),
            created_at: client.created_at.0,
            last_used_at: client.last_used_at.map(|at| at.0),
        })
    }

    fn read(self) -> QueryResult<ClientRecord> {
        let at = |column| At("oauth_clients", column);
        Ok(ClientRecord {
            id: self.id,
            origin: self.origin,
            name: self.name,
            redirect_uris: at("redirect_uris").json(&self.redirect_uris)?,
            grant_types: at("grant_types").json(&self.grant_types)?,
            authentication: self.authentication,
            secret_hash: self.secret_hash,
            jwks: at("jwks").json_option(self.jwks.as_deref())?,
            jwks_uri: self.jwks_uri,
            homepage: self.homepage,
            owner: at("owner_id").parse_option(self.owner_id.as_deref())?,
            metadata: at("metadata").json(&self.metadata)?,
            registration_hash: self.registration_hash,
            created_at: Timestamp(self.created_at),
            last_used_at: self.last_used_at.map(Timestamp),
        })
    }
}

/// Inserts a client.
///
/// # Errors
/// Unique violation when the id is taken, a foreign key error when the owner does not exist.
pub fn insert(conn: &mut Connection, client: &ClientRecord) -> QueryResult<()> {
    diesel::insert_into(oauth_clients::table).values(Row::of(client)?).execute(conn).map(drop)
}

/// Writes a client over what was known of it.
///
/// # Errors
/// Not found, or the query fails.
pub fn update(conn: &mut Connection, client: &ClientRecord) -> QueryResult<()> {
    let touched = diesel::update(oauth_clients::table.find(&client.id)).set(&Row::of(client)?).execute(conn)?;
    require_row(touched)
}

/// The client with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: &str) -> QueryResult<ClientRecord> {
    oauth_clients::table.find(id).select(Row::as_select()).first::<Row>(conn)?.read()
}

/// The clients that somebody has made, newest first; `owner`'s alone when given.
///
/// # Errors
/// When the query fails.
pub fn list_fixed(conn: &mut Connection, owner: Option<UserId>) -> QueryResult<Vec<ClientRecord>> {
    let mut query = oauth_clients::table.filter(oauth_clients::origin.eq(FIXED)).into_boxed();
    if let Some(owner) = owner {
        query = query.filter(oauth_clients::owner_id.eq(owner.to_string()));
    }
    let order = (oauth_clients::created_at.desc(), oauth_clients::id.desc());
    let rows: Vec<Row> = query.order(order).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The clients that have registered themselves, newest first.
///
/// # Errors
/// When the query fails.
pub fn list_registered(conn: &mut Connection, limit: u32) -> QueryResult<Vec<ClientRecord>> {
    let rows: Vec<Row> = oauth_clients::table
        .filter(oauth_clients::origin.eq(REGISTERED))
        .order((oauth_clients::created_at.desc(), oauth_clients::id.desc()))
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Deletes a client.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: &str) -> QueryResult<()> {
    require_row(diesel::delete(oauth_clients::table.find(id)).execute(conn)?)
}

/// Writes when a client was last used; never backwards. One that is gone is passed over.
///
/// # Errors
/// When the query fails.
pub fn touch(conn: &mut Connection, id: &str, at: Timestamp) -> QueryResult<()> {
    let older = oauth_clients::table
        .filter(oauth_clients::id.eq(id))
        .filter(oauth_clients::last_used_at.is_null().or(oauth_clients::last_used_at.lt(at.0)));
    diesel::update(older).set(oauth_clients::last_used_at.eq(at.0)).execute(conn).map(drop)
}

/// How many have registered themselves.
///
/// # Errors
/// When the query fails.
pub fn count_registered(conn: &mut Connection) -> QueryResult<i64> {
    oauth_clients::table.filter(oauth_clients::origin.eq(REGISTERED)).count().get_result(conn)
}

/// Deletes those that have registered themselves before `oldest` and were never used; how many.
///
/// # Errors
/// When the query fails.
pub fn purge_unused(conn: &mut Connection, oldest: Timestamp) -> QueryResult<usize> {
    let unused = oauth_clients::table
        .filter(oauth_clients::origin.eq(REGISTERED))
        .filter(oauth_clients::last_used_at.is_null())
        .filter(oauth_clients::created_at.lt(oldest.0));
    diesel::delete(unused).execute(conn)
}

/// Writes down that an assertion was used, for as long as it could be used again.
///
/// # Errors
/// Unique violation when it was used before.
pub fn use_assertion(conn: &mut Connection, client: &str, jti_hash: &str, until: Timestamp) -> QueryResult<()> {
    let row = (
        oauth_assertions::client_id.eq(client),
        oauth_assertions::jti_hash.eq(jti_hash),
        oauth_assertions::expires_at.eq(until.0),
    );
    diesel::insert_into(oauth_assertions::table).values(row).execute(conn).map(drop)
}

/// Forgets assertions that have expired; how many.
///
/// # Errors
/// When the query fails.
pub fn purge_assertions(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    diesel::delete(oauth_assertions::table.filter(oauth_assertions::expires_at.le(now.0))).execute(conn)
}
