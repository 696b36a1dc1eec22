//! From a header or a cookie to a [`Principal`].
//!
//! API tokens are looked up once and then answered from memory: a call to an instance costs a hash
//! and a shared lock, no database. Whatever takes a right away (revocation, disabling, removal)
//! forgets the entry before it is answered; a lookup that began before that is not remembered.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use super::{
    AuthError, Principal, Reach, Via,
    limits::{self, Account, Ledger},
    tokens::{PREFIX, TokenHash},
};
use crate::{
    db::{
        Db, DbError, grants, logins, tokens,
        users::{Role, User},
    },
    domain::{
        ids::{TokenId, UserId},
        quota::{Entitlement, Quota},
        secret::Secret,
        time::Timestamp,
    },
};

/// Tokens that are remembered. Beyond it the whole memory is emptied: correct, only slower.
const MAX_CACHED: usize = 100_000;

/// Finds out who asks.
pub struct Authenticator {
    db: Db,
    /// What the installation gives everybody.
    installation: Quota,
    ledger: Arc<Ledger>,
    cache: RwLock<HashMap<TokenHash, Arc<Principal>>>,
    /// Grows with everything that takes a right away.
    epoch: AtomicU64,
    accounts: Mutex<HashMap<UserId, Arc<Account>>>,
    used: Mutex<HashMap<TokenId, Timestamp>>,
    operator: RwLock<Option<(TokenHash, Arc<Principal>)>>,
}

impl Authenticator {
    /// Nothing is remembered yet. Everybody may use what `installation` says, unless they were given
    /// something else.
    #[must_use]
    pub fn new(db: Db, installation: Quota, ledger: Arc<Ledger>) -> Self {
        Self {
            db,
            installation,
            ledger,
            cache: RwLock::default(),
            epoch: AtomicU64::new(0),
            accounts: Mutex::default(),
            used: Mutex::default(),
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
            account: Account::new(user, Entitlement::unlimited(), &self.ledger),
            token_rate: None,
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
        let (login, user) = self.db.read(move |conn| logins::by_hash(conn, &hash)).await.map_err(unknown)?;
        if login.expires_at <= Timestamp::now() {
            return Err(AuthError::Expired);
        }
        let via = Via::Login { id: login.id };
        self.principal(&user, via, Reach::WHOLE, Some(login.expires_at)).await.map(Arc::new)
    }

    /// Forgets a token: the next request with it is looked up anew.
    pub fn forget_token(&self, id: TokenId) {
        self.forget(|principal| matches!(&principal.via, Via::Token { id: cached } if *cached == id));
    }

    /// Forgets all tokens of an account, and what it may use: the next request finds out anew.
    pub fn forget_user(&self, id: UserId) {
        self.forget(|principal| principal.user == id);
        self.accounts.lock().remove(&id);
    }

    /// Forgets all tokens, and what everybody may use.
    pub fn forget_everybody(&self) {
        self.forget(|_| true);
        self.accounts.lock().clear();
    }

    /// What was called.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What an account may use, and what keeps it to that.
    ///
    /// # Errors
    /// When there is no such account, or the database cannot be asked.
    pub async fn account(&self, user: UserId) -> Result<Arc<Account>, DbError> {
        if let Some(account) = self.accounts.lock().get(&user) {
            return Ok(Arc::clone(account));
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        let grants = self.db.read(move |conn| grants::of_user(conn, user)).await?;
        let account = Account::new(user, grants.entitlement(self.installation), &self.ledger);
        let mut accounts = self.accounts.lock();
        // Something was taken away while we asked: use this once, remember nothing.
        if self.epoch.load(Ordering::Acquire) != epoch {
            return Ok(account);
        }
        if accounts.len() >= MAX_CACHED {
            accounts.clear();
        }
        // Two requests at once share the limiters of the first.
        Ok(Arc::clone(accounts.entry(user).or_insert(account)))
    }

    /// Writes when tokens were last used. Called now and then; what is not written when Berth is
    /// killed is lost.
    ///
    /// # Errors
    /// When the database cannot be written; the times are kept.
    pub async fn flush_last_use(&self) -> Result<(), DbError> {
        let used: Vec<(TokenId, Timestamp)> = self.used.lock().drain().collect();
        if used.is_empty() {
            return Ok(());
        }
        let batch = used.clone();
        let written = self.db.write(move |conn| tokens::touch_many(conn, &batch)).await;
        if written.is_err() {
            let mut kept = self.used.lock();
            for (id, at) in used {
                kept.entry(id).or_insert(at);
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
        let epoch = self.epoch.load(Ordering::Acquire);
        let hex = hash.to_hex();
        let (row, user) = self.db.read(move |conn| tokens::by_hash(conn, &hex)).await.map_err(unknown)?;
        if row.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        let instances = row.instances.map(|ids| ids.into_iter().collect());
        let reach = Reach { instances, ..Reach::WHOLE };
        let principal = self.principal(&user, Via::Token { id: row.id }, reach, row.expires_at).await?;
        let principal = Arc::new(principal);
        let mut cache = self.cache.write();
        // Something was revoked while we asked: answer this once, remember nothing.
        if self.epoch.load(Ordering::Acquire) == epoch {
            if cache.len() >= MAX_CACHED {
                cache.clear();
            }
            cache.insert(hash, Arc::clone(&principal));
        }
        Ok(principal)
    }

    async fn principal(
        &self,
        user: &User,
        via: Via,
        reach: Reach,
        expires_at: Option<Timestamp>,
    ) -> Result<Principal, AuthError> {
        if user.disabled_at.is_some() {
            return Err(AuthError::Disabled);
        }
        let account = self.account(user.id).await.map_err(unknown)?;
        let token_rate = match via {
            Via::Token { .. } | Via::Grant { .. } => limits::of_token(&account),
            Via::Login { .. } | Via::Operator => None,
        };
        Ok(Principal {
            user: user.id,
            number: user.number,
            email: user.email.clone(),
            role: user.role,
            via,
            reach,
            expires_at,
            account,
            token_rate,
            noted_second: AtomicI64::new(0),
        })
    }

    fn forget(&self, matches: impl Fn(&Principal) -> bool) {
        let mut cache = self.cache.write();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        cache.retain(|_, principal| !matches(principal));
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
