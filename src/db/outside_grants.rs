//! What people have granted Berth at outside services, behind credentials: refresh tokens, sealed, and how each stands.
//!
//! The access token of a grant is its credential's value. Whoever is about to use the refresh token takes the grant's
//! lease first, in the database: of several Berths on one database, one refreshes.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::{credentials, instances, outside_grants},
};
use crate::domain::{
    ids::{CredentialId, UserId},
    instance::Desired,
    time::Timestamp,
};

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideGrant {
    /// The credential whose value is its access token.
    pub credential: CredentialId,
    /// The refresh token, sealed; `None` where the service gave none.
    pub sealed_refresh: Option<String>,
    /// Where the refresh token may be sent: the token endpoint that it came from.
    pub token_url: String,
    /// What was granted, separated by spaces.
    pub scope: String,
    /// When the access token ends; `None` when the service did not say.
    pub expires_at: Option<Timestamp>,
    /// How it stands.
    pub standing: Standing,
}

/// How a grant stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is refreshed by itself.
    Kept {
        /// When next.
        refresh_at: Timestamp,
        /// Attempts that failed since the last one that did not.
        failures: u32,
    },
    /// Nothing can refresh it, or nothing has to.
    Unkept,
    /// The service takes it no more: its owner has to consent again.
    Lapsed {
        /// Since when.
        at: Timestamp,
        /// In the service's words.
        why: String,
    },
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = outside_grants, treat_none_as_default_value = false)]
struct Row {
    credential_id: String,
    sealed_refresh: Option<String>,
    token_url: String,
    scope: String,
    expires_at: Option<i64>,
    refresh_at: Option<i64>,
    failures: i64,
    lapsed_at: Option<i64>,
    lapsed_why: Option<String>,
}

impl Row {
    fn of(new: &OutsideGrant) -> Self {
        let (refresh_at, failures, lapsed) = match &new.standing {
            Standing::Kept { refresh_at, failures } => (Some(refresh_at.0), i64::from(*failures), None),
            Standing::Unkept => (None, 0, None),
            Standing::Lapsed { at, why } => (None, 0, Some((at.0, why.clone()))),
        };
        let (lapsed_at, lapsed_why) = lapsed.unzip();
        Self {
            credential_id: new.credential.to_string(),
            sealed_refresh: new.sealed_refresh.clone(),
            token_url: new.token_url.clone(),
            scope: new.scope.clone(),
            expires_at: new.expires_at.map(|at| at.0),
            refresh_at,
            failures,
            lapsed_at,
            lapsed_why,
        }
    }

    fn read(self) -> QueryResult<OutsideGrant> {
        let at = |column| At("outside_grants", column);
        let standing = match (self.lapsed_at, self.refresh_at) {
            (Some(lapsed), _) => Standing::Lapsed { at: Timestamp(lapsed), why: self.lapsed_why.unwrap_or_default() },
            (None, Some(refresh_at)) => {
                Standing::Kept { refresh_at: Timestamp(refresh_at), failures: at("failures").number(self.failures)? }
            }
            (None, None) => Standing::Unkept,
        };
        Ok(OutsideGrant {
            credential: at("credential_id").parse(&self.credential_id)?,
            sealed_refresh: self.sealed_refresh,
            token_url: self.token_url,
            scope: self.scope,
            expires_at: self.expires_at.map(Timestamp),
            standing,
        })
    }
}

/// Stores a grant, instead of what its credential had before; nobody's lease of that holds any more.
///
/// # Errors
/// A foreign key error when there is no such credential.
pub fn put(conn: &mut Connection, new: &OutsideGrant) -> QueryResult<()> {
    diesel::delete(outside_grants::table.find(new.credential.to_string())).execute(conn)?;
    diesel::insert_into(outside_grants::table).values(&Row::of(new)).execute(conn).map(drop)
}

/// The grant behind a credential.
///
/// # Errors
/// Not found, or the query fails.
pub fn of_credential(conn: &mut Connection, id: CredentialId) -> QueryResult<OutsideGrant> {
    outside_grants::table.find(id.to_string()).select(Row::as_select()).first(conn)?.read()
}

/// The grants behind a user's credentials.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<OutsideGrant>> {
    let rows = outside_grants::table
        .inner_join(credentials::table)
        .filter(credentials::user_id.eq(user.to_string()))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Every grant, for the rotation of the master key.
///
/// # Errors
/// When the query fails.
pub fn all(conn: &mut Connection) -> QueryResult<Vec<OutsideGrant>> {
    let rows = outside_grants::table.order(outside_grants::credential_id).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// When each grant is to be refreshed that an instance uses which is to run, soonest first. The others wait until
/// somebody needs them.
///
/// # Errors
/// When the query fails.
pub fn upcoming(conn: &mut Connection) -> QueryResult<Vec<(CredentialId, Timestamp)>> {
    let in_use = instances::table
        .filter(instances::desired.eq(Desired::Running.as_str()))
        .filter(instances::credential_id.is_not_null())
        .select(instances::credential_id.assume_not_null());
    let rows: Vec<(String, i64)> = outside_grants::table
        .filter(outside_grants::refresh_at.is_not_null())
        .filter(outside_grants::credential_id.eq_any(in_use))
        .order(outside_grants::refresh_at)
        .select((outside_grants::credential_id, outside_grants::refresh_at.assume_not_null()))
        .load(conn)?;
    rows.into_iter().map(|(id, at)| Ok((At("outside_grants", "credential_id").parse(&id)?, Timestamp(at)))).collect()
}

/// Takes the grant's lease for `holder` until `until`; `false` when another has it, or there is nothing to refresh.
///
/// # Errors
/// When the query fails.
pub fn lease(
    conn: &mut Connection,
    id: CredentialId,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> QueryResult<bool> {
    let free = outside_grants::table
        .filter(outside_grants::credential_id.eq(id.to_string()))
        .filter(outside_grants::refresh_at.is_not_null())
        .filter(outside_grants::leased_until.is_null().or(outside_grants::leased_until.le(now.0)));
    let set = (outside_grants::lease.eq(holder), outside_grants::leased_until.eq(until.0));
    diesel::update(free).set(set).execute(conn).map(|touched| touched == 1)
}

/// Writes what came of a refresh and gives the lease back; `false`, and nothing is written, when it is not `holder`'s
/// any more.
///
/// # Errors
/// When a query fails.
pub fn settle(conn: &mut Connection, holder: &str, new: &OutsideGrant) -> QueryResult<bool> {
    let ours = outside_grants::table
        .filter(outside_grants::credential_id.eq(new.credential.to_string()))
        .filter(outside_grants::lease.eq(holder));
    if diesel::delete(ours).execute(conn)? == 0 {
        return Ok(false);
    }
    diesel::insert_into(outside_grants::table).values(&Row::of(new)).execute(conn)?;
    Ok(true)
}

/// The same refresh token sealed with another master key.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(conn: &mut Connection, id: CredentialId, sealed: &str) -> QueryResult<()> {
    let set = outside_grants::sealed_refresh.eq(sealed);
    require_row(diesel::update(outside_grants::table.find(id.to_string())).set(set).execute(conn)?)
}
