//! Noting what somebody is told, once, with a delivery for each way that they want.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, mpsc};

use super::{Notices, Signal};
use crate::{
    db::{
        Connection, OptionalExtension, QueryResult,
        deliveries::{self, Delivery},
        notifications::{self, Notification},
        users, webhooks,
    },
    domain::{ids::UserId, notice::Notice, time::Timestamp},
};

/// Deliveries that may wait on one way. Beyond it what is new is told in the app alone.
const MAX_ON_WAY: u32 = 200;
/// How often the database is tried.
const ATTEMPTS: u32 = 5;

pub(super) async fn run(notices: Notices, mut waiting: mpsc::Receiver<(UserId, Notice)>, due: Arc<Notify>) {
    while let Some((user, notice)) = waiting.recv().await {
        let Some((told, is_listed)) = note(&notices, user, &notice).await else { continue };
        due.notify_one();
        if is_listed {
            // Nobody may be listening.
            let _ = notices.streams.send(Signal::Told(Arc::new(told)));
        }
    }
}

/// `None` when there was nothing to tell, or it could not be noted.
async fn note(notices: &Notices, user: UserId, notice: &Notice) -> Option<(Notification, bool)> {
    let mut pause = Duration::from_millis(200);
    for _ in 0..ATTEMPTS {
        let notice = notice.clone();
        match notices.means.db.write(move |conn| store(conn, user, &notice, Timestamp::now())).await {
            Ok(told) => return told,
            Err(error) => log::warn!("a notice could not be noted: {error}"),
        }
        tokio::time::sleep(pause).await;
        pause *= 4;
    }
    log::error!("a notice is lost: {} for {user}", notice.kind);
    None
}

fn store(
    conn: &mut Connection,
    user: UserId,
    notice: &Notice,
    now: Timestamp,
) -> QueryResult<Option<(Notification, bool)>> {
    let is_there = users::by_id(conn, user).optional()?.is_some_and(|user| user.disabled_at.is_none());
    let window = i64::try_from(notice.kind.window().as_millis()).unwrap_or(i64::MAX);
    if !is_there || notifications::was_told(conn, user, notice, Timestamp(now.0 - window))? {
        return Ok(None);
    }
    let wanted = notifications::channels(conn, user, notice.kind)?;
    let told = notifications::insert(conn, user, now, notice, wanted.app)?;
    if wanted.mail {
        deliveries::enqueue(conn, &Delivery::new(told.id, user, None, now), MAX_ON_WAY)?;
    }
    if wanted.webhook {
        for webhook in webhooks::list_for_user(conn, user)?.iter().filter(|webhook| webhook.disabled_at.is_none()) {
            deliveries::enqueue(conn, &Delivery::new(told.id, user, Some(webhook.id), now), MAX_ON_WAY)?;
        }
    }
    Ok(Some((told, wanted.app)))
}
