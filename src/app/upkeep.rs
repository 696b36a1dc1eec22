//! What has to be done now and then while Berth serves.

use std::time::Duration;

use actix_web::web::Data;

use crate::{
    db::{logins, shares, usage_hours},
    domain::time::Timestamp,
    web::state::AppState,
};

/// How long hours of usage are kept: 90 days.
const KEEP_USAGE_MS: i64 = 90 * 86_400_000;

/// Does it for ever: every 10 s what the authenticator has noted is written down, every hour what is too old
/// is removed.
pub(super) async fn upkeep(state: Data<AppState>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    let mut count = 0_u64;
    loop {
        ticks.tick().await;
        if let Err(error) = state.authenticator.flush_last_use().await {
            log::warn!("times of last use are kept for later: {error}");
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
}
