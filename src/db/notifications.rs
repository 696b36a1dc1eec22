//! What people were told, and in which ways they want to be.

use diesel::prelude::*;
use serde_json::Value;

use super::{
    Connection,
    convert::{At, to_json},
    schema::{notification_preferences as preferences, notifications},
};
use crate::domain::{
    ids::{NotificationId, UserId},
    notice::{Channels, Notice, NoticeKind},
    time::Timestamp,
};

/// Something that somebody was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Its id; later ones are greater.
    pub id: NotificationId,
    /// Whom.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub kind: NoticeKind,
    /// One sentence.
    pub title: String,
    /// More, for programs.
    pub detail: Value,
    /// When they said that they have read it.
    pub read_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notifications, treat_none_as_default_value = false)]
struct Row {
    id: String,
    user_id: String,
    at: i64,
    kind: String,
    subject: String,
    title: String,
    detail: String,
    listed: bool,
    read_at: Option<i64>,
}

impl Row {
    fn read(self) -> QueryResult<Notification> {
        let at = |column| At("notifications", column);
        Ok(Notification {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            at: Timestamp(self.at),
            kind: at("kind").parse(&self.kind)?,
            title: self.title,
            detail: at("detail").json(&self.detail)?,
            read_at: self.read_at.map(Timestamp),
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = preferences)]
struct PreferenceRow {
    user_id: String,
    kind: String,
    app: bool,
    mail: bool,
    webhook: bool,
}

/// Which of a user's notifications.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which {
    /// Only those that are (`true`) or are not (`false`) unread.
    pub unread: Option<bool>,
    /// Only those before this one.
    pub before: Option<NotificationId>,
}

/// Whether the user was told the same since then.
///
/// # Errors
/// When the query fails.
pub fn was_told(conn: &mut Connection, user: UserId, notice: &Notice, since: Timestamp) -> QueryResult<bool> {
    let known: Option<String> = notifications::table
        .filter(notifications::user_id.eq(user.to_string()))
        .filter(notifications::kind.eq(notice.kind.as_str()))
        .filter(notifications::subject.eq(&notice.subject))
        .filter(notifications::at.ge(since.0))
        .select(notifications::id)
        .first(conn)
        .optional()?;
    Ok(known.is_some())
}

/// Notes that a user is told something; it is in their list if `listed`.
///
/// # Errors
/// A foreign key error when the user is gone.
pub fn insert(
    conn: &mut Connection,
    user: UserId,
    at: Timestamp,
    notice: &Notice,
    listed: bool,
) -> QueryResult<Notification> {
    let row = Row {
        id: NotificationId::generate().to_string(),
        user_id: user.to_string(),
        at: at.0,
        kind: notice.kind.to_string(),
        subject: notice.subject.clone(),
        title: notice.title.clone(),
        detail: to_json(&notice.detail)?,
        listed,
        read_at: None,
    };
    diesel::insert_into(notifications::table).values(&row).execute(conn)?;
    row.read()
}

/// The notification with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: NotificationId) -> QueryResult<Notification> {
    notifications::table.find(id.to_string()).select(Row::as_select()).first(conn)?.read()
}

/// At most `limit` of a user's list, newest first.
///
/// # Errors
/// When the query fails.
pub fn list(conn: &mut Connection, user: UserId, which: Which, limit: u32) -> QueryResult<Vec<Notification>> {
    let mut query = notifications::table
        .filter(notifications::user_id.eq(user.to_string()))
        .filter(notifications::listed.eq(true))
        .order(notifications::id.desc())
        .limit(i64::from(limit))
        .into_boxed();
    query = match which.unread {
        None => query,
        Some(true) => query.filter(notifications::read_at.is_null()),
        Some(false) => query.filter(notifications::read_at.is_not_null()),
    };
    if let Some(before) = which.before {
        query = query.filter(notifications::id.lt(before.to_string()));
    }
    let rows: Vec<Row> = query.select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// At most `limit` of a user's list that came after this one, oldest first.
///
/// # Errors
/// When the query fails.
pub fn after(conn: &mut Connection, user: UserId, id: NotificationId, limit: u32) -> QueryResult<Vec<Notification>> {
    let rows: Vec<Row> = notifications::table
        .filter(notifications::user_id.eq(user.to_string()))
        .filter(notifications::listed.eq(true))
        .filter(notifications::id.gt(id.to_string()))
        .order(notifications::id)
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// How many of a user's list are unread.
///
/// # Errors
/// When the query fails.
pub fn unread(conn: &mut Connection, user: UserId) -> QueryResult<u64> {
    let count: i64 = notifications::table
        .filter(notifications::user_id.eq(user.to_string()))
        .filter(notifications::listed.eq(true))
        .filter(notifications::read_at.is_null())
        .count()
        .get_result(conn)?;
    At("notifications", "count").number(count)
}

/// Writes of a user's notifications (all, or those named) that they were read then, or are unread; returns of how many.
///
/// # Errors
/// When the query fails.
pub fn mark(
    conn: &mut Connection,
    user: UserId,
    ids: Option<&[NotificationId]>,
    read_at: Option<Timestamp>,
) -> QueryResult<usize> {
    let own = notifications::table.filter(notifications::user_id.eq(user.to_string()));
    let set = notifications::read_at.eq(read_at.map(|at| at.0));
    match ids {
        None if read_at.is_some() => {
            diesel::update(own.filter(notifications::read_at.is_null())).set(set).execute(conn)
        }
        None => diesel::update(own).set(set).execute(conn),
        Some(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            diesel::update(own.filter(notifications::id.eq_any(ids))).set(set).execute(conn)
        }
    }
}

/// Removes what is older; returns how many.
///
/// # Errors
/// When the query fails.
pub fn purge_before(conn: &mut Connection, oldest: Timestamp) -> QueryResult<usize> {
    diesel::delete(notifications::table.filter(notifications::at.lt(oldest.0))).execute(conn)
}

/// The ways that a user wants for a kind.
///
/// # Errors
/// When the query fails.
pub fn channels(conn: &mut Connection, user: UserId, kind: NoticeKind) -> QueryResult<Channels> {
    let row: Option<PreferenceRow> = preferences::table
        .find((user.to_string(), kind.as_str()))
        .select(PreferenceRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row
        .map_or_else(|| kind.default_channels(), |row| Channels { app: row.app, mail: row.mail, webhook: row.webhook }))
}

/// Writes the ways that a user wants for a kind.
///
/// # Errors
/// A foreign key error when the user is gone.
pub fn set_channels(conn: &mut Connection, user: UserId, kind: NoticeKind, channels: Channels) -> QueryResult<()> {
    diesel::delete(preferences::table.find((user.to_string(), kind.as_str()))).execute(conn)?;
    let Channels { app, mail, webhook } = channels;
    let row = PreferenceRow { user_id: user.to_string(), kind: kind.to_string(), app, mail, webhook };
    diesel::insert_into(preferences::table).values(&row).execute(conn).map(drop)
}
