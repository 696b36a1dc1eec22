//! Credentials of outside services, sealed. This layer cannot open them.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_variant},
    schema::credentials,
};
use crate::domain::{
    ids::{CredentialId, UserId},
    manifest::CredentialKind,
    names::ServiceName,
    time::Timestamp,
};

/// A stored credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Its owner.
    pub user_id: UserId,
    /// The service that it is for.
    pub service: ServiceName,
    /// The owner's name for it.
    pub label: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Its last four characters.
    pub hint: String,
    /// The secret, sealed by the vault.
    pub sealed: String,
    /// Which master key sealed it.
    pub key_id: String,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last replaced.
    pub rotated_at: Option<Timestamp>,
    /// The secret before that, sealed with the same key.
    pub previous_sealed: Option<String>,
    /// Until when that one may be used.
    pub previous_until: Option<Timestamp>,
}

/// A new secret for a credential.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// The secret, sealed by the vault.
    pub sealed: String,
    /// Which master key sealed it.
    pub key_id: String,
    /// Its last four characters.
    pub hint: String,
    /// When it takes over.
    pub at: Timestamp,
    /// Until when the one before may be used.
    pub previous_until: Timestamp,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = credentials, treat_none_as_default_value = false)]
struct CredentialRow {
    id: String,
    user_id: String,
    service: String,
    label: String,
    kind: String,
    hint: String,
    sealed: String,
    key_id: String,
    created_at: i64,
    rotated_at: Option<i64>,
    previous_sealed: Option<String>,
    previous_until: Option<i64>,
}

impl CredentialRow {
    fn read(self) -> QueryResult<Credential> {
        let at = |column| At("credentials", column);
        Ok(Credential {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            service: at("service").parse(&self.service)?,
            label: self.label,
            kind: at("kind").variant(&self.kind)?,
            hint: self.hint,
            sealed: self.sealed,
            key_id: self.key_id,
            created_at: Timestamp(self.created_at),
            rotated_at: self.rotated_at.map(Timestamp),
            previous_sealed: self.previous_sealed,
            previous_until: self.previous_until.map(Timestamp),
        })
    }
}

/// Inserts a credential.
///
/// # Errors
/// A foreign key error when the owner does not exist.
pub fn insert(conn: &mut Connection, new: &Credential) -> QueryResult<()> {
    let row = CredentialRow {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        service: new.service.to_string(),
        label: new.label.clone(),
        kind: to_variant(&new.kind)?,
        hint: new.hint.clone(),
        sealed: new.sealed.clone(),
        key_id: new.key_id.clone(),
        created_at: new.created_at.0,
        rotated_at: new.rotated_at.map(|at| at.0),
        previous_sealed: new.previous_sealed.clone(),
        previous_until: new.previous_until.map(|at| at.0),
    };
    diesel::insert_into(credentials::table).values(&row).execute(conn).map(drop)
}

/// The credential with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: CredentialId) -> QueryResult<Credential> {
    credentials::table.find(id.to_string()).select(CredentialRow::as_select()).first(conn)?.read()
}

/// A user's credentials, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Credential>> {
    let rows = credentials::table
        .filter(credentials::user_id.eq(user.to_string()))
        .order((credentials::created_at, credentials::id))
        .select(CredentialRow::as_select())
        .load(conn)?;
    rows.into_iter().map(CredentialRow::read).collect()
}

/// Every credential, for the rotation of the master key.
///
/// # Errors
/// When the query fails.
pub fn all(conn: &mut Connection) -> QueryResult<Vec<Credential>> {
    let rows = credentials::table.order(credentials::id).select(CredentialRow::as_select()).load(conn)?;
    rows.into_iter().map(CredentialRow::read).collect()
}

/// Puts a new secret in place; the one before stays until `previous_until`.
///
/// # Errors
/// Not found, or the query fails.
pub fn rotate(conn: &mut Connection, id: CredentialId, new: &NewSecret) -> QueryResult<()> {
    let set = (
        credentials::previous_sealed.eq(credentials::sealed.nullable()),
        credentials::previous_until.eq(new.previous_until.0),
        credentials::sealed.eq(&new.sealed),
        credentials::key_id.eq(&new.key_id),
        credentials::hint.eq(&new.hint),
        credentials::rotated_at.eq(new.at.0),
    );
    require_row(diesel::update(credentials::table.find(id.to_string())).set(set).execute(conn)?)
}

/// The same secrets sealed with another master key. To be done for all rows in one transaction with
/// the reading of them, so that no newer secret is overwritten.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(
    conn: &mut Connection,
    id: CredentialId,
    sealed: &str,
    previous_sealed: Option<&str>,
    key_id: &str,
) -> QueryResult<()> {
    let set = (
        credentials::sealed.eq(sealed),
        credentials::previous_sealed.eq(previous_sealed),
        credentials::key_id.eq(key_id),
    );
    require_row(diesel::update(credentials::table.find(id.to_string())).set(set).execute(conn)?)
}

/// Forgets previous secrets whose time is over; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_previous(conn: &mut Connection, now: Timestamp) -> QueryResult<usize> {
    let over = credentials::table.filter(credentials::previous_until.le(now.0));
    let none = (credentials::previous_sealed.eq(None::<String>), credentials::previous_until.eq(None::<i64>));
    diesel::update(over).set(none).execute(conn)
}

/// Deletes the credential; instances that used it have none from then on.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: CredentialId) -> QueryResult<()> {
    require_row(diesel::delete(credentials::table.find(id.to_string())).execute(conn)?)
}
