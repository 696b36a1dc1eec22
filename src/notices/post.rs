//! The postman: takes deliveries from the queue when they are due, and tries again those that fail.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time::timeout};

use super::{Means, Notices, webhook};
use crate::{
    db::{
        DbError, OptionalExtension,
        deliveries::{self, Delivery},
        notifications::{self, Notification},
        users,
        webhooks::{self, Webhook},
    },
    domain::{
        ids::{UserId, WebhookId},
        notice::{Notice, NoticeKind},
        time::Timestamp,
    },
    mail::{Mail, MailError},
};

/// Deliveries that are under way at once, of all users and of one.
const MAX_AT_ONCE: usize = 64;
const MAX_OF_USER: usize = 4;
/// Deliveries that are looked at at once.
const PAGE: u32 = 200;
/// The longest sleep: the wall clock may be set.
const LOOK: Duration = Duration::from_secs(60);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(2);

/// Makes deliveries until Berth ends.
pub(super) async fn run(notices: Notices, due: Arc<Notify>) {
    let mut round = Round::default();
    loop {
        let wait = match round.begin(&notices).await {
            Ok(wait) => wait,
            Err(error) => {
                log::warn!("deliveries wait for the database: {error}");
                PAUSE
            }
        };
        tokio::select! {
            Some(done) = round.under_way.join_next(), if !round.under_way.is_empty() => round.ended(done.ok()),
            _ = timeout(wait, due.notified()) => {}
        }
    }
}

/// What is under way.
#[derive(Default)]
struct Round {
    under_way: JoinSet<String>,
    ways: HashMap<String, UserId>,
}

impl Round {
    /// Begins what is due and may begin; returns for how long there is nothing to do but to wait.
    async fn begin(&mut self, notices: &Notices) -> Result<Duration, DbError> {
        loop {
            let (ways, users) = (self.ways.keys().cloned().collect::<Vec<_>>(), self.full_users());
            let users: Vec<String> = users.iter().map(ToString::to_string).collect();
            let read = notices.means.db.read(move |conn| deliveries::next(conn, &ways, &users, PAGE));
            let now = Timestamp::now();
            let (mut began, mut wait) = (false, LOOK);
            for delivery in read.await? {
                if delivery.next_at > now {
                    wait = delivery.next_at.until(now).min(LOOK);
                    break;
                }
                began |= self.take(notices, delivery);
            }
            // Only what was held up by others of the page may be due still.
            if !began {
                return Ok(wait);
            }
        }
    }

    fn full_users(&self) -> Vec<UserId> {
        let mut count: HashMap<UserId, usize> = HashMap::new();
        self.ways.values().for_each(|user| *count.entry(*user).or_default() += 1);
        count.into_iter().filter(|(_, count)| *count >= MAX_OF_USER).map(|(user, _)| user).collect()
    }

    /// Begins one, if there is a place for it.
    fn take(&mut self, notices: &Notices, delivery: Delivery) -> bool {
        let way = delivery.way();
        let of_user = self.ways.values().filter(|user| **user == delivery.user).count();
        if self.ways.len() >= MAX_AT_ONCE || of_user >= MAX_OF_USER || self.ways.contains_key(&way) {
            return false;
        }
        self.ways.insert(way.clone(), delivery.user);
        let notices = notices.clone();
        self.under_way.spawn(async move {
            if let Err(error) = deliver(&notices, delivery).await {
                log::warn!("the outcome of a delivery could not be noted, it may come twice: {error}");
                tokio::time::sleep(PAUSE).await;
            }
            way
        });
        true
    }

    /// A task that has failed by a panic does not say which it was; then all that it can have been are known.
    fn ended(&mut self, way: Option<String>) {
        match way {
            Some(way) => drop(self.ways.remove(&way)),
            None if self.under_way.is_empty() => self.ways.clear(),
            None => {}
        }
    }
}

/// Tries once, and notes how it went.
async fn deliver(notices: &Notices, delivery: Delivery) -> Result<(), DbError> {
    let means = &notices.means;
    let wanted = delivery.clone();
    let found = means
        .db
        .read(move |conn| {
            let told = notifications::by_id(conn, wanted.notification).optional()?;
            let user = users::by_id(conn, wanted.user).optional()?.filter(|user| user.disabled_at.is_none());
            let webhook = match wanted.webhook {
                Some(id) => webhooks::by_id(conn, id).optional()?,
                None => None,
            };
            Ok(told.zip(user).map(|(told, user)| (told, user, webhook)))
        })
        .await?;
    let Some((told, user, webhook)) = found else { return finish(means, &delivery).await };
    match webhook {
        Some(webhook) if webhook.disabled_at.is_none() => to_webhook(notices, &delivery, &told, &webhook).await,
        Some(_) => finish(means, &delivery).await,
        None => by_mail(means, &delivery, &told, user).await,
    }
}

