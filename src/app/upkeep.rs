//! What has to be done now and then while Berth serves.

use std::time::Duration;

use actix_web::web::Data;

use crate::{
    db::{
        audit, creations, credentials, links, logins, notifications, oauth_clients, oauth_devices, oauth_grants,
        shares, usage_days, usage_hours,
    },
    domain::{metering::Day, time::Timestamp},
    web::{api::removal, state::AppState},
};

/// How long hours of usage are kept: 90 days.
const KEEP_USAGE_MS: i64 = 90 * DAY_MS;
/// How long notifications are kept: 90 days.
const KEEP_NOTIFICATIONS_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// How long devices are kept after their codes have expired: an hour.
const KEEP_DEVICES_MS: i64 = 3_600_000;
/// How long days of usage are kept: more than a year, to bill by.
const KEEP_USAGE_DAYS: i64 = 400;

/// Does it for ever: every 10 s what the authenticator has noted is written down, every minute removed accounts
/// are erased whose time is over and people told what is near, every hour what is too old is removed.
pub(super) async fn upkeep(state: Data<AppState>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    let mut count = 0_u64;
    loop {
        ticks.tick().await;
        if let Err(error) = state.authenticator.flush_last_use().await {
            log::warn!("times of last use are kept for later: {error}");
        }
        if let Err(error) = state.authenticator.ledger().flush(&state.db, Timestamp::now()).await {
            log::warn!("what was called is kept for later: {error}");
        }
        // Each minute, and at the start.
        if count.is_multiple_of(6) {
            each_minute(&state).await;
        }
        if count.is_multiple_of(360) {
            purge(&state).await;
        }
        count += 1;
    }
}

/// Removes what is kept for a time only.
async fn purge(state: &AppState) {
    let purged = state.db.write(|conn| logins::purge_expired(conn, Timestamp::now())).await;
    if let Err(error) = purged {
        log::warn!("expired sign-ins could not be removed: {error}");
    }
    // Links that are over are kept for an hour, so that two clocks need not agree.
    let purged = state.db.write(|conn| links::purge_expired(conn, Timestamp(Timestamp::now().0 - 3_600_000))).await;
    if let Err(error) = purged {
        log::warn!("old sign-in links could not be removed: {error}");
    }
    let now = Timestamp::now();
    state.shares.purge(now);
    if let Err(error) = state.db.write(move |conn| shares::purge(conn, now)).await {
        log::warn!("shares that are over could not be removed: {error}");
    }
    let oldest = Timestamp(Timestamp::now().0 - KEEP_USAGE_MS);
    let purged = state.db.write(move |conn| usage_hours::purge_before(conn, oldest)).await;
    if let Err(error) = purged {
        log::warn!("old hours of usage could not be removed: {error}");
    }
    let purged = state.db.write(|conn| creations::purge(conn, Timestamp::now())).await;
    if let Err(error) = purged {
        log::warn!("creations that count no more could not be removed: {error}");
    }
    let oldest = Day(Day::of(Timestamp::now()).0 - KEEP_USAGE_DAYS);
    let purged = state.db.write(move |conn| usage_days::purge_before(conn, oldest)).await;
    if let Err(error) = purged {
        log::warn!("old days of usage could not be removed: {error}");
    }
    let purged = state.db.write(|conn| oauth_grants::purge_expired(conn, Timestamp::now())).await;
    if let Err(error) = purged {
        log::warn!("what OAuth clients had until now could not be removed: {error}");
    }
    let purged = state.db.write(|conn| {
        oauth_clients::purge_assertions(conn, Timestamp::now())?;
        // Those that have just expired may still ask, and are told.
        oauth_devices::purge_expired(conn, Timestamp(Timestamp::now().0 - KEEP_DEVICES_MS))
    });
    if let Err(error) = purged.await {
        log::warn!("devices that have expired could not be removed: {error}");
    }
    let now = Timestamp::now();
    let oldest = Timestamp(now.0 - KEEP_NOTIFICATIONS_MS);
    let purged = state.db.write(move |conn| notifications::purge_before(conn, oldest)).await;
    if let Err(error) = purged {
        log::warn!("old notifications could not be removed: {error}");
    }
    if let Err(error) = state.notices.tell_of_age(now).await {
        log::warn!("who has old credentials is told later: {error}");
    }
    purge_audit(state, now).await;
}

async fn each_minute(state: &AppState) {
    let now = Timestamp::now();
    if let Err(error) = removal::erase_due(state, now).await {
        log::warn!("removed accounts are erased later: {error}");
    }
    purge_secrets(state, now).await;
    if let Err(error) = state.notices.tell_of_expiry(now).await {
        log::warn!("who has instances that expire is told later: {error}");
    }
}

/// Forgets values of credentials that were kept in case the new ones are no good, and has them leave the database's
/// files.
async fn purge_secrets(state: &AppState, now: Timestamp) {
    let purged = match state.db.write(move |conn| credentials::purge_previous(conn, now)).await {
        Ok(0) => return,
        Ok(_) => state.db.scrub().await,
        Err(error) => Err(error),
    };
    if let Err(error) = purged {
        log::warn!("values of credentials whose grace period is over are forgotten later: {error}");
    }
}

/// Removes old entries of the audit log, in parts; once a day is enough, so as not to fill it with entries about that.
async fn purge_audit(state: &AppState, now: Timestamp) {
    let Some(keep) = state.config.auth.audit_keep else { return };
    let before = Timestamp(now.0 - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    let overdue = Timestamp(before.0.saturating_sub(DAY_MS));
    loop {
        let removed = state.db.write(move |conn| {
            let is_due = audit::oldest(conn)?.is_some_and(|oldest| oldest < overdue);
            if is_due { audit::purge(conn, before, now) } else { Ok(0) }
        });
        match removed.await {
            Ok(0) => return,
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => return log::warn!("old entries of the audit log could not be removed: {error}"),
        }
    }
}
