//! Refreshes access tokens before they run out: by itself those that instances use, the others when somebody needs
//! them.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use oauth2::RefreshToken;
use uuid::Uuid;

use super::{
    OutsideGrants, Turn,
    consent::{Tokens, standing},
    exchange::{GrantError, judge},
    refresh_owner,
};
use crate::{
    db::{
        DbError, OptionalExtension,
        credentials::{self, Credential, NewSecret},
        outside_grants::{self, OutsideGrant, Standing},
    },
    domain::{
        ids::{CredentialId, InstanceId},
        instance::credential_owner,
        time::Timestamp,
    },
    outbound::asking,
};

/// Refreshes at a time: one service that does not answer holds up few others.
const AT_A_TIME: usize = 32;
/// How long a lease holds: longer than the longest request (10 s) and the writing after it.
const LEASE: Duration = Duration::from_secs(60);
/// How long somebody waits for another's refresh.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest that nobody looks at the database.
const LOOK: Duration = Duration::from_secs(30);
/// The first and the longest pause after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// How often the database is tried with a token that nothing else remembers.
const ATTEMPTS: u32 = 6;

impl OutsideGrants {
    /// Refreshes what is due, for ever.
    pub async fn keep(self) {
        loop {
            let pause = self.round().await.unwrap_or_else(|error| {
                log::warn!("tokens of outside services are refreshed later: {error}");
                LOOK
            });
            // Whichever is first.
            let _ = tokio::time::timeout(pause, self.0.woken.notified()).await;
        }
    }

    /// Refreshes what is due now; until when nothing is.
    async fn round(&self) -> Result<Duration, DbError> {
        let upcoming = self.0.db.read(outside_grants::upcoming).await?;
        let now = Timestamp::now();
        let is_due = |&&(_, at): &&(CredentialId, Timestamp)| at <= now;
        let due: Vec<CredentialId> = upcoming.iter().filter(is_due).map(|(id, _)| *id).collect();
        if due.is_empty() {
            let until = upcoming.first().map_or(LOOK, |(_, at)| until(*at, now));
            return Ok(until.clamp(Duration::from_millis(100), LOOK));
        }
        // What came of each is in the database, the log and the news.
        stream::iter(due).for_each_concurrent(AT_A_TIME, |id| async move { drop(self.refresh(id, None).await) }).await;
        Ok(Duration::from_millis(100))
    }

    /// Makes sure that a credential's value is good for who is about to use it; at once where it is no grant's.
    ///
    /// # Errors
    /// When the access token has run out and there is no other.
    pub async fn fresh(&self, id: CredentialId, asked_by: Option<InstanceId>) -> Result<(), GrantError> {
        let Some(grant) = self.0.db.read(move |conn| outside_grants::of_credential(conn, id).optional()).await? else {
            return Ok(());
        };
        if asked_by.is_some() {
            // It may be the first instance that uses it.
            self.wake();
        }
        let now = Timestamp::now();
        let is_over = grant.expires_at.is_some_and(|end| end <= now);
        let refreshed = match grant.standing {
            Standing::Kept { refresh_at, .. } if is_over || refresh_at <= now => self.refresh(id, asked_by).await,
            Standing::Kept { .. } => Ok(()),
            Standing::Unkept => Err(GrantError::Lapsed("its access has run out; connect the account again".to_owned())),
            Standing::Lapsed { why, .. } => Err(GrantError::Lapsed(format!("connect the account again: {why}"))),
        };
        if is_over { refreshed } else { Ok(()) }
    }

    /// Refreshes now, or waits for whoever does. A refresh that has begun ends, also when nobody waits any more: some
    /// services take a refresh token once.
    async fn refresh(&self, id: CredentialId, asked_by: Option<InstanceId>) -> Result<(), GrantError> {
        let this = self.clone();
        let done = tokio::spawn(async move { this.refresh_alone(id, asked_by).await }).await;
        done.unwrap_or_else(|error| Err(GrantError::Unavailable(error.to_string())))
    }

    async fn refresh_alone(&self, id: CredentialId, asked_by: Option<InstanceId>) -> Result<(), GrantError> {
        let holder = Uuid::new_v4().to_string();
        let Some((row, grant)) = self.lease(id, &holder).await? else { return Ok(()) };
        let outcome = self.ask(&row, &grant).await;
        let now = Timestamp::now();
        let (settled, secret, turn) = match &outcome {
            Ok(tokens) => {
                let (settled, secret) = self.renewed(&row, grant, tokens, now)?;
                (settled, Some(secret), Some(Turn::Renewed { asked_by }))
            }
            Err(GrantError::Lapsed(why)) => {
                let standing = Standing::Lapsed { at: now, why: why.clone() };
                (OutsideGrant { standing, ..grant }, None, Some(Turn::Lapsed(why.clone())))
            }
            Err(error) => {
                let overdue = grant.expires_at.is_some_and(|end| end <= now);
                (later(grant, now), None, overdue.then(|| Turn::Overdue(error.to_string())))
            }
        };
        if let Err(error) = &outcome {
            log::warn!("the token of {} for credential {id} was not refreshed: {error}", row.service);
        }
        self.settle(&holder, settled, secret).await?;
        if let Some(turn) = turn {
            self.tell(id, turn);
        }
        outcome.map(drop)
    }