async fn finish(means: &Means, delivery: &Delivery) -> Result<(), DbError> {
    let id = delivery.id.clone();
    means.db.write(move |conn| deliveries::finish(conn, &id)).await
}

async fn by_mail(means: &Means, delivery: &Delivery, told: &Notification, user: users::User) -> Result<(), DbError> {
    let mail = Mail { to: user.email, subject: subject(&told.title), text: text(told) };
    match means.mailer.send(mail).await {
        Err(MailError::Full) => {
            let (id, attempts, at) = (delivery.id.clone(), delivery.attempts + 1, Timestamp::now().after(LOOK));
            means.db.write(move |conn| deliveries::postpone(conn, &id, attempts, at)).await
        }
        // From here on it is the mailer's to try again.
        Ok(()) | Err(MailError::Off) => finish(means, delivery).await,
        Err(error @ (MailError::Address(_) | MailError::Unusable(_))) => {
            log::warn!("a notice could not be sent by mail: {error}");
            finish(means, delivery).await
        }
    }
}

/// One line, not too long.
fn subject(title: &str) -> String {
    title.chars().map(|c| if c.is_control() { ' ' } else { c }).take(150).collect()
}

fn text(told: &Notification) -> String {
    format!(
        "{}.\n\nAt {}, from Berth. Which notices come by mail is yours to say in the notification settings.\n",
        told.title, told.at
    )
}

async fn to_webhook(
    notices: &Notices,
    delivery: &Delivery,
    told: &Notification,
    webhook: &Webhook,
) -> Result<(), DbError> {
    let means = &notices.means;
    let message = (&*told.id.to_string(), webhook::body(told));
    let outcome = webhook::post(&means.fetcher, &means.vault, webhook, message, Timestamp::now()).await;
    let arrived = outcome.is_ok();
    let is_gone = matches!(outcome, Err(webhook::PostError::Status(410)));
    let status = outcome.map_or_else(|error| error.to_string(), |status| format!("answered {status}"));
    let failing_since = settle(means, delivery, webhook.id, status.clone(), arrived).await?;
    let patience = i64::try_from(means.config.webhook_patience.as_millis()).unwrap_or(i64::MAX);
    let now = Timestamp::now();
    // Gone is what a receiver says that wants no more (Standard Webhooks, "Deliverability and reliability").
    if is_gone || failing_since.is_some_and(|since| now.0 - since.0 >= patience) {
        disable(notices, webhook, &status, now).await?;
    }
    Ok(())
}

/// Notes the outcome of an attempt at a webhook; returns since when all of them fail.
async fn settle(
    means: &Means,
    delivery: &Delivery,
    id: WebhookId,
    status: String,
    arrived: bool,
) -> Result<Option<Timestamp>, DbError> {
    let attempts = delivery.attempts + 1;
    let again = if arrived { None } else { means.config.retries.after(attempts) };
    let delivery = delivery.id.clone();
    means
        .db
        .write(move |conn| {
            let now = Timestamp::now();
            match again {
                Some(wait) => deliveries::postpone(conn, &delivery, attempts, now.after(wait))?,
                None => deliveries::finish(conn, &delivery)?,
            }
            webhooks::attempted(conn, id, now, &status, arrived)
        })
        .await
}

async fn disable(notices: &Notices, webhook: &Webhook, status: &str, now: Timestamp) -> Result<(), DbError> {
    let id = webhook.id;
    if notices.means.db.write(move |conn| webhooks::disable(conn, id, now)).await? {
        let title = format!("The webhook at {} was disabled: nothing arrives there ({status})", webhook.origin);
        let detail = serde_json::json!({ "webhook": id, "url": webhook.origin, "last_status": status });
        let subject = format!("webhook:{id}");
        notices.tell(webhook.user_id, Notice { kind: NoticeKind::WebhookDisabled, subject, title, detail });
    }
    Ok(())
}
