//! Who did what: append-only, each entry bound to the one before by a hash.
//!
//! The counter row is locked while an entry is added, so entries are in one order without gaps, and it
//! remembers the last number, so entries cut off at the end are noticed as well. This shows changes by
//! somebody who does not know the scheme or has no way to rewrite all that follows; against one who
//! has, the newest hash must be kept elsewhere, and [`verify`] be given it later.
//!
//! Invariants: the database itself refuses changes and removals (triggers). Times never run backwards from
//! one entry to the next. Old entries go from the front only, by [`purge`], which first writes where the
//! chain begins from then on into the chain itself: an entry `audit.purge`.

mod purging;
mod reading;
mod verifying;

use diesel::prelude::*;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use self::{
    purging::purge,
    reading::{Filter, about, list, oldest, oldest_first},
    verifying::{Verified, verify},
};
use super::{
    Connection,
    convert::{At, to_json},
    counters,
    schema::audit,
};
use crate::domain::{ids::UserId, time::Timestamp};

/// The action of an entry that says where the chain begins: its detail has `through`, the number of the last
/// entry that was removed, and `hash`, which that entry had.
pub const PURGE: &str = "audit.purge";

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its number: 1, 2, 3 … without gaps; the cursor of a list.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who; nobody when the installation itself did it.
    pub actor: Option<UserId>,
    /// What, as a dotted word such as `instance.create`.
    pub action: String,
    /// To what, such as `instance:{id}`.
    pub target: String,
    /// More about it; never a secret.
    pub detail: Value,
    /// The hash of the entry before, hex; empty for the first.
    pub prev_hash: String,
    /// Its hash, hex.
    pub hash: String,
}

/// An entry to add.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// When.
    pub at: Timestamp,
    /// Who; nobody when the installation itself does it.
    pub actor: Option<UserId>,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// More about it; never a secret.
    pub detail: Value,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
struct EntryRow {
    seq: i64,
    at: i64,
    actor: Option<String>,
    action: String,
    target: String,
    detail: String,
    prev_hash: String,
    hash: String,
}

impl EntryRow {
    fn read(self) -> QueryResult<Entry> {
        Ok(Entry {
            seq: self.seq,
            at: Timestamp(self.at),
            actor: At("audit", "actor").parse_option(self.actor.as_deref())?,
            action: self.action,
            target: self.target,
            detail: At("audit", "detail").json(&self.detail)?,
            prev_hash: self.prev_hash,
            hash: self.hash,
        })
    }

    /// SHA-256 over the previous hash and every field, each preceded by its length, so that no two
    /// different entries are the same bytes.
    fn digest(&self) -> String {
        let (seq, at) = (self.seq.to_string(), self.at.to_string());
        // A dash is no user id, so it stands for nobody.
        let actor = self.actor.as_deref().unwrap_or("-");
        let fields = [&self.prev_hash, &seq, &at, actor, &self.action, &self.target, &self.detail];
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update(format!("{}:", field.len()));
            hasher.update(field);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Adds an entry. Its time is that of the entry before where the clock was set back.
///
/// # Errors
/// When a query fails.
pub fn append(conn: &mut Connection, new: &NewEntry) -> QueryResult<Entry> {
    let seq = counters::take(conn, counters::AUDIT)?;
    let before: Option<(i64, String)> =
        audit::table.find(seq - 1).select((audit::at, audit::hash)).first(conn).optional()?;
    let (at, prev_hash) = before.unwrap_or((i64::MIN, String::new()));
    let mut row = EntryRow {
        seq,
        at: new.at.0.max(at),
        actor: new.actor.map(|id| id.to_string()),
        action: new.action.clone(),
        target: new.target.clone(),
        detail: to_json(&new.detail)?,
        prev_hash,
        hash: String::new(),
    };
    row.hash = row.digest();
    diesel::insert_into(audit::table).values(&row).execute(conn)?;
    row.read()
}
