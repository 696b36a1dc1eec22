//! What instances used, hour by hour.

use diesel::prelude::*;

use super::{Connection, convert::At, schema::usage_hours};
use crate::domain::{ids::InstanceId, time::Timestamp, usage::UsageHour};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = usage_hours)]
struct Row {
    instance_id: String,
    hour: i64,
    samples: i64,
    memory_sum: i64,
    memory_max: i64,
    cpu_ms: i64,
    processes_max: i64,
    requests: i64,
}

impl Row {
    fn new(instance: InstanceId, hour: &UsageHour) -> Self {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Self {
            instance_id: instance.to_string(),
            hour: hour.hour.0,
            samples: number(hour.samples),
            memory_sum: number(hour.memory_sum),
            memory_max: number(hour.memory_max),
            cpu_ms: number(hour.cpu_ms),
            processes_max: hour.processes_max.into(),
            requests: number(hour.requests),
        }
    }

    fn read(self) -> QueryResult<UsageHour> {
        let at = |column| At("usage_hours", column);
        Ok(UsageHour {
            hour: Timestamp(self.hour),
            samples: at("samples").number(self.samples)?,
            memory_sum: at("memory_sum").number(self.memory_sum)?,
            memory_max: at("memory_max").number(self.memory_max)?,
            cpu_ms: at("cpu_ms").number(self.cpu_ms)?,
            processes_max: at("processes_max").number(self.processes_max)?,
            requests: at("requests").number(self.requests)?,
        })
    }
}

/// Adds a part of an hour to what is there. Only one writer at a time.
///
/// # Errors
/// A foreign key error when the instance is gone.
pub fn add(conn: &mut Connection, instance: InstanceId, part: &UsageHour) -> QueryResult<()> {
    let this = usage_hours::table.find((instance.to_string(), part.hour.0));
    let known: Option<Row> = this.clone().select(Row::as_select()).first(conn).optional()?;
    match known {
        None => diesel::insert_into(usage_hours::table).values(Row::new(instance, part)).execute(conn)?,
        Some(known) => {
            let mut sum = known.read()?;
            sum.merge(part);
            diesel::update(this).set(Row::new(instance, &sum)).execute(conn)?
        }
    };
    Ok(())
}

/// The newest `limit` hours of an instance, newest first.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection, instance: InstanceId, limit: u32) -> QueryResult<Vec<UsageHour>> {
    let rows: Vec<Row> = usage_hours::table
        .filter(usage_hours::instance_id.eq(instance.to_string()))
        .order(usage_hours::hour.desc())
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Removes hours before `at`; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_before(conn: &mut Connection, at: Timestamp) -> QueryResult<usize> {
    diesel::delete(usage_hours::table.filter(usage_hours::hour.lt(at.0))).execute(conn)
}
