//! What users were given apart from everybody: quotas and services, their own and by their groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, to_json},
    schema::{group_members, groups, user_grants, users},
};
use crate::domain::{
    ids::UserId,
    names::ServiceName,
    quota::{Grant, Grants, Quota},
};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = user_grants, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Row {
    user_id: String,
    quota: String,
    services: Option<String>,
}

/// A grant from its columns.
pub(super) fn read(table: &'static str, quota: &str, services: Option<&str>) -> QueryResult<Grant> {
    let quota: Quota = At(table, "quota").json(quota)?;
    let services: Option<BTreeSet<ServiceName>> = At(table, "services").json_option(services)?;
    Ok(Grant { quota, services })
}

/// What a user was given themselves.
///
/// # Errors
/// Not found, or the query fails.
pub fn own(conn: &mut Connection, user: UserId) -> QueryResult<Grant> {
    let instances: Option<i64> = users::table.find(user.to_string()).select(users::instance_quota).first(conn)?;
    let row: Option<Row> = user_grants::table.find(user.to_string()).select(Row::as_select()).first(conn).optional()?;
    let mut grant = match row {
        Some(row) => read("user_grants", &row.quota, row.services.as_deref())?,
        None => Grant::default(),
    };
    grant.quota.instances = At("users", "instance_quota").number_option(instances)?;
    Ok(grant)
}

/// What all users were given themselves, where they were given anything; without the number of instances.
///
/// # Errors
/// When the query fails.
pub fn all_own(conn: &mut Connection) -> QueryResult<HashMap<UserId, Grant>> {
    let rows: Vec<Row> = user_grants::table.select(Row::as_select()).load(conn)?;
    let read_row = |row: Row| {
        let user = At("user_grants", "user_id").parse(&row.user_id)?;
        Ok((user, read("user_grants", &row.quota, row.services.as_deref())?))
    };
    rows.into_iter().map(read_row).collect()
}

/// Everything that a user was given.
///
/// # Errors
/// Not found, or the query fails.
pub fn of_user(conn: &mut Connection, user: UserId) -> QueryResult<Grants> {
    let own = own(conn, user)?;
    let rows: Vec<(String, Option<String>)> = group_members::table
        .inner_join(groups::table)
        .filter(group_members::user_id.eq(user.to_string()))
        .select((groups::quota, groups::services))
        .load(conn)?;
    let groups = rows.iter().map(|(quota, services)| read("groups", quota, services.as_deref()));
    Ok(Grants { own, groups: groups.collect::<QueryResult<_>>()? })
}

/// The names of the groups that each user is in.
///
/// # Errors
/// When the query fails.
pub fn group_names(conn: &mut Connection) -> QueryResult<BTreeMap<UserId, Vec<String>>> {
    let rows: Vec<(String, String)> = group_members::table
        .inner_join(groups::table)
        .order(groups::name)
        .select((group_members::user_id, groups::name))
        .load(conn)?;
    let mut names: BTreeMap<UserId, Vec<String>> = BTreeMap::new();
    for (user, name) in rows {
        names.entry(At("group_members", "user_id").parse(&user)?).or_default().push(name);
    }
    Ok(names)
}

/// The names of the groups that one user is in.
///
/// # Errors
/// When the query fails.
pub fn group_names_of(conn: &mut Connection, user: UserId) -> QueryResult<Vec<String>> {
    group_members::table
        .inner_join(groups::table)
        .filter(group_members::user_id.eq(user.to_string()))
        .order(groups::name)
        .select(groups::name)
        .load(conn)
}

/// Writes what a user is given themselves, all of it.
///
/// # Errors
/// Not found, or the query fails.
pub fn set_own(conn: &mut Connection, user: UserId, grant: &Grant) -> QueryResult<()> {
    super::users::set_quota(conn, user, grant.quota.instances)?;
    let row = Row {
        user_id: user.to_string(),
        quota: to_json(&Quota { instances: None, ..grant.quota })?,
        services: grant.services.as_ref().map(to_json).transpose()?,
    };
    // The user's row is locked by the update above: nobody inserts in between.
    let this = user_grants::table.find(user.to_string());
    if diesel::update(this).set(&row).execute(conn)? == 0 {
        diesel::insert_into(user_grants::table).values(&row).execute(conn)?;
    }
    Ok(())
}
