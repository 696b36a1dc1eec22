//! What handlers share: handles and settings, nothing of their own.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use url::Url;

use super::{dashboard::Dashboard, sign_in::UsedStates};
use crate::{
    actors::{Paths, SupervisorHandle},
    auth::{Authenticator, oauth_clients::OAuthClients, oidc::Providers, throttle::Throttle},
    catalog::{Catalog, Installer},
    config::Config,
    db::Db,
    mail::Mailer,
    notices::Notices,
    outbound::Fetcher,
    outside::OutsideGrants,
    process::{Cgroups, Enforcement},
    routing::{RouteTable, Shares},
    telemetry::Metrics,
    vault::Vault,
};

/// Shared by all workers.
pub struct AppState {
    /// Settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Seals and opens secrets.
    pub vault: Arc<Vault>,
    /// Services.
    pub catalog: Catalog,
    /// What services need on this host.
    pub installer: Installer,
    /// The way to instances.
    pub supervisor: SupervisorHandle,
    /// Where calls find instances.
    pub routes: Arc<RouteTable>,
    /// Which instances are shared with whom.
    pub shares: Shares,
    /// The files of the dashboard.
    pub dashboard: Dashboard,
    /// Who asks.
    pub authenticator: Authenticator,
    /// The way to URLs that others name.
    pub fetcher: Fetcher,
    /// Programs that may ask for authorization.
    pub oauth_clients: OAuthClients,
    /// Grants of outside services.
    pub outside: OutsideGrants,
    /// Mail to people.
    pub mailer: Mailer,
    /// Sign-in providers.
    pub providers: Providers,
    /// Their answers that were taken.
    pub used_states: UsedStates,
    /// Tells people what concerns them.
    pub notices: Notices,
    /// Failed sign-ins.
    pub throttle: Throttle,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where instances keep their files.
    pub paths: Paths,
    /// How clients reach Berth; no trailing slash.
    pub public_url: Url,
    /// Origins and hosts that browsers may use, in lower case.
    pub allowed: super::origin::Allowed,
    /// Control groups of instances.
    pub cgroups: Arc<Cgroups>,
    /// By what limits hold on this machine.
    pub enforcement: Vec<Enforcement>,
    /// When this run began.
    pub started: Instant,
    /// Set when Berth is about to end: `/health` says so, so that a balancer looks elsewhere.
    pub draining: AtomicBool,
}
