//! Groups of people, who share what the group is given.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row, to_json},
    entitlements,
    schema::{group_members, groups, users},
};
use crate::domain::{
    ids::{GroupId, UserId},
    names::{Email, ServiceName},
    quota::{Grant, Quota},
    time::Timestamp,
};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name; unique.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// What its members are given.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What is changed of a group. An outer `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct GroupChanges {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Figures; replaces all.
    pub quota: Option<Quota>,
    /// Services; an inner `None` says nothing about them.
    pub services: Option<Option<BTreeSet<ServiceName>>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = groups, treat_none_as_default_value = false)]
struct Row {
    id: String,
    name: String,
    description: String,
    quota: String,
    services: Option<String>,
    created_at: i64,
}

impl Row {
    fn of(group: &Group) -> QueryResult<Self> {
        Ok(Self {
            id: group.id.to_string(),
            name: group.name.clone(),
            description: group.description.clone(),
            quota: to_json(&group.grant.quota)?,
            services: group.grant.services.as_ref().map(to_json).transpose()?,
            created_at: group.created_at.0,
        })
    }

    fn read(self) -> QueryResult<Group> {
        Ok(Group {
            id: At("groups", "id").parse(&self.id)?,
            grant: entitlements::read("groups", &self.quota, self.services.as_deref())?,
            name: self.name,
            description: self.description,
            created_at: Timestamp(self.created_at),
        })
    }
}

#[derive(Default, AsChangeset)]
#[diesel(table_name = groups)]
struct Changeset<'a> {
    name: Option<&'a str>,
    description: Option<&'a str>,
    quota: Option<String>,
    services: Option<Option<String>>,
}

/// Adds a group.
///
/// # Errors
/// A unique violation of `groups_name`.
pub fn insert(conn: &mut Connection, group: &Group) -> QueryResult<()> {
    diesel::insert_into(groups::table).values(&Row::of(group)?).execute(conn).map(drop)
}

/// All groups by name.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection) -> QueryResult<Vec<Group>> {
    let rows: Vec<Row> = groups::table.order(groups::name).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The group with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: GroupId) -> QueryResult<Group> {
    groups::table.find(id.to_string()).select(Row::as_select()).first(conn)?.read()
}

/// The group with this name.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_name(conn: &mut Connection, name: &str) -> QueryResult<Group> {
    groups::table.filter(groups::name.eq(name)).select(Row::as_select()).first(conn)?.read()
}

/// Changes a group, and returns the result.
///
/// # Errors
/// Not found; a unique violation of `groups_name`.
pub fn update(conn: &mut Connection, id: GroupId, changes: &GroupChanges) -> QueryResult<Group> {
    let services = |list: &Option<BTreeSet<ServiceName>>| list.as_ref().map(to_json).transpose();
    let changeset = Changeset {
        name: changes.name.as_deref(),
        description: changes.description.as_deref(),
        quota: changes.quota.as_ref().map(to_json).transpose()?,
        services: changes.services.as_ref().map(services).transpose()?,
    };
    match diesel::update(groups::table.find(id.to_string())).set(&changeset).execute(conn) {
        // Nothing was to be changed.
        Err(diesel::result::Error::QueryBuilderError(_)) => {}
        touched => require_row(touched?)?,
    }
    by_id(conn, id)
}

/// Deletes a group; its members stay.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: GroupId) -> QueryResult<()> {
    require_row(diesel::delete(groups::table.find(id.to_string())).execute(conn)?)
}

/// Who is in a group: ids and addresses, by address.
///
/// # Errors
/// When the query fails.
pub fn members(conn: &mut Connection, id: GroupId) -> QueryResult<Vec<(UserId, Email)>> {
    let rows: Vec<(String, String)> = group_members::table
        .inner_join(users::table)
        .filter(group_members::group_id.eq(id.to_string()))
        .order(users::email)
        .select((users::id, users::email))
        .load(conn)?;
    let at = |column| At("users", column);
    rows.iter().map(|(id, email)| Ok((at("id").parse(id)?, at("email").parse(email)?))).collect()
}

/// How many members each group has; groups without any are missing.
///
/// # Errors
/// When the query fails.
pub fn member_counts(conn: &mut Connection) -> QueryResult<HashMap<GroupId, u64>> {
    let rows: Vec<String> = group_members::table.select(group_members::group_id).load(conn)?;
    let mut counts = HashMap::new();
    for id in rows {
        *counts.entry(At("group_members", "group_id").parse(&id)?).or_default() += 1;
    }
    Ok(counts)
}

/// Takes a user into a group; whether they were not in it before.
///
/// # Errors
/// A foreign key error when either is gone.
pub fn add_member(conn: &mut Connection, group: GroupId, user: UserId) -> QueryResult<bool> {
    let (group, user) = (group.to_string(), user.to_string());
    // Locks the user's row: two requests at once add one row.
    diesel::update(users::table.find(&user)).set(users::role.eq(users::role)).execute(conn)?;
    let there: i64 = group_members::table.find((&group, &user)).count().get_result(conn)?;
    if there > 0 {
        return Ok(false);
    }
    let row = (group_members::group_id.eq(group), group_members::user_id.eq(user));
    diesel::insert_into(group_members::table).values(row).execute(conn)?;
    Ok(true)
}

/// Takes a user out of a group.
///
/// # Errors
/// Not found when they are not in it.
pub fn remove_member(conn: &mut Connection, group: GroupId, user: UserId) -> QueryResult<()> {
    let this = group_members::table.find((group.to_string(), user.to_string()));
    require_row(diesel::delete(this).execute(conn)?)
}
