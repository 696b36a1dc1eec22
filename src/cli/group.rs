//! `berth group`: people who share what the group is given.

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    context::{Context, by_operator},
    output, remote,
    user::quota::{Figures, describe},
};
use crate::{
    db::{
        Db, DbError, OptionalExtension, audit,
        groups::{self, Group, GroupChanges},
    },
    domain::{
        ids::{GroupId, UserId},
        names::Email,
        quota::{Grant, Quota},
        time::Timestamp,
    },
};

#[derive(Subcommand)]
pub(super) enum GroupCommand {
    /// Make a group
    Add {
        /// Its name
        name: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        #[command(flatten)]
        figures: Figures,
    },
    /// Change what a group is given
    Quota {
        /// Its name
        name: String,
        #[command(flatten)]
        figures: Figures,
    },
    /// All groups
    List,
    /// One group with its members
    Show {
        /// Its name
        name: String,
    },
    /// Remove a group; its members stay
    Remove {
        /// Its name
        name: String,
    },
    /// Take people into a group, or out of it
    Member(Member),
}

#[derive(Args)]
pub(super) struct Member {
    /// The group's name
    name: String,
    /// Whom to take in
    #[arg(long, value_name = "EMAIL")]
    add: Vec<Email>,
    /// Whom to take out
    #[arg(long, value_name = "EMAIL", required_unless_present = "add")]
    remove: Vec<Email>,
}

pub(super) fn run(context: &Context, command: &GroupCommand) -> Result<()> {
    let db = context.database()?;
    match command {
        GroupCommand::Add { name, description, figures } => add(context, &db, (name, description), figures),
        GroupCommand::Quota { name, figures } => set_quota(context, &db, name, figures),
        GroupCommand::List => list(context, &db),
        GroupCommand::Show { name } => show(context, &db, name),
        GroupCommand::Remove { name } => remove(context, &db, name),
        GroupCommand::Member(member) => change_members(context, &db, member),
    }
}

fn find(db: &Db, name: &str) -> Result<Group> {
    let found = db.read_blocking(|conn| groups::by_name(conn, name)).optional()?;
    found.with_context(|| format!("there is no group {name:?}; `berth group list` shows those there are"))
}

fn view(group: &Group, members: &[(UserId, Email)]) -> Value {
    let emails: Vec<&Email> = members.iter().map(|(_, email)| email).collect();
    json!({
        "id": group.id, "name": group.name, "description": group.description, "quota": group.grant.quota,
        "services": group.grant.services, "members": emails,
    })
}

fn add(context: &Context, db: &Db, (name, description): (&str, &str), figures: &Figures) -> Result<()> {
    if name.trim() != name || !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        bail!("a group's name has 1 to 64 characters and no blanks around them");
    }
    let grant = figures.apply(Grant { quota: Quota::default(), services: None });
    let (id, created_at) = (GroupId::generate(), Timestamp::now());
    let group = Group { id, name: name.to_owned(), description: description.to_owned(), grant, created_at };
    let added = db.write_blocking(|conn| {
        groups::insert(conn, &group)?;
        audit::append(conn, &by_operator("group.create", format!("group:{id}"), json!({ "name": name })))
    });
    added.map_err(|error| match error {
        DbError::UniqueViolation { .. } => anyhow!("there is a group {name:?} already"),
        other => other.into(),
    })?;
    context.output.show(&view(&group, &[]), || format!("added the group {name}: {}", describe(&group.grant)))
}

fn set_quota(context: &Context, db: &Db, name: &str, figures: &Figures) -> Result<()> {
    let group = find(db, name)?;
    let (group, members) = db.write_blocking(|conn| {
        let entry = by_operator("group.change", format!("group:{}", group.id), figures.detail());
        audit::append(conn, &entry)?;
        let grant = figures.apply(groups::by_id(conn, group.id)?.grant);
        let changes =
            GroupChanges { quota: Some(grant.quota), services: Some(grant.services), ..GroupChanges::default() };
        Ok((groups::update(conn, group.id, &changes)?, groups::members(conn, group.id)?))
    })?;
    remote::tell_of_grants(context)?;
    context.output.show(&view(&group, &members), || format!("{name}: {}", describe(&group.grant)))
}

fn list(context: &Context, db: &Db) -> Result<()> {
    let (groups, counts) = db.read_blocking(|conn| Ok((groups::list(conn)?, groups::member_counts(conn)?)))?;
    let count = |group: &Group| counts.get(&group.id).copied().unwrap_or(0);
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            json!({
                "id": group.id, "name": group.name, "description": group.description, "quota": group.grant.quota,
                "services": group.grant.services, "member_count": count(group),
            })
        })
        .collect();
    context.output.show(&json!({ "items": items, "next": null }), || {
        let row = |group: &Group| {
            vec![group.name.clone(), count(group).to_string(), describe(&group.grant), group.description.clone()]
        };
        output::table(&["NAME", "MEMBERS", "GIVEN", "DESCRIPTION"], &groups.iter().map(row).collect::<Vec<_>>())
    })
}

fn show(context: &Context, db: &Db, name: &str) -> Result<()> {
    let group = find(db, name)?;
    let members = db.read_blocking(|conn| groups::members(conn, group.id))?;
    context.output.show(&view(&group, &members), || {
        let emails: Vec<String> = members.iter().map(|(_, email)| email.to_string()).collect();
        let who = if emails.is_empty() { "nobody".to_owned() } else { emails.join(", ") };
        format!("{name}: {}\nmembers: {who}", describe(&group.grant))
    })
}

fn remove(context: &Context, db: &Db, name: &str) -> Result<()> {
    let group = find(db, name)?;
    db.write_blocking(|conn| {
        groups::delete(conn, group.id)?;
        let entry = by_operator("group.remove", format!("group:{}", group.id), json!({ "name": name }));
        audit::append(conn, &entry).map(drop)
    })?;
    remote::tell_of_grants(context)?;
    context.output.show(&json!({ "name": name, "removed": true }), || format!("removed the group {name}"))
}

fn change_members(context: &Context, db: &Db, member: &Member) -> Result<()> {
    let Member { name, add, remove } = member;
    let group = find(db, name)?;
    let ids = |emails: &[Email]| -> Result<Vec<UserId>> {
        emails.iter().map(|email| context.user(db, email).map(|user| user.id)).collect()
    };
    let (coming, going) = (ids(add)?, ids(remove)?);
    let members = db.write_blocking(|conn| {
        let target = || format!("group:{}", group.id);
        for user in coming {
            if groups::add_member(conn, group.id, user)? {
                audit::append(conn, &by_operator("group.add_member", target(), json!({ "user": user })))?;
            }
        }
        for user in going {
            if groups::remove_member(conn, group.id, user).optional()?.is_some() {
                audit::append(conn, &by_operator("group.remove_member", target(), json!({ "user": user })))?;
            }
        }
        groups::members(conn, group.id)
    })?;
    remote::tell_of_grants(context)?;
    context.output.show(&view(&group, &members), || format!("{name} has {} members", members.len()))
}
