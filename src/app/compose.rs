//! The composition: every part is made once, here, and given to those that need it.
//!
//! No instance is brought back here and no request is taken: when that happens is the start's to say.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use actix_web::web::Data;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::{Semaphore, mpsc::UnboundedReceiver};
use url::Url;

use super::stores::{Stores, load_catalog};
use crate::{
    actors::{Eras, Guarded, Paths, Places, Pools, PortRegistry, Recorder, Runtime, SupervisorHandle, identity_of},
    auth::{Authenticator, limits::Ledger, oauth_clients::OAuthClients, oidc::Providers, throttle::Throttle},
    catalog::{Catalog, Installer},
    config::Config,
    db::{Db, shares as stored_shares, usage_days},
    domain::{
        metering::Day,
        time::Timestamp,
        walls::{State, WallReport},
    },
    mail::Mailer,
    mcp::http::dial_outside_by,
    notices::{Means, Notices},
    outbound::{Fetcher, Guard},
    outside::{News, OutsideGrants},
    process::{
        self, Cgroups, Enforcement, Launcher, ProcessLauncher,
        cgroup::Allow,
        walls::{Policy, probe_this_host},
    },
    routing::{RouteTable, Shares},
    telemetry::Metrics,
    web::{api::shares::in_memory, dashboard::Dashboard, origin::Allowed, sign_in::UsedStates, state::AppState},
};

/// Threads for instances' actors: few, never one each.
const ARBITERS: usize = 2;

/// Makes what requests are answered with, and starts the supervisor.
pub(super) fn compose(
    config: Config,
    stores: Stores,
    bound: SocketAddr,
) -> Result<(Data<AppState>, UnboundedReceiver<News>)> {
    // Under v2 this process moves: before it has children.
    let cgroups = Arc::new(take_cgroups(&config, &stores.host));
    let catalog = catalog(&config, &stores.db)?;
    let walls = try_walls(&config)?;
    let enforcement = probe_limits(&cgroups);
    let guard = Arc::new(Guard::new(config.runtime.private_targets.clone()));
    let fetcher = Fetcher::new(Arc::clone(&guard), &further_authorities(&config)?);
    dial_outside_by(Arc::new(Guarded(Arc::clone(&guard))));
    let launcher = launcher(&config, &walls, guard)?.with_cgroups(Arc::clone(&cgroups));
    let (recorder, happenings) = Recorder::start(stores.db.clone());
    let (outside, news) =
        OutsideGrants::new(stores.db.clone(), Arc::clone(&stores.vault), catalog.clone(), fetcher.clone());
    let means = (Arc::new(launcher) as Arc<dyn Launcher>, cgroups, recorder, outside.clone());
    let runtime = Arc::new(runtime(&config, stores, catalog, means));
    let public_url = public_url(&config, bound)?;
    let mailer = Mailer::start(&config.mail)?;
    let means = Means {
        db: runtime.db.clone(),
        vault: Arc::clone(&runtime.vault),
        fetcher: fetcher.clone(),
        mailer: mailer.clone(),
        config: config.notices.clone(),
    };
    let notices = Notices::start(means, happenings);
    let allowed = Allowed::new(&public_url, bound, &config.server.allowed_origins, config.server.public_url.is_some());
    let ledger = ledger(&runtime.db)?;
    let state = Data::new(AppState {
        supervisor: SupervisorHandle::start(Arc::clone(&runtime), ARBITERS),
        shares: shares(&runtime.db)?,
        authenticator: Authenticator::new(runtime.db.clone(), config.auth.quota(), ledger),
        oauth_clients: OAuthClients::new(runtime.db.clone(), fetcher.clone(), &config.clients),
        providers: Providers::new(&config.oidc, &fetcher),
        used_states: UsedStates::default(),
        dashboard: Dashboard::default(),
        fetcher,
        mailer,
        notices,
        throttle: Throttle::new(config.auth.login_attempts),
        started: Instant::now(),
        draining: AtomicBool::new(false),
        config,
        db: runtime.db.clone(),
        vault: Arc::clone(&runtime.vault),
        catalog: runtime.catalog.clone(),
        installer: runtime.installer.clone(),
        routes: Arc::clone(&runtime.routes),
        metrics: Arc::clone(&runtime.metrics),
        paths: runtime.paths.clone(),
        public_url,
        allowed,
        cgroups: Arc::clone(&runtime.cgroups),
        enforcement,
        outside,
    });
    Ok((state, news))
}

