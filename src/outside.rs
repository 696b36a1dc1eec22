//! Grants of outside services: people sign in there and let Berth act for them; Berth keeps the tokens fresh.
//!
//! `consent` is the way there and back (RFC 6749 section 4.1 with PKCE, RFC 7636), `keeper` refreshes access tokens
//! before they run out, `exchange` talks to token endpoints. A grant's access token is the value of a credential, so
//! whatever takes a credential takes a grant.
//!
//! Owner of state: the database. Who refreshes holds the grant's lease there: there is never a second one, also with
//! several Berths on one database.
//!
//! Invariants: a secret goes only to the token endpoint that it came from or was stored for, whatever the catalog says
//! now; every request goes through the guarded fetcher, which follows no redirect; each service has a redirect URI of
//! its own, so that none can pass off another's answer (RFC 9700 section 4.4.2.2); a refresh that was begun is written
//! down, whoever waited for it.

mod consent;
mod exchange;
mod keeper;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

pub use self::{
    consent::{Begun, Returned, Tokens},
    exchange::GrantError,
};
use crate::{
    catalog::Catalog,
    db::Db,
    domain::{
        ids::{CredentialId, InstanceId},
        names::ServiceName,
    },
    outbound::Fetcher,
    vault::Vault,
};

/// What the keeper has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whose value it is about.
    pub credential: CredentialId,
    /// What happened.
    pub what: Turn,
}

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The credential has another value from now on.
    Renewed {
        /// Who asked for it, and has it already.
        asked_by: Option<InstanceId>,
    },
    /// The service takes the grant no more, for this reason.
    Lapsed(String),
    /// The access token has run out, and it could not be refreshed for this reason; that is tried again.
    Overdue(String),
}

/// Keeps grants. Clones share everything.
#[derive(Clone)]
pub struct OutsideGrants(Arc<Inner>);

struct Inner {
    db: Db,
    vault: Arc<Vault>,
    catalog: Catalog,
    fetcher: Fetcher,
    news: mpsc::UnboundedSender<News>,
    /// There is something to refresh that was not there before.
    woken: Notify,
}

impl OutsideGrants {
    /// Grants of this database, and what is told of them.
    #[must_use]
    pub fn new(db: Db, vault: Arc<Vault>, catalog: Catalog, fetcher: Fetcher) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        (Self(Arc::new(Inner { db, vault, catalog, fetcher, news, woken: Notify::new() })), told)
    }

    /// Has the keeper look again when there is a new grant.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    fn tell(&self, credential: CredentialId, what: Turn) {
        // Nobody listens any more when Berth ends.
        let _ = self.0.news.send(News { credential, what });
    }
}

/// What the sealed refresh token of a credential is bound to.
#[must_use]
pub fn refresh_owner(credential: CredentialId) -> String {
    format!("outside-grant:{credential}")
}

/// What the sealed secret of a registration is bound to.
#[must_use]
pub fn client_owner(service: &ServiceName) -> String {
    format!("outside-client:{service}")
}
