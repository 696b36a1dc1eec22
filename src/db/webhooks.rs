//! Where people are told things by HTTP. The whole URL and the signing secret are sealed.

use diesel::prelude::*;

use super::{
    Connection,
    convert::{At, require_row},
    schema::{deliveries, webhooks},
};
use crate::domain::{
    ids::{UserId, WebhookId},
    time::Timestamp,
};

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose.
    pub user_id: UserId,
    /// Scheme, host and port of its URL: the rest may be as good as a password.
    pub origin: String,
    /// URL and secret, sealed by the vault.
    pub sealed: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when every attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
    /// When the last attempt was made.
    pub last_at: Option<Timestamp>,
    /// How that went, in words.
    pub last_status: Option<String>,
}

/// Whom the vault seals a webhook's URL and secret for.
#[must_use]
pub fn owner(user: UserId, id: WebhookId) -> String {
    format!("webhook:{user}:{id}")
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = webhooks, treat_none_as_default_value = false)]
struct Row {
    id: String,
    user_id: String,
    url: String,
    sealed: String,
    created_at: i64,
    failing_since: Option<i64>,
    disabled_at: Option<i64>,
    last_at: Option<i64>,
    last_status: Option<String>,
}

impl Row {
    fn read(self) -> QueryResult<Webhook> {
        let at = |column| At("webhooks", column);
        Ok(Webhook {
            id: at("id").parse(&self.id)?,
            user_id: at("user_id").parse(&self.user_id)?,
            origin: self.url,
            sealed: self.sealed,
            created_at: Timestamp(self.created_at),
            failing_since: self.failing_since.map(Timestamp),
            disabled_at: self.disabled_at.map(Timestamp),
            last_at: self.last_at.map(Timestamp),
            last_status: self.last_status,
        })
    }
}

/// Inserts a webhook.
///
/// # Errors
/// A foreign key error when the user is gone.
pub fn insert(conn: &mut Connection, new: &Webhook) -> QueryResult<()> {
    let row = Row {
        id: new.id.to_string(),
        user_id: new.user_id.to_string(),
        url: new.origin.clone(),
        sealed: new.sealed.clone(),
        created_at: new.created_at.0,
        failing_since: new.failing_since.map(|at| at.0),
        disabled_at: new.disabled_at.map(|at| at.0),
        last_at: new.last_at.map(|at| at.0),
        last_status: new.last_status.clone(),
    };
    diesel::insert_into(webhooks::table).values(&row).execute(conn).map(drop)
}

/// The webhook with this id.
///
/// # Errors
/// Not found, or the query fails.
pub fn by_id(conn: &mut Connection, id: WebhookId) -> QueryResult<Webhook> {
    webhooks::table.find(id.to_string()).select(Row::as_select()).first(conn)?.read()
}

/// A user's webhooks, oldest first.
///
/// # Errors
/// When the query fails.
pub fn list_for_user(conn: &mut Connection, user: UserId) -> QueryResult<Vec<Webhook>> {
    let rows: Vec<Row> = webhooks::table
        .filter(webhooks::user_id.eq(user.to_string()))
        .order(webhooks::id)
        .select(Row::as_select())
        .load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// Every webhook, for the rotation of the master key.
///
/// # Errors
/// When the query fails.
pub fn all(conn: &mut Connection) -> QueryResult<Vec<Webhook>> {
    let rows: Vec<Row> = webhooks::table.order(webhooks::id).select(Row::as_select()).load(conn)?;
    rows.into_iter().map(Row::read).collect()
}

/// The same URL and secret sealed with another master key.
///
/// # Errors
/// Not found, or the query fails.
pub fn replace_sealed(conn: &mut Connection, id: WebhookId, sealed: &str) -> QueryResult<()> {
    require_row(diesel::update(webhooks::table.find(id.to_string())).set(webhooks::sealed.eq(sealed)).execute(conn)?)
}

/// Deletes a webhook with what is on its way there.
///
/// # Errors
/// Not found, or the query fails.
pub fn delete(conn: &mut Connection, id: WebhookId) -> QueryResult<()> {
    require_row(diesel::delete(webhooks::table.find(id.to_string())).execute(conn)?)
}

/// Writes how an attempt went; returns since when all of them fail. A webhook that is gone takes it with it.
///
/// # Errors
/// When a query fails.
pub fn attempted(
    conn: &mut Connection,
    id: WebhookId,
    at: Timestamp,
    status: &str,
    arrived: bool,
) -> QueryResult<Option<Timestamp>> {
    let this = webhooks::table.find(id.to_string());
    let known: Option<Option<i64>> = this.clone().select(webhooks::failing_since).first(conn).optional()?;
    let Some(before) = known else { return Ok(None) };
    let since = if arrived { None } else { Some(before.unwrap_or(at.0)) };
    let set = (webhooks::last_at.eq(at.0), webhooks::last_status.eq(status), webhooks::failing_since.eq(since));
    diesel::update(this).set(set).execute(conn)?;
    Ok(since.map(Timestamp))
}

/// Disables a webhook and drops what is on its way there; `false` when it was disabled before.
///
/// # Errors
/// When a query fails.
pub fn disable(conn: &mut Connection, id: WebhookId, at: Timestamp) -> QueryResult<bool> {
    let this = webhooks::table.filter(webhooks::id.eq(id.to_string())).filter(webhooks::disabled_at.is_null());
    let disabled = diesel::update(this).set(webhooks::disabled_at.eq(at.0)).execute(conn)?;
    diesel::delete(deliveries::table.filter(deliveries::webhook_id.eq(id.to_string()))).execute(conn)?;
    Ok(disabled > 0)
}
