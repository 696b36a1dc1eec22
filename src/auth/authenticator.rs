//! From a header or a cookie to a [`Principal`].
//!
//! API tokens are looked up once and then answered from memory: a call to an instance costs a hash
//! and a shared lock, no database. Whatever takes a right away (revocation, disabling, removal)
//! forgets the entry before it is answered, and ends what is under way; a lookup that began before that is
//! made again.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::{Mutex, RwLock};

use super::{
    AuthError, Principal, Reach, Via,
    endings::Endings,
    tokens::{PREFIX, TokenHash},
};
use crate::{
    db::{
        Db, DbError, logins,
        tokens::{self, Refusal},
        users::{Role, User},
    },
    domain::{
        ids::{TokenId, UserId},
        secret::Secret,
        time::Timestamp,
    },
};

/// Longest reason of a refusal that is kept, in characters.
const MAX_REASON: usize = 300;
/// Tokens that are remembered. Beyond it the whole memory is emptied: correct, only slower.
const MAX_CACHED: usize = 100_000;

/// Finds out who asks.
pub struct Authenticator {
    db: Db,
    calls_per_second: NonZeroU32,
    cache: RwLock<HashMap<TokenHash, Arc<Principal>>>,
    /// Grows with everything that takes a right away.
    epoch: AtomicU64,
    limiters: Mutex<HashMap<UserId, Arc<DefaultDirectRateLimiter>>>,
    used: Mutex<HashMap<TokenId, Timestamp>>,
    refused: Mutex<HashMap<TokenId, Refusal>>,
    endings: Endings,
    operator: RwLock<Option<(TokenHash, Arc<Principal>)>>,
}

impl Authenticator {
    /// Nothing is remembered yet. `calls_per_second` bounds each account.
    #[must_use]
    pub fn new(db: Db, calls_per_second: u32) -> Self {
        Self {
            db,
            calls_per_second: NonZeroU32::new(calls_per_second).unwrap_or(NonZeroU32::MIN),
            cache: RwLock::default(),
            epoch: AtomicU64::new(0),
            limiters: Mutex::default(),
            used: Mutex::default(),
            refused: Mutex::default(),
            endings: Endings::default(),
            operator: RwLock::default(),
        }
    }

    /// Makes `token` the control token of this run: an administrator that is nobody's account.
    pub fn set_operator(&self, token: &Secret) {
        let Ok(email) = "operator@localhost".parse() else { return };
        let user = UserId::generate();
        let principal = Principal {
            user,
            number: 0,
            email,
            role: Role::Admin,
            via: Via::Operator,
            reach: Reach::WHOLE,
            expires_at: None,
            limiter: self.limiter(user),
            ended: Arc::default(),
            noted_second: AtomicI64::new(0),
        };
        *self.operator.write() = Some((TokenHash::of(token.expose()), Arc::new(principal)));
    }

    /// The principal behind an `Authorization` header's value.
    ///
    /// # Errors
    /// When it is no bearer token of ours, or the token is unknown, expired or revoked, or its
    /// account disabled, or the database cannot be asked.
    pub async fn bearer(&self, header: &str) -> Result<Arc<Principal>, AuthError> {
        let token = bearer_token(header).ok_or(AuthError::Missing)?;
        let hash = TokenHash::of(token);
        let now = Timestamp::now();
        let cached = self.cache.read().get(&hash).cloned();
        let principal = match cached {
            Some(principal) => principal,
            None => self.look_up(hash, token).await?,
        };
        if principal.is_expired(now) {
            self.refused(&principal.via, "it has expired");
            return Err(AuthError::Expired);
        }
        self.note_use(&principal, now);
        Ok(principal)
    }

