//! Making an instance: quota and number are decided while the owner's row is locked, so two requests at
//! once cannot both take the last place or the same number.

use std::collections::BTreeMap;

use diesel::prelude::*;
use thiserror::Error;

use super::{
    super::{
        Connection,
        convert::{At, to_json},
        schema::{credentials, instances, users},
    },
    count_for_user,
    row::InstanceRow,
};
use crate::db::creations;
use crate::domain::{
    ids::{CredentialId, InstanceId, UserId},
    instance::{Desired, Instance, Mode},
    lifecycle::State,
    limits::Limits,
    names::ServiceName,
    time::Timestamp,
};

/// An instance to make; its number is given by the database.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// Its id.
    pub id: InstanceId,
    /// Its owner.
    pub user_id: UserId,
    /// The service that it is a copy of.
    pub service: ServiceName,
    /// The short, unguessable URL prefix.
    pub slug: String,
    /// The owner's name for it; may be empty.
    pub label: String,
    /// How processes serve it.
    pub mode: Mode,
    /// What its owner wants.
    pub desired: Desired,
    /// Values for the manifest's `config` fields.
    pub config: BTreeMap<String, String>,
    /// Additional environment, sealed.
    pub env_sealed: Option<String>,
    /// The credential that its process gets.
    pub credential_id: Option<CredentialId>,
    /// Limits of its own.
    pub limits: Limits,
    /// Seconds without use after which it sleeps; 0: never.
    pub idle_seconds: Option<u32>,
    /// When it is made.
    pub created_at: Timestamp,
    /// When it expires; never when absent.
    pub expires_at: Option<Timestamp>,
}

/// What its owner may have.
#[derive(Clone, Copy, Debug)]
pub struct CreateLimits {
    /// Instances.
    pub instances: u32,
    /// Instances that they may make within an hour; no limit when absent.
    pub per_hour: Option<u32>,
}

/// Why an instance was not made. Nothing was written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CreateRefusal {
    /// The owner has as many as they may.
    #[error("the quota of {limit} instances is used up: delete one or ask for more")]
    QuotaReached {
        /// The quota.
        limit: u32,
    },
    /// The owner has made as many in this hour as they may.
    #[error("the quota of {limit} new instances per hour is used up: wait or ask for more")]
    TooManyCreations {
        /// The quota.
        limit: u32,
        /// When the next may be made.
        until: Option<Timestamp>,
    },
    /// Another instance has this URL prefix: draw another.
    #[error("the slug is taken")]
    SlugTaken,
    /// There is no such user.
    #[error("the owner does not exist")]
    OwnerMissing,
    /// The owner has no such credential for this service.
    #[error("the owner has no such credential for this service")]
    CredentialMissing,
}

/// Makes an instance under the lowest number that is free for its owner and service.
///
/// # Errors
/// Inside: why it was refused. Outside: the query fails (a slug that another user takes in the same
/// moment is a unique violation of `instances_slug`).
pub fn create(
    conn: &mut Connection,
    new: &NewInstance,
    limits: CreateLimits,
) -> QueryResult<Result<Instance, CreateRefusal>> {
    let Some(user_number) = lock_owner(conn, new.user_id)? else {
        return Ok(Err(CreateRefusal::OwnerMissing));
    };
    if let Some(refusal) = refusal(conn, new, limits)? {
        return Ok(Err(refusal));
    }
    let row = new_row(new, free_number(conn, new)?)?;
    diesel::insert_into(instances::table).values(&row).execute(conn)?;
    creations::note(conn, new.user_id, new.id, new.created_at)?;
    InstanceRow::read((row, user_number)).map(Ok)
}

/// Locks the owner's row until the transaction ends and returns their ordinal. An update that changes
/// nothing does that on both backends; `FOR UPDATE` is not known to SQLite.
fn lock_owner(conn: &mut Connection, user: UserId) -> QueryResult<Option<i64>> {
    diesel::update(users::table.find(user.to_string()))
        .set(users::role.eq(users::role))
        .returning(users::number)
        .get_result(conn)
        .optional()
}

fn refusal(conn: &mut Connection, new: &NewInstance, limits: CreateLimits) -> QueryResult<Option<CreateRefusal>> {
    if count_for_user(conn, new.user_id)? >= limits.instances {
        return Ok(Some(CreateRefusal::QuotaReached { limit: limits.instances }));
    }
    if let Some(limit) = limits.per_hour {
        let recent = creations::recent(conn, new.user_id, new.created_at)?;
        if recent.count >= limit {
            return Ok(Some(CreateRefusal::TooManyCreations { limit, until: recent.until }));
        }
    }
    let same_slug: i64 = instances::table.filter(instances::slug.eq(&new.slug)).count().get_result(conn)?;
    if same_slug > 0 {
        return Ok(Some(CreateRefusal::SlugTaken));
    }
    let Some(credential) = new.credential_id else { return Ok(None) };
    let own: i64 = credentials::table
        .find(credential.to_string())
        .filter(credentials::user_id.eq(new.user_id.to_string()))
        .filter(credentials::service.eq(new.service.as_str()))
        .count()
        .get_result(conn)?;
    Ok((own == 0).then_some(CreateRefusal::CredentialMissing))
}

fn free_number(conn: &mut Connection, new: &NewInstance) -> QueryResult<u32> {
    let taken: Vec<i64> = instances::table
        .filter(instances::user_id.eq(new.user_id.to_string()))
        .filter(instances::service.eq(new.service.as_str()))
        .order(instances::number)
        .select(instances::number)
        .load(conn)?;
    At("instances", "number").number(lowest_free(&taken))
}

/// The lowest number from 1 that is not in `taken`, which is sorted.
fn lowest_free(taken: &[i64]) -> i64 {
    (1..)
        .zip(taken)
        .find(|(expected, number)| expected != *number)
        .map_or_else(|| i64::try_from(taken.len()).unwrap_or(i64::MAX).saturating_add(1), |(expected, _)| expected)
}

fn new_row(new: &NewInstance, number: u32) -> QueryResult<InstanceRow> {
    Ok(InstanceRow {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        service: new.service.to_string(),
        number: i64::from(number),
        slug: new.slug.clone(),
        label: new.label.clone(),
        mode: new.mode.to_string(),
        desired: new.desired.as_str().to_owned(),
        state: State::Pending.to_string(),
        port: None,
        config: to_json(&new.config)?,
        env_sealed: new.env_sealed.clone(),
        credential_id: new.credential_id.map(|id| id.to_string()),
        limits: to_json(&new.limits)?,
        created_at: new.created_at.0,
        started_at: None,
        expires_at: new.expires_at.map(|at| at.0),
        restarts: 0,
        last_error: None,
        last_good: None,
        idle_seconds: new.idle_seconds.map(i64::from),
        debug_until: None,
    })
}

#[cfg(test)]
mod tests {
    use super::lowest_free;

    #[test]
    fn gaps_are_filled_first() {
        let cases: [(&[i64], i64); 5] = [(&[], 1), (&[1, 2, 3], 4), (&[2, 3], 1), (&[1, 3], 2), (&[1, 2, 5], 3)];
        for (taken, expected) in cases {
            assert_eq!(lowest_free(taken), expected, "{taken:?}");
        }
    }
}