    /// Takes the lease; `None` when somebody else has refreshed it meanwhile, or it is gone.
    async fn lease(&self, id: CredentialId, holder: &str) -> Result<Option<(Credential, OutsideGrant)>, GrantError> {
        let begun = tokio::time::Instant::now();
        loop {
            let (holder, now) = (holder.to_owned(), Timestamp::now());
            let taken = self.0.db.write(move |conn| {
                let Some(grant) = outside_grants::of_credential(conn, id).optional()? else { return Ok(Look::Done) };
                if !is_due(&grant, now) {
                    return Ok(Look::Done);
                }
                if !outside_grants::lease(conn, id, &holder, now, now.after(LEASE))? {
                    return Ok(Look::Busy);
                }
                Ok(Look::Ours(Box::new((credentials::by_id(conn, id)?, grant))))
            });
            match taken.await? {
                Look::Done => return Ok(None),
                Look::Ours(both) => return Ok(Some(*both)),
                Look::Busy if begun.elapsed() > PATIENCE => {
                    return Err(GrantError::Unavailable("it is being refreshed, and that takes too long".to_owned()));
                }
                Look::Busy => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn ask(&self, row: &Credential, grant: &OutsideGrant) -> Result<Tokens, GrantError> {
        let registered = self.registered(&row.service).await?;
        if registered.endpoints.token.as_str() != grant.token_url {
            return Err(GrantError::Moved(row.service.clone(), "connect the account again"));
        }
        let sealed = grant.sealed_refresh.as_deref().unwrap_or_default();
        let token = self.0.vault.open_sealed(&refresh_owner(row.id), sealed)?;
        let token = RefreshToken::new(token.expose().to_owned());
        let client = registered.client();
        let answer = client.exchange_refresh_token(&token).request_async(&asking(&self.0.fetcher)).await;
        judge(answer, Timestamp::now())
    }

    /// What to write down of new tokens.
    fn renewed(
        &self,
        row: &Credential,
        grant: OutsideGrant,
        tokens: &Tokens,
        now: Timestamp,
    ) -> Result<(OutsideGrant, NewSecret), GrantError> {
        let vault = &self.0.vault;
        let sealed_refresh = match &tokens.refresh {
            Some(token) => Some(vault.seal(&refresh_owner(row.id), token)?),
            None => grant.sealed_refresh,
        };
        let secret = NewSecret {
            sealed: vault.seal(&credential_owner(row.user_id, row.id), &tokens.access)?,
            key_id: vault.key_id().to_owned(),
            hint: tokens.access.hint(),
            at: now,
            previous_until: None,
            last_test: row.last_test.clone(),
        };
        let standing = standing(true, tokens.expires_at, now);
        let scope = tokens.scope.clone().unwrap_or(grant.scope);
        let expires_at = tokens.expires_at;
        Ok((OutsideGrant { sealed_refresh, scope, expires_at, standing, ..grant }, secret))
    }

    /// Writes down what came of a refresh, unless the lease was lost: then somebody else has.
    async fn settle(&self, holder: &str, grant: OutsideGrant, secret: Option<NewSecret>) -> Result<(), GrantError> {
        let mut pause = Duration::from_millis(100);
        for attempt in 1.. {
            let (holder, grant, secret) = (holder.to_owned(), grant.clone(), secret.clone());
            let written = self.0.db.write(move |conn| {
                let ours = outside_grants::settle(conn, &holder, &grant)?;
                if let Some(secret) = secret.filter(|_| ours) {
                    credentials::rotate(conn, grant.credential, &secret)?;
                }
                Ok(())
            });
            match written.await {
                Err(error) if attempt == ATTEMPTS => return Err(error.into()),
                Err(error) => log::warn!("a refreshed token is not written down yet: {error}"),
                Ok(()) => break,
            }
            tokio::time::sleep(pause).await;
            pause *= 3;
        }
        Ok(())
    }
}

/// What there is to a lease.
enum Look {
    /// It is ours.
    Ours(Box<(Credential, OutsideGrant)>),
    /// Another has it.
    Busy,
    /// Nothing is to be done.
    Done,
}

/// Whether the access token is to be replaced now.
fn is_due(grant: &OutsideGrant, now: Timestamp) -> bool {
    let is_over = grant.expires_at.is_some_and(|end| end <= now);
    matches!(grant.standing, Standing::Kept { refresh_at, .. } if is_over || refresh_at <= now)
}

/// The grant with its next attempt after a failure.
fn later(grant: OutsideGrant, now: Timestamp) -> OutsideGrant {
    let Standing::Kept { failures, .. } = grant.standing else { return grant };
    let (first, most) = BACKOFF;
    let pause = first.saturating_mul(1 << failures.min(10)).min(most);
    let standing = Standing::Kept { refresh_at: now.after(pause), failures: failures.saturating_add(1) };
    OutsideGrant { standing, ..grant }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or_default())
}
