//! What users have allowed OAuth clients: grants, and below them their codes and tokens.
//!
//! A grant is one consent of one user to one client for one instance. Everything that comes of it (the
//! code, every access and refresh token) ends with it.

pub mod codes;
pub mod tokens;

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, to_json},
    schema::oauth_grants,
};
use crate::domain::{
    ids::{GrantId, InstanceId, UserId},
    time::Timestamp,
};

/// A grant's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// Who has allowed it.
    pub user_id: UserId,
    /// The instance that it is for.
    pub instance_id: InstanceId,
    /// The client.
    pub client_id: String,
    /// The client's name as the user saw it.
    pub client_name: String,
    /// The instance's URL as the client asked for it.
    pub resource: String,
    /// The scopes, separated by spaces.
    pub scopes: String,
    /// The only tools that may be called; all when `None`.
    pub tools: Option<Vec<String>>,
    /// When it was given.
    pub created_at: Timestamp,
    /// When the last code or token of it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    pub revoked_reason: Option<String>,
    /// When it was last used, to within a minute or so.
    pub last_used_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_grants, treat_none_as_default_value = false)]
pub(super) struct GrantRow {
    id: String,
    user_id: String,
    instance_id: String,
    client_id: String,
    client_name: String,
    resource: String,
    scopes: String,
    tools: Option<String>,
    created_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    revoked_reason: Option<String>,
    last_used_at: Option<i64>,
}

impl GrantRow {
    pub(super) fn read(self) -> QueryResult<Grant> {
        let at = |column| At("oauth_grants", column);
        Ok(Grant {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            instance_id: at("instance_id").parse(&self.instance_id)?,
            client_id: self.client_id,
            client_name: self.client_name,
            resource: self.resource,
            scopes: self.scopes,
            tools: at("tools").json_option(self.tools.as_deref())?,
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
            revoked_at: self.revoked_at.map(Timestamp),
            revoked_reason: self.revoked_reason,
            last_used_at: self.last_used_at.map(Timestamp),
        })
    }
}

/// Inserts a grant.
///
/// # Errors
/// A foreign key error when the user or the instance does not exist.
pub fn insert(conn: &mut Connection, new: &Grant) -> QueryResult<()> {
    let row = GrantRow {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        instance_id: new.instance_id.to_string(),
        client_id: new.client_id.clone(),
        client_name: new.client_name.clone(),
        resource: new.resource.clone(),
        scopes: new.scopes.clone(),
        tools: new.tools.as_ref().map(to_json).transpose()?,
        created_at: new.created_at.0,
        expires_at: new.expires_at.0,
        revoked_at: new.revoked_at.map(|at| at.0),
        revoked_reason: new.revoked_reason.clone(),
        last_used_at: new.last_used_at.map(|at| at.0),
    };
    diesel::insert_into(oauth_grants::table).values(&row).execute(conn).map(drop)
}

/// The grant with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: GrantId) -> QueryResult<Grant> {
    let row: GrantRow = oauth_grants::table.find(id.to_string()).select(GrantRow::as_select()).first(conn)?;
    row.read()
}

/// A user's grants, newest first, those included that are over but not yet removed.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Grant>> {
    let rows = oauth_grants::table
        .filter(oauth_grants::user_id.eq(user.to_string()))
        .order((oauth_grants::created_at.desc(), oauth_grants::id.desc()))
        .select(GrantRow::as_select())
        .load(conn)?;
    rows.into_iter().map(GrantRow::read).collect()
}

/// Revokes the grant and with it all its tokens; the first revocation and its reason stay.
///
/// # Errors
/// Not found, or the query fails.
pub fn revoke(conn: &mut Connection, id: GrantId, reason: &str, at: Timestamp) -> QueryResult<()> {
    let open =
        oauth_grants::table.filter(oauth_grants::id.eq(id.to_string())).filter(oauth_grants::revoked_at.is_null());
    let set = (oauth_grants::revoked_at.eq(at.0), oauth_grants::revoked_reason.eq(reason));
    let touched = diesel::update(open).set(set).execute(conn)?;
    if touched == 0 { by_id(conn, id).map(drop) } else { Ok(()) }
}

/// Revokes all grants of a client; returns those that it has revoked, for the authenticator to forget.
///
/// # Errors
/// When the query fails.
pub fn revoke_for_client(
    conn: &mut Connection,
    client: &str,
    reason: &str,
    at: Timestamp,
) -> QueryResult<Vec<GrantId>> {
    let theirs = oauth_grants::table.filter(oauth_grants::client_id.eq(client));
    let open = theirs.filter(oauth_grants::revoked_at.is_null()).select(oauth_grants::id).load(conn)?;
    revoke_all(conn, &open, reason, at)
}

/// Revokes what somebody has allowed clients at one instance; returns as [`revoke_for_client`].
///
/// # Errors
/// When the query fails.
pub fn revoke_at(
    conn: &mut Connection,
    (user, instance): (UserId, InstanceId),
    reason: &str,
    at: Timestamp,
) -> QueryResult<Vec<GrantId>> {
    let theirs = oauth_grants::table.filter(oauth_grants::user_id.eq(user.to_string()));
    let there = theirs.filter(oauth_grants::instance_id.eq(instance.to_string()));
    let open = there.filter(oauth_grants::revoked_at.is_null()).select(oauth_grants::id).load(conn)?;
    revoke_all(conn, &open, reason, at)
}

fn revoke_all(conn: &mut Connection, ids: &[String], reason: &str, at: Timestamp) -> QueryResult<Vec<GrantId>> {
    let set = (oauth_grants::revoked_at.eq(at.0), oauth_grants::revoked_reason.eq(reason));
    diesel::update(oauth_grants::table.filter(oauth_grants::id.eq_any(ids))).set(set).execute(conn)?;
    ids.iter().map(|id| At("oauth_grants", "id").parse(id)).collect()
}

/// Moves the end of the grant.
///
/// # Errors
/// When the query fails.
pub fn extend(conn: &mut Connection, id: GrantId, expires_at: Timestamp) -> QueryResult<()> {
    let grant = oauth_grants::table.find(id.to_string());
    diesel::update(grant).set(oauth_grants::expires_at.eq(expires_at.0)).execute(conn).map(drop)
}

/// Writes when grants were last used; never backwards. Grants that are gone are passed over.
///
/// # Errors
/// When a query fails.
pub fn touch_many(conn: &mut Connection, used: &[(GrantId, Timestamp)]) -> QueryResult<()> {
    for (id, at) in used {
        let older = oauth_grants::table
            .filter(oauth_grants::id.eq(id.to_string()))
            .filter(oauth_grants::last_used_at.is_null().or(oauth_grants::last_used_at.lt(at.0)));
        diesel::update(older).set(oauth_grants::last_used_at.eq(at.0)).execute(conn)?;
    }
    Ok(())
}

/// Removes grants that are over, with their codes and tokens, and tokens that are over; returns how many rows.
///
/// # Errors
/// When a query fails.
pub fn purge_expired(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    let tokens = tokens::purge_expired(conn, now)?;
    let grants = diesel::delete(oauth_grants::table.filter(oauth_grants::expires_at.le(now.0))).execute(conn)?;
    Ok(tokens + grants)
}
