//! Calls per user, service and day, to show and to bill by.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, to_json},
    schema::{usage_days, users},
};
use crate::domain::{
    ids::UserId,
    metering::{Counts, Day, UsageDay, UsageKey},
};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = usage_days)]
struct Row {
    user_id: String,
    service: String,
    day: i64,
    email: String,
    calls: i64,
    errors: i64,
    micros_sum: i64,
    latency: String,
}

impl Row {
    fn new(key: &UsageKey, email: String, counts: &Counts) -> QueryResult<Self> {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Ok(Self {
            user_id: key.user.to_string(),
            service: key.service.to_string(),
            day: key.day.0,
            email,
            calls: number(counts.calls),
            errors: number(counts.errors),
            micros_sum: number(counts.micros_sum),
            latency: to_json(&counts.latencies)?,
        })
    }

    fn read(self) -> QueryResult<UsageDay> {
        let at = |column| At("usage_days", column);
        let key = UsageKey {
            user: at("user_id").parse(&self.user_id)?,
            service: at("service").parse(&self.service)?,
            day: Day(self.day),
        };
        let counts = Counts {
            calls: at("calls").number(self.calls)?,
            errors: at("errors").number(self.errors)?,
            micros_sum: at("micros_sum").number(self.micros_sum)?,
            latencies: at("latency").json(&self.latency)?,
        };
        Ok(UsageDay { key, email: self.email, counts })
    }
}

/// Adds parts of days to what is there. Only one writer at a time.
///
/// # Errors
/// When a query fails; nothing is written then.
pub fn add(conn: &mut Connection, parts: &[(UsageKey, Counts)]) -> QueryResult<()> {
    parts.iter().try_for_each(|(key, part)| add_one(conn, key, part))
}

fn add_one(conn: &mut Connection, key: &UsageKey, part: &Counts) -> QueryResult<()> {
    let (user, service) = (key.user.to_string(), key.service.to_string());
    let this = usage_days::table.find((user.clone(), service, key.day.0));
    let known: Option<Row> = this.clone().select(Row::as_select()).first(conn).optional()?;
    let email: Option<String> = users::table.find(user).select(users::email).first(conn).optional()?;
    match known {
        None => {
            let row = Row::new(key, email.unwrap_or_default(), part)?;
            diesel::insert_into(usage_days::table).values(row).execute(conn)?
        }
        Some(known) => {
            let mut sum = known.read()?;
            sum.counts.merge(part);
            diesel::update(this).set(Row::new(key, email.unwrap_or(sum.email), &sum.counts)?).execute(conn)?
        }
    };
    Ok(())
}

/// The records of the days from `from` to `to`, both among them.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection, from: Day, to: Day) -> QueryResult<Vec<UsageDay>> {
    let rows: Vec<Row> =
        usage_days::table.filter(usage_days::day.between(from.0, to.0)).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// How many calls each user made on `day`.
///
/// # Errors
/// When the query fails.
pub fn calls_on(conn: &mut Connection, day: Day) -> QueryResult<HashMap<UserId, u64>> {
    let rows: Vec<(String, i64)> = usage_days::table
        .filter(usage_days::day.eq(day.0))
        .select((usage_days::user_id, usage_days::calls))
        .load(conn)?;
    let mut calls = HashMap::new();
    for (user, count) in rows {
        let count: u64 = At("usage_days", "calls").number(count)?;
        *calls.entry(At("usage_days", "user_id").parse(&user)?).or_default() += count;
    }
    Ok(calls)
}

/// Removes what is from before `day`; returns how many records.
///
/// # Errors
/// When the query fails.
pub fn purge_before(conn: &mut Connection, day: Day) -> QueryResult<usize> {
    diesel::delete(usage_days::table.filter(usage_days::day.lt(day.0))).execute(conn)
}
