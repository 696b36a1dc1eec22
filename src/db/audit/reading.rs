//! Looking entries up. Each query is served by an index; of a filter with several parts, by that of one.

use diesel::prelude::*;

use super::{Entry, EntryRow};
use crate::{
    db::{Connection, schema::audit},
    domain::{ids::UserId, time::Timestamp},
};

/// Which entries; every part that is there must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// By whom.
    pub actor: Option<UserId>,
    /// What, exactly.
    pub action: Option<String>,
    /// To what, exactly.
    pub target: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// A query of the numbers from `first` to before `end` with the filter's other parts.
macro_rules! filtered {
    ($filter:expr, $first:expr, $end:expr) => {{
        let mut query = audit::table.filter(audit::seq.ge($first)).filter(audit::seq.lt($end)).into_boxed();
        if let Some(actor) = $filter.actor {
            query = query.filter(audit::actor.eq(actor.to_string()));
        }
        if let Some(action) = &$filter.action {
            query = query.filter(audit::action.eq(action));
        }
        if let Some(target) = &$filter.target {
            query = query.filter(audit::target.eq(target));
        }
        query.select(EntryRow::as_select())
    }};
}

/// At most `limit` entries, newest first, older than the one numbered `before` if given.
///
/// # Errors
/// When a query fails.
pub fn list(conn: &mut Connection, filter: &Filter, limit: u32, before: Option<i64>) -> QueryResult<Vec<Entry>> {
    let (first, end) = bounds(conn, filter)?;
    let end = end.min(before.unwrap_or(i64::MAX));
    let query = filtered!(filter, first, end).order(audit::seq.desc()).limit(i64::from(limit));
    query.load::<EntryRow>(conn)?.into_iter().map(EntryRow::read).collect()
}

/// At most `limit` entries, oldest first, newer than the one numbered `after`.
///
/// # Errors
/// When a query fails.
pub fn oldest_first(conn: &mut Connection, filter: &Filter, limit: u32, after: i64) -> QueryResult<Vec<Entry>> {
    let (first, end) = bounds(conn, filter)?;
    let first = first.max(after.saturating_add(1));
    let query = filtered!(filter, first, end).order(audit::seq).limit(i64::from(limit));
    query.load::<EntryRow>(conn)?.into_iter().map(EntryRow::read).collect()
}

/// At most `limit` entries to any of `targets`, whoever did it; newest first, older than the one numbered
/// `before` if given.
///
/// # Errors
/// When the query fails.
pub fn about(conn: &mut Connection, targets: &[String], limit: u32, before: Option<i64>) -> QueryResult<Vec<Entry>> {
    let rows: Vec<EntryRow> = audit::table
        .filter(audit::target.eq_any(targets))
        .filter(audit::seq.lt(before.unwrap_or(i64::MAX)))
        .order(audit::seq.desc())
        .limit(i64::from(limit))
        .select(EntryRow::as_select())
        .load(conn)?;
    rows.into_iter().map(EntryRow::read).collect()
}

/// When the oldest entry was made.
///
/// # Errors
/// When the query fails.
pub fn oldest(conn: &mut Connection) -> QueryResult<Option<Timestamp>> {
    let at: Option<i64> = audit::table.order(audit::seq).select(audit::at).first(conn).optional()?;
    Ok(at.map(Timestamp))
}

/// The numbers that the filter's times mean: times never run backwards, so two look-ups say it, and the
/// rest of the filter has its index to itself.
fn bounds(conn: &mut Connection, filter: &Filter) -> QueryResult<(i64, i64)> {
    let first = match filter.from {
        None => i64::MIN,
        Some(from) => first_at(conn, from)?.unwrap_or(i64::MAX),
    };
    let end = match filter.to {
        None => i64::MAX,
        Some(to) => first_at(conn, to)?.unwrap_or(i64::MAX),
    };
    Ok((first, end))
}

/// The number of the first entry at this time or later.
pub(super) fn first_at(conn: &mut Connection, at: Timestamp) -> QueryResult<Option<i64>> {
    audit::table.filter(audit::at.ge(at.0)).order((audit::at, audit::seq)).select(audit::seq).first(conn).optional()
}
