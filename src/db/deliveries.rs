//! The queue of what is on its way to somebody by mail or to a webhook. It outlives a run of Berth.

use diesel::prelude::*;

use super::{Connection, convert::At, schema::deliveries};
use crate::domain::{
    ids::{NotificationId, UserId, WebhookId},
    time::Timestamp,
};

/// One thing on one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// What is delivered.
    pub notification: NotificationId,
    /// To whom.
    pub user: UserId,
    /// To which webhook; by mail when none.
    pub webhook: Option<WebhookId>,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next is due.
    pub next_at: Timestamp,
}

impl Delivery {
    /// One that has not been tried yet.
    #[must_use]
    pub fn new(notification: NotificationId, user: UserId, webhook: Option<WebhookId>, at: Timestamp) -> Self {
        Self { id: NotificationId::generate().to_string(), notification, user, webhook, attempts: 0, next_at: at }
    }

    /// Of a way, at most one delivery is under way.
    #[must_use]
    pub fn way(&self) -> String {
        match self.webhook {
            Some(id) => format!("webhook:{id}"),
            None => format!("mail:{}", self.user),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
struct Row {
    id: String,
    notification_id: String,
    user_id: String,
    webhook_id: Option<String>,
    way: String,
    attempts: i64,
    next_at: i64,
}

impl Row {
    fn read(self) -> QueryResult<Delivery> {
        let at = |column| At("deliveries", column);
        Ok(Delivery {
            notification: at("notification_id").parse(&self.notification_id)?,
            user: at("user_id").parse(&self.user_id)?,
            webhook: at("webhook_id").parse_option(self.webhook_id.as_deref())?,
            attempts: at("attempts").number(self.attempts)?,
            next_at: Timestamp(self.next_at),
            id: self.id,
        })
    }
}

/// Puts a delivery in the queue, unless `most` are on the same way already; returns whether it was.
///
/// # Errors
/// A foreign key error when what it names is gone.
pub fn enqueue(conn: &mut Connection, new: &Delivery, most: u32) -> QueryResult<bool> {
    let way = new.way();
    let waiting: i64 = deliveries::table.filter(deliveries::way.eq(&way)).count().get_result(conn)?;
    if waiting >= i64::from(most) {
        return Ok(false);
    }
    let row = Row {
        id: new.id.clone(),
        notification_id: new.notification.to_string(),
        user_id: new.user.to_string(),
        webhook_id: new.webhook.map(|id| id.to_string()),
        way,
        attempts: i64::from(new.attempts),
        next_at: new.next_at.0,
    };
    diesel::insert_into(deliveries::table).values(&row).execute(conn).map(|_| true)
}

/// At most `limit` deliveries in the order in which they are due, but for those on ways and of users that have
/// enough under way.
///
/// # Errors
/// When the query fails.
pub fn next(conn: &mut Connection, ways: &[String], users: &[String], limit: u32) -> QueryResult<Vec<Delivery>> {
    let rows: Vec<Row> = deliveries::table
        .filter(deliveries::way.ne_all(ways))
        .filter(deliveries::user_id.ne_all(users))
        .order((deliveries::next_at, deliveries::id))
        .limit(i64::from(limit))
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Takes a delivery out of the queue: it arrived, or is given up.
///
/// # Errors
/// When the query fails.
pub fn finish(conn: &mut Connection, id: &str) -> QueryResult<()> {
    diesel::delete(deliveries::table.find(id)).execute(conn).map(drop)
}

/// Writes how often a delivery was tried, and when the next attempt is due.
///
/// # Errors
/// When the query fails.
pub fn postpone(conn: &mut Connection, id: &str, attempts: u32, next_at: Timestamp) -> QueryResult<()> {
    let set = (deliveries::attempts.eq(i64::from(attempts)), deliveries::next_at.eq(next_at.0));
    diesel::update(deliveries::table.find(id)).set(set).execute(conn).map(drop)
}