/// What was called today goes on from where the last run stopped.
fn ledger(db: &Db) -> Result<Arc<Ledger>> {
    let today = Day::of(Timestamp::now());
    let ledger = Ledger::default();
    ledger.restore(today, db.read_blocking(|conn| usage_days::calls_on(conn, today))?);
    Ok(Arc::new(ledger))
}

fn take_cgroups(config: &Config, host: &str) -> Cgroups {
    Cgroups::take(host, if config.runtime.cgroups { Allow::All } else { Allow::Nothing })
}

/// What instances need.
fn runtime(
    config: &Config,
    stores: Stores,
    catalog: Catalog,
    (launcher, cgroups, recorder, outside): (Arc<dyn Launcher>, Arc<Cgroups>, Recorder, OutsideGrants),
) -> Runtime {
    let Stores { db, vault, host } = stores;
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Runtime {
        vault,
        outside,
        catalog,
        installer: Installer::new(config.storage.data_dir.join("cache")),
        launcher,
        cgroups,
        routes: Arc::new(RouteTable::default()),
        ports: PortRegistry::new(config.runtime.ports),
        shared_ports: PortRegistry::new(config.runtime.shared_ports),
        pools: Pools::new(config.runtime.wake_timeout),
        places: Arc::new(Places::default()),
        quota: config.auth.quota(),
        recorder,
        config: config.runtime.clone(),
        paths: Paths::new(config.storage.data_dir.clone()),
        host,
        metrics: Arc::new(Metrics::default()),
        eras: Eras::new(db.clone()),
        starting: Arc::new(Semaphore::new(cores.saturating_mul(4))),
        db,
    }
}

/// The catalog; what is left out of it is logged.
fn catalog(config: &Config, db: &Db) -> Result<Catalog> {
    let (catalog, problems) = load_catalog(config, db)?;
    for problem in problems {
        log::error!("a service is left out: {problem}");
    }
    Ok(catalog)
}

/// Which instances are shared with whom.
fn shares(db: &Db) -> Result<Shares> {
    let all =
        db.read_blocking(|conn| stored_shares::list_all(conn, Timestamp::now())).context("shares cannot be read")?;
    Ok(Shares::new(all.into_iter().map(in_memory)))
}

/// Says by what limits hold here.
fn probe_limits(cgroups: &Cgroups) -> Vec<Enforcement> {
    let enforcement = process::probe(cgroups);
    for line in &enforcement {
        log::info!("{}: {}, {}", line.what, line.how.as_str(), line.detail);
    }
    enforcement
}

/// How clients reach Berth: what the operator says, else the address.
fn public_url(config: &Config, bound: SocketAddr) -> Result<Url> {
    match &config.server.public_url {
        Some(url) => Ok(url.clone()),
        None => Url::parse(&format!("http://{bound}")).context("the address makes no URL"),
    }
}

/// Builds each wall once, around a process that is thrown away, and says which cannot stand here.
fn try_walls(config: &Config) -> Result<Arc<[WallReport]>> {
    let identity = identity_of(config.runtime.uids, 0).map_err(anyhow::Error::msg)?;
    let walls = probe_this_host(identity);
    for wall in walls.iter().filter(|wall| wall.state == State::Missing) {
        log::warn!("the wall {} cannot be built here: {}", wall.name, wall.detail);
    }
    Ok(walls.into())
}

/// The certificate authorities that the operator adds.
fn further_authorities(config: &Config) -> Result<Vec<CertificateDer<'static>>> {
    let Some(file) = &config.runtime.ca_file else { return Ok(Vec::new()) };
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found = read().with_context(|| format!("`ca_file`: {} cannot be used", file.display()))?;
    ensure!(!found.is_empty(), "`ca_file`: {} has no certificate in PEM", file.display());
    Ok(found)
}

fn launcher(config: &Config, walls: &[WallReport], guard: Arc<Guard>) -> Result<ProcessLauncher> {
    let launcher = ProcessLauncher::of_this_binary().context("the launch stage cannot be found")?;
    Ok(launcher.with_guard(guard).with_policy(Policy::new(config.runtime.allow_missing_walls.clone(), walls.to_vec())))
}
