//! Groups of people, for administrators: what a group is given, all its members have.

use std::collections::BTreeSet;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    List, actor, audit,
    entitlements::{EntitlementChange, present, shown},
};
use crate::{
    auth::policy::Action,
    db::{
        QueryError, QueryResult,
        groups::{self, Group, GroupChanges},
        users,
    },
    domain::{
        ids::{GroupId, UserId},
        names::{Email, ServiceName},
        quota::Grant,
        time::Timestamp,
    },
    web::{error::ApiError, extract::Caller, state::AppState},
};

/// A new group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    quota: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    services: Option<BTreeSet<ServiceName>>,
}

/// Changes of a group; what is absent stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeGroup {
    name: Option<String>,
    description: Option<String>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    quota: Option<Option<Map<String, Value>>>,
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    services: Option<Option<BTreeSet<ServiceName>>>,
}

fn view(group: &Group) -> Value {
    let head = json!({
        "id": group.id, "name": group.name, "description": group.description, "created_at": group.created_at,
    });
    shown(head, &group.grant)
}

fn with_members(group: &Group, members: &[(UserId, Email)]) -> Value {
    let mut view = view(group);
    view["members"] = members.iter().map(|(id, email)| json!({ "id": id, "email": email })).collect();
    view
}

/// A name that people can say: 1 to 64 characters, none of them a control character.
fn check_texts(name: Option<&str>, description: Option<&str>) -> Result<(), ApiError> {
    let is_name = |name: &str| {
        (1..=64).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(char::is_control)
    };
    if !name.is_none_or(is_name) {
        return Err(ApiError::invalid("`name`: 1 to 64 characters, no blanks around them"));
    }
    if description.is_some_and(|text| text.chars().count() > 1000) {
        return Err(ApiError::invalid("`description`: at most 1000 characters"));
    }
    Ok(())
}

/// All groups, with the number of their members.
pub async fn list(caller: Caller, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (groups, counts) = state.db.read(|conn| Ok((groups::list(conn)?, groups::member_counts(conn)?))).await?;
    let items = groups.iter().map(|group| {
        let mut view = view(group);
        view["member_count"] = counts.get(&group.id).copied().unwrap_or(0).into();
        view
    });
    Ok(HttpResponse::Ok().json(List::whole(items.collect())))
}

/// One group with its members.
pub async fn show(caller: Caller, state: Data<AppState>, path: Path<GroupId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let (group, members) =
        state.db.read(move |conn| Ok((groups::by_id(conn, id)?, groups::members(conn, id)?))).await?;
    Ok(HttpResponse::Ok().json(with_members(&group, &members)))
}

/// Makes a group.
pub async fn create(caller: Caller, state: Data<AppState>, body: Json<CreateGroup>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let CreateGroup { name, description, quota, services } = body.into_inner();
    check_texts(Some(&name), Some(&description))?;
    let given = EntitlementChange { quota: quota.map(Some), services: Some(services) };
    given.check(&state)?;
    let grant = given.apply(Grant::default()).map_err(ApiError::internal)?;
    let group = Group { id: GroupId::generate(), name, description, grant, created_at: Timestamp::now() };
    let by = actor(&caller.0);
    let row = group.clone();
    state
        .db
        .write(move |conn| {
            groups::insert(conn, &row)?;
            audit(conn, by, "group.create", format!("group:{}", row.id), json!({ "name": row.name }))
        })
        .await?;
    Ok(HttpResponse::Created().json(with_members(&group, &[])))
}

/// Changes a group; what its members may use follows with their next request.
pub async fn change(
    caller: Caller,
    state: Data<AppState>,
    path: Path<GroupId>,
    body: Json<ChangeGroup>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let ChangeGroup { name, description, quota, services } = body.into_inner();
    check_texts(name.as_deref(), description.as_deref())?;
    let given = EntitlementChange { quota, services };
    given.check(&state)?;
    let by = actor(&caller.0);
    let (group, members) = state
        .db
        .write(move |conn| {
            let mut detail = given.detail();
            detail["name"] = json!(name);
            // First the record: its counter puts such changes in one order, and the figures are read after that.
            audit(conn, by, "group.change", format!("group:{id}"), detail)?;
            let known = groups::by_id(conn, id)?;
            let grant = given.apply(known.grant).map_err(|error| QueryError::SerializationError(error.into()))?;
            let changes = GroupChanges { name, description, quota: Some(grant.quota), services: Some(grant.services) };
            Ok((groups::update(conn, id, &changes)?, groups::members(conn, id)?))
        })
        .await?;
    forget(&state, &members);
    Ok(HttpResponse::Ok().json(with_members(&group, &members)))
}

/// Removes a group; its members stay without what it gave them.
pub async fn remove(caller: Caller, state: Data<AppState>, path: Path<GroupId>) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let id = path.into_inner();
    let by = actor(&caller.0);
    let members = state
        .db
        .write(move |conn| {
            let members = groups::members(conn, id)?;
            let name = groups::by_id(conn, id)?.name;
            groups::delete(conn, id)?;
            audit(conn, by, "group.remove", format!("group:{id}"), json!({ "name": name }))?;
            Ok(members)
        })
        .await?;
    forget(&state, &members);
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a user into a group.
pub async fn add_member(
    caller: Caller,
    state: Data<AppState>,
    path: Path<(GroupId, UserId)>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (group, user) = path.into_inner();
    let by = actor(&caller.0);
    state
        .db
        .write(move |conn| {
            // Each is looked for, so that a missing one is a 404.
            groups::by_id(conn, group)?;
            users::by_id(conn, user)?;
            if groups::add_member(conn, group, user)? {
                audit(conn, by, "group.add_member", format!("group:{group}"), json!({ "user": user }))?;
            }
            Ok(())
        })
        .await?;
    state.authenticator.renew_user(user);
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a user out of a group.
pub async fn remove_member(
    caller: Caller,
    state: Data<AppState>,
    path: Path<(GroupId, UserId)>,
) -> Result<HttpResponse, ApiError> {
    caller.may(Action::Administer)?;
    let (group, user) = path.into_inner();
    let by = actor(&caller.0);
    let work = move |conn: &mut _| -> QueryResult<()> {
        groups::remove_member(conn, group, user)?;
        audit(conn, by, "group.remove_member", format!("group:{group}"), json!({ "user": user }))
    };
    state.db.write(work).await?;
    state.authenticator.renew_user(user);
    Ok(HttpResponse::NoContent().finish())
}

fn forget(state: &AppState, members: &[(UserId, Email)]) {
    members.iter().for_each(|(id, _)| state.authenticator.renew_user(*id));
}
