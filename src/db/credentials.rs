//! Credentials of outside services, sealed. This layer cannot open them.
//!
//! Of each the value in force is kept, and for a time the one before it; nothing older.

mod row;

use diesel::prelude::*;

use self::row::CredentialRow;
use super::{
    Connection,
    convert::{require_row, to_json},
    schema::credentials,
};
use crate::domain::{
    credential::LastTest,
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
    /// The secret before that, while it is kept.
    pub previous: Option<Previous>,
    /// When the secret in force was last tried at its service.
    pub last_test: Option<LastTest>,
}

impl Credential {
    /// Since when its secret is in force.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.rotated_at.unwrap_or(self.created_at)
    }
}

/// The secret before a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// It, sealed with the same master key.
    pub sealed: String,
    /// Its last four characters.
    pub hint: String,
    /// When it took over itself, if it was not the first.
    pub rotated_at: Option<Timestamp>,
    /// Until when it can be brought back.
    pub until: Timestamp,
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
    /// Until when the one before is kept; `None`: not at all.
    pub previous_until: Option<Timestamp>,
    /// How its service took it, if that was asked.
    pub last_test: Option<LastTest>,
}

/// Inserts a credential.
///
/// # Errors
/// A foreign key error when the owner does not exist.
pub fn insert(conn: &mut Connection, new: &Credential) -> QueryResult<()> {
    diesel::insert_into(credentials::table).values(&CredentialRow::of(new)?).execute(conn).map(drop)
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

/// Every credential, for the rotation of the master key and for reminders.
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
    let this = credentials::table.find(id.to_string());
    let kept = (
        credentials::previous_sealed.eq(credentials::sealed.nullable()),
        credentials::previous_hint.eq(credentials::hint.nullable()),
        credentials::previous_rotated_at.eq(credentials::rotated_at),
        credentials::previous_until.eq(new.previous_until.map(|at| at.0)),
    );
    let set = (
        credentials::sealed.eq(&new.sealed),
        credentials::key_id.eq(&new.key_id),
        credentials::hint.eq(&new.hint),
        credentials::rotated_at.eq(new.at.0),
        credentials::tested_at.eq(new.last_test.as_ref().map(|test| test.at.0)),
        credentials::test_result.eq(new.last_test.as_ref().map(|test| to_json(&test.tried)).transpose()?),
    );
    require_row(diesel::update(this.clone()).set((kept, set)).execute(conn)?)?;
    if new.previous_until.is_none() {
        diesel::update(this).set(nothing_before()).execute(conn)?;
    }
    Ok(())
}

/// Brings back the secret before the last rotation and forgets the one that replaced it; `false` when none is kept.
///
/// # Errors
/// When a query fails.
pub fn roll_back(conn: &mut Connection, id: CredentialId, now: Timestamp) -> QueryResult<bool> {
    let kept = credentials::table
        .filter(credentials::id.eq(id.to_string()))
        .filter(credentials::previous_sealed.is_not_null())
        .filter(credentials::previous_until.gt(now.0));
    let set = (
        credentials::sealed.eq(credentials::previous_sealed.assume_not_null()),
        credentials::rotated_at.eq(credentials::previous_rotated_at),
        // What it was tried with is the value that goes.
        credentials::tested_at.eq(None::<i64>),
        credentials::test_result.eq(None::<String>),
    );
    let Some(hint) = kept.clone().select(credentials::previous_hint).first::<Option<String>>(conn).optional()? else {
        return Ok(false);
    };
    let touched = diesel::update(kept).set((set, credentials::hint.eq(hint.unwrap_or_default()))).execute(conn)?;
    diesel::update(credentials::table.find(id.to_string())).set(nothing_before()).execute(conn)?;
    Ok(touched > 0)
}

/// Notes how the secret `sealed` was taken by its service; one that was replaced meanwhile takes that with it.
///
/// # Errors
/// When the query fails.
pub fn tested(conn: &mut Connection, id: CredentialId, sealed: &str, test: &LastTest) -> QueryResult<()> {
    let this = credentials::table.filter(credentials::id.eq(id.to_string())).filter(credentials::sealed.eq(sealed));
    let set = (credentials::tested_at.eq(test.at.0), credentials::test_result.eq(to_json(&test.tried)?));
    diesel::update(this).set(set).execute(conn).map(drop)
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
    diesel::update(over).set(nothing_before()).execute(conn)
}

/// Deletes the credential; instances that used it have none from then on.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: CredentialId) -> QueryResult<()> {
    require_row(diesel::delete(credentials::table.find(id.to_string())).execute(conn)?)
}

/// The change that forgets the secret before the last rotation.
#[derive(AsChangeset)]
#[diesel(table_name = credentials, treat_none_as_null = true)]
struct NothingBefore {
    previous_sealed: Option<String>,
    previous_until: Option<i64>,
    previous_hint: Option<String>,
    previous_rotated_at: Option<i64>,
}

const fn nothing_before() -> NothingBefore {
    NothingBefore { previous_sealed: None, previous_until: None, previous_hint: None, previous_rotated_at: None }
}