    /// The principal behind the dashboard's cookie.
    ///
    /// # Errors
    /// When the sign-in is unknown or over, or its account disabled.
    pub async fn cookie(&self, value: &str) -> Result<Arc<Principal>, AuthError> {
        let hash = TokenHash::of(value).to_hex();
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            let principal = self.look_up_login(hash.clone()).await?;
            // Something was taken back while we asked; perhaps this: then nothing would end it.
            if self.epoch.load(Ordering::Acquire) == epoch {
                return Ok(Arc::new(principal));
            }
        }
    }

    async fn look_up_login(&self, hash: String) -> Result<Principal, AuthError> {
        let (login, user) = self.db.read(move |conn| logins::by_hash(conn, &hash)).await.map_err(unknown)?;
        if login.expires_at <= Timestamp::now() {
            return Err(AuthError::Expired);
        }
        self.principal(&user, Via::Login { id: login.id }, Reach::WHOLE, Some(login.expires_at))
    }

    /// Forgets a proof that was taken back: the next request with it is looked up anew, and what is under
    /// way with it ends.
    pub fn forget_proof(&self, proof: &Via) {
        self.forget(|_, via| via == proof);
    }

    /// Forgets all proofs of an account: as [`Authenticator::forget_proof`].
    pub fn forget_user(&self, id: UserId) {
        self.forget(|user, _| user == id);
        self.limiters.lock().remove(&id);
    }

    /// Notes why the holder of a token was refused something, for its owner to see.
    pub fn refused(&self, proof: &Via, reason: &str) {
        let Via::Token { id } = proof else { return };
        let refusal = Refusal { at: Timestamp::now(), reason: reason.chars().take(MAX_REASON).collect() };
        self.refused.lock().insert(*id, refusal);
    }

    /// Writes when tokens were last used, and what for they were last refused. Called now and then; what
    /// is not written when Berth is killed is lost.
    ///
    /// # Errors
    /// When the database cannot be written; all of it is kept.
    pub async fn flush_last_use(&self) -> Result<(), DbError> {
        let used: Vec<(TokenId, Timestamp)> = self.used.lock().drain().collect();
        let refused: Vec<(TokenId, Refusal)> = self.refused.lock().drain().collect();
        if used.is_empty() && refused.is_empty() {
            return Ok(());
        }
        let (times, refusals) = (used.clone(), refused.clone());
        let written = self
            .db
            .write(move |conn| {
                tokens::touch_many(conn, &times)?;
                tokens::note_refusals(conn, &refusals)
            })
            .await;
        if written.is_err() {
            let mut kept = self.used.lock();
            for (id, at) in used {
                kept.entry(id).or_insert(at);
            }
            drop(kept);
            let mut kept = self.refused.lock();
            for (id, refusal) in refused {
                kept.entry(id).or_insert(refusal);
            }
        }
        written
    }

    async fn look_up(&self, hash: TokenHash, token: &str) -> Result<Arc<Principal>, AuthError> {
        if let Some((operator, principal)) = &*self.operator.read()
            && *operator == hash
        {
            return Ok(Arc::clone(principal));
        }
        if !token.starts_with(PREFIX) {
            return Err(AuthError::Unknown);
        }
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            let principal = Arc::new(self.look_up_token(hash.to_hex()).await?);
            let mut cache = self.cache.write();
            // Something was taken back while we asked; perhaps this: then nothing would end it.
            if self.epoch.load(Ordering::Acquire) != epoch {
                continue;
            }
            if cache.len() >= MAX_CACHED {
                cache.clear();
            }
            cache.insert(hash, Arc::clone(&principal));
            return Ok(principal);
        }
    }

    async fn look_up_token(&self, hex: String) -> Result<Principal, AuthError> {
        let (row, user) = self.db.read(move |conn| tokens::by_hash(conn, &hex)).await.map_err(unknown)?;
        let via = Via::Token { id: row.id };
        if row.revoked_at.is_some() {
            self.refused(&via, "it was revoked");
            return Err(AuthError::Revoked);
        }
        let instances = row.instances.map(|ids| ids.into_iter().collect());
        let reach = Reach { instances, tools: row.tools.map(Arc::new), read_only: row.read_only };
        let principal = self.principal(&user, via.clone(), reach, row.expires_at);
        if matches!(principal, Err(AuthError::Disabled)) {
            self.refused(&via, "its account is disabled");
        }
        principal
    }

    fn principal(
        &self,
        user: &User,
        via: Via,
        reach: Reach,
        expires_at: Option<Timestamp>,
    ) -> Result<Principal, AuthError> {
        if user.disabled_at.is_some() {
            return Err(AuthError::Disabled);
        }
        Ok(Principal {
            user: user.id,
            number: user.number,
            email: user.email.clone(),
            role: user.role,
            ended: self.endings.of(user.id, &via),
            via,
            reach,
            expires_at,
            limiter: self.limiter(user.id),
            noted_second: AtomicI64::new(0),
        })
    }

    fn limiter(&self, user: UserId) -> Arc<DefaultDirectRateLimiter> {
        let mut limiters = self.limiters.lock();
        let fresh = || Arc::new(RateLimiter::direct(Quota::per_second(self.calls_per_second)));
        Arc::clone(limiters.entry(user).or_insert_with(fresh))
    }

    fn forget(&self, fits: impl Fn(UserId, &Via) -> bool) {
        let mut cache = self.cache.write();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        cache.retain(|_, principal| !fits(principal.user, &principal.via));
        drop(cache);
        self.endings.fire(fits);
    }

    /// To the second is enough, and saves a lock on most calls.
    fn note_use(&self, principal: &Principal, now: Timestamp) {
        let Via::Token { id } = &principal.via else { return };
        let second = now.0 / 1000;
        if principal.noted_second.swap(second, Ordering::Relaxed) != second {
            self.used.lock().insert(*id, now);
        }
    }
}

/// The token of a `Bearer` header (RFC 6750 section 2.1; the scheme's name has no case).
fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn unknown(error: DbError) -> AuthError {
    match error {
        DbError::NotFound => AuthError::Unknown,
        other => AuthError::Database(other),
    }
}

#[cfg(test)]
mod tests {
    use super::bearer_token;

    #[test]
    fn reads_bearer_headers() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("", None),
        ];
        for (header, token) in cases {
            assert_eq!(bearer_token(header), token, "{header}");
        }
    }
}
