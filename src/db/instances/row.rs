//! An instance's columns.

use diesel::prelude::*;

use super::super::{convert::At, schema::instances};
use crate::domain::{instance::Desired, instance::Instance, time::Timestamp};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = instances, treat_none_as_default_value = false)]
pub(super) struct InstanceRow {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) service: String,
    pub(super) number: i64,
    pub(super) slug: String,
    pub(super) label: String,
    pub(super) mode: String,
    pub(super) desired: String,
    pub(super) state: String,
    pub(super) port: Option<i64>,
    pub(super) config: String,
    pub(super) env_sealed: Option<String>,
    pub(super) credential_id: Option<String>,
    pub(super) limits: String,
    pub(super) created_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) restarts: i64,
    pub(super) last_error: Option<String>,
    pub(super) last_good: Option<String>,
    pub(super) idle_seconds: Option<i64>,
    pub(super) debug_until: Option<i64>,
}

impl InstanceRow {
    /// The instance, given its row and its owner's ordinal.
    pub(super) fn read((row, user_number): (Self, i64)) -> QueryResult<Instance> {
        let at = |column| At("instances", column);
        Ok(Instance {
            id: at("id").parse(&row.id)?,
            user_id: at("user_id").parse(&row.user_id)?,
            user_number: At("users", "number").number(user_number)?,
            service: at("service").parse(&row.service)?,
            number: at("number").number(row.number)?,
            slug: row.slug,
            label: row.label,
            mode: at("mode").parse(&row.mode)?,
            desired: at("desired").variant::<Desired>(&row.desired)?,
            state: at("state").parse(&row.state)?,
            port: at("port").number_option(row.port)?,
            config: at("config").json(&row.config)?,
            env_sealed: row.env_sealed,
            credential_id: at("credential_id").parse_option(row.credential_id.as_deref())?,
            limits: at("limits").json(&row.limits)?,
            created_at: Timestamp(row.created_at),
            started_at: row.started_at.map(Timestamp),
            expires_at: row.expires_at.map(Timestamp),
            restarts: at("restarts").number(row.restarts)?,
            last_error: at("last_error").json_option(row.last_error.as_deref())?,
            last_good: at("last_good").json_option(row.last_good.as_deref())?,
            idle_seconds: at("idle_seconds").number_option(row.idle_seconds)?,
            debug_until: row.debug_until.map(Timestamp),
        })
    }
}

/// The columns that change; `None` leaves one alone, `Some(None)` empties it.
#[derive(AsChangeset, Default, PartialEq)]
#[diesel(table_name = instances)]
pub(super) struct Changeset<'a> {
    pub(super) slug: Option<&'a str>,
    pub(super) label: Option<&'a str>,
    pub(super) mode: Option<&'a str>,
    pub(super) desired: Option<&'a str>,
    pub(super) state: Option<&'a str>,
    pub(super) port: Option<Option<i64>>,
    pub(super) config: Option<String>,
    pub(super) env_sealed: Option<Option<&'a str>>,
    pub(super) credential_id: Option<Option<String>>,
    pub(super) limits: Option<String>,
    pub(super) started_at: Option<Option<i64>>,
    pub(super) expires_at: Option<Option<i64>>,
    pub(super) restarts: Option<i64>,
    pub(super) last_error: Option<Option<String>>,
    pub(super) last_good: Option<Option<String>>,
    pub(super) idle_seconds: Option<Option<i64>>,
    pub(super) debug_until: Option<Option<i64>>,
}

impl Changeset<'_> {
    /// Whether there is nothing to write; diesel refuses an empty `SET`.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
