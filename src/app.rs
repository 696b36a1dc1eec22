//! The composition root: what is made in which order, and how it ends.
//!
//! Start: data directory and its lock, database, vault, port, catalog, supervisor; only then are
//! instances brought back, so that a second Berth or a busy port disturbs nobody, and only after that
//! are requests taken. End: `/health` says
//! so, no new connections, calls in flight finish (10 s), processes end (grace, then kill), states are
//! written.

mod control;
mod lock;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use anyhow::{Context, Result, bail};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Semaphore,
};
use url::Url;

pub use self::control::Control;
use self::lock::DataLock;
use crate::{
    actors::{Eras, Paths, PortRegistry, Recorder, Runtime, SupervisorHandle, identity_of},
    auth::{Authenticator, throttle::Throttle},
    catalog::{Catalog, Installer},
    config::Config,
    db::{Db, logins, services, settings, usage_hours},
    domain::{
        time::Timestamp,
        walls::{State, WallReport},
    },
    mcp::http::install_crypto_provider,
    process::{
        self, Cgroups, Guard, ProcessLauncher,
        cgroup::Allow,
        reaper,
        walls::{Policy, probe_this_host},
    },
    routing::{Route, RouteTable},
    telemetry::Metrics,
    vault::Vault,
    web::{self, origin::Allowed, state::AppState},
};

/// Threads for instances' actors: few, never one each.
const ARBITERS: usize = 2;
/// How long calls in flight may take to finish at the end.
pub const DRAIN: Duration = Duration::from_secs(10);
/// How long hours of usage are kept: 90 days.
const KEEP_USAGE_MS: i64 = 90 * 86_400_000;
/// The setting by which a wrong master key is known.
pub const VAULT_CHECK: &str = "vault.check";
/// The setting that holds the data directory's own id.
pub const HOST_ID: &str = "host.id";

/// The parts that commands without a server need, too.
pub struct Stores {
    /// The database, migrated.
    pub db: Db,
    /// The vault, its key checked.
    pub vault: Arc<Vault>,
    /// This data directory's own id.
    pub host: String,
}

/// Opens the data directory's stores: makes what is missing, migrates, checks the master key.
///
/// # Errors
/// When anything cannot be opened; a wrong master key is refused before anything is written with it.
pub fn open_stores(config: &Config) -> Result<Stores> {
    let db = open_migrated_database(config)?;
    let key_file = config.storage.master_key_file();
    let stored = db.read_blocking(|conn| settings::get(conn, VAULT_CHECK))?;
    if stored.is_some() && config.storage.master_key.is_none() && !key_file.exists() {
        bail!(
            "{} is missing, but the database holds secrets sealed with it; put it back or set BERTH_MASTER_KEY",
            key_file.display()
        );
    }
    let (vault, _) =
        Vault::open(config.storage.master_key.as_ref(), &key_file).context("the master key cannot be used")?;
    let fresh = vault.check_value()?;
    let check = db.write_blocking(|conn| settings::put_if_absent(conn, VAULT_CHECK, &fresh))?;
    vault
        .verify_check(&check)
        .context("this is not the master key that the stored credentials were sealed with; nothing was changed")?;
    let id = uuid::Uuid::new_v4().simple().to_string();
    let host = db.write_blocking(|conn| settings::put_if_absent(conn, HOST_ID, &id))?;
    Ok(Stores { db, vault: Arc::new(vault), host })
}

/// Opens the database without migrating it.
///
/// # Errors
/// When it cannot be reached.
pub fn open_database(config: &Config) -> Result<Db> {
    Db::open(config.storage.database_url().expose()).context("the database cannot be opened")
}

/// Opens the database and brings its schema up to date, making the data directory where it is missing.
///
/// # Errors
/// When it cannot be reached or migrated.
pub fn open_migrated_database(config: &Config) -> Result<Db> {
    let db = migrated(config)?.0;
    Ok(db)
}

/// Brings the database's schema up to date; the names of what was applied.
///
/// # Errors
/// When it cannot be reached or migrated.
pub fn migrate(config: &Config) -> Result<Vec<String>> {
    migrated(config).map(|(_, applied)| applied)
}

fn migrated(config: &Config) -> Result<(Db, Vec<String>)> {
    make_private(&config.storage.data_dir)?;
    let db = open_database(config)?;
    let applied = db.migrate().context("the database could not be migrated; nothing was changed")?;
    if !applied.is_empty() {
        log::info!("database migrated: {}", applied.join(", "));
    }
    Ok((db, applied))
}

/// The catalog: bundled services and those that were added. What is wrong with one is told and
/// leaves the others alone.
///
/// # Errors
/// When the database cannot be read.
pub fn load_catalog(config: &Config, db: &Db) -> Result<(Catalog, Vec<String>)> {
    let (catalog, problems) = Catalog::load(&config.storage.services_dir, config.runtime.shared_ports);
    let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for added in db.read_blocking(services::list)? {
        let name = added.manifest.name.clone();
        if let Err(problem) = catalog.add_runtime(added.manifest, added.owner_id) {
            problems.push(format!("added service {name}: {problem}"));
        }
    }
    Ok((catalog, problems))
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether every process ended by itself.
    pub graceful: bool,
    /// Whether Berth was told to start again.
    pub again: bool,
}

/// Runs Berth until it is told to end.
///
/// # Errors
/// When it cannot start; nothing runs then.
pub async fn serve(config: Config) -> Result<Ended> {
    let mut signals = Signals::listen()?;
    make_private(&config.storage.data_dir)?;
    let _lock = DataLock::take(&config.storage.data_dir)?;
    let stores = open_stores(&config)?;
    install_crypto_provider();
    process::raise_open_files();
    reaper::become_subreaper().context("cannot become the subreaper of instances")?;
    let listener = bind(config.server.listen)?;
    let bound = listener.local_addr()?;
    // Under v2 this process moves: before it has children.
    let cgroups = Arc::new(take_cgroups(&config, &stores.host));
    let state = compose(config, stores, bound, Arc::clone(&cgroups))?;
    // Every instance has its route before the first request is taken: a client that comes back after
    // a restart must wait for its instance, not be told that there is none.
    let report = state.supervisor.boot().await.context("instances could not be brought back")?;
    let server = start_server(&state, listener)?;
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    let control = Control::publish(&state.config.storage.data_dir, bound)?;
    state.authenticator.set_operator(control.token());
    log::info!("Berth {} serves {} instances at {}", env!("CARGO_PKG_VERSION"), report.instances, state.public_url);
    let upkeep = actix_rt::spawn(upkeep(state.clone()));
    let again = signals.wait().await;
    let graceful = shut_down(&state, &handle).await;
    upkeep.abort();
    serving.await??;
    drop(control);
    tokio::task::spawn_blocking(move || cgroups.close()).await?;
    Ok(Ended { graceful, again })
}

fn compose(config: Config, stores: Stores, bound: SocketAddr, cgroups: Arc<Cgroups>) -> Result<Data<AppState>> {
    let Stores { db, vault, host } = stores;
    let (catalog, problems) = load_catalog(&config, &db)?;
    for problem in problems {
        log::error!("a service is left out: {problem}");
    }
    let walls = try_walls(&config)?;
    let (routes, metrics) = (Arc::new(RouteTable::default()), Arc::new(Metrics::default()));
    let paths = Paths::new(config.storage.data_dir.clone());
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let enforcement = process::probe(&cgroups);
    for line in &enforcement {
        log::info!("{}: {}, {}", line.what, line.how.as_str(), line.detail);
    }
    let runtime = Runtime {
        db: db.clone(),
        vault: Arc::clone(&vault),
        catalog: catalog.clone(),
        installer: Installer::new(config.storage.data_dir.join("cache")),
        launcher: Arc::new(launcher(&config, &walls)?.with_cgroups(Arc::clone(&cgroups))),
        cgroups: Arc::clone(&cgroups),
        routes: Arc::clone(&routes),
        ports: PortRegistry::new(config.runtime.ports),
        recorder: Recorder::start(db.clone()),
        config: config.runtime.clone(),
        paths: paths.clone(),
        host,
        metrics: Arc::clone(&metrics),
        eras: Eras::new(db.clone()),
        starting: Arc::new(Semaphore::new(cores.saturating_mul(4))),
    };
    let public_url = match &config.server.public_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{bound}")).context("the address makes no URL")?,
    };
    let allowed = Allowed::new(&public_url, bound, &config.server.allowed_origins, config.server.public_url.is_some());
    Ok(Data::new(AppState {
        supervisor: SupervisorHandle::start(Arc::new(runtime), ARBITERS),
        authenticator: Authenticator::new(db.clone(), config.auth.calls_per_second),
        throttle: Throttle::new(config.auth.login_attempts),
        started: Instant::now(),
        draining: AtomicBool::new(false),
        config,
        db,
        vault,
        catalog,
        routes,
        metrics,
        paths,
        public_url,
        allowed,
        cgroups,
        enforcement,
    }))
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

fn launcher(config: &Config, walls: &[WallReport]) -> Result<ProcessLauncher> {
    let launcher = ProcessLauncher::of_this_binary().context("the launch stage cannot be found")?;
    let guard = Guard::new(config.runtime.private_targets.clone());
    Ok(launcher.with_guard(guard).with_policy(Policy::new(config.runtime.allow_missing_walls.clone(), walls.to_vec())))
}

fn take_cgroups(config: &Config, host: &str) -> Cgroups {
    Cgroups::take(host, if config.runtime.cgroups { Allow::All } else { Allow::Nothing })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; is another program (or another Berth) using it? choose one with --listen")
    })
}

fn start_server(state: &Data<AppState>, listener: TcpListener) -> Result<actix_web::dev::Server> {
    let shared = state.clone();
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(web::configure))
        .workers(state.config.server.workers)
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(30))
        .client_disconnect_timeout(Duration::from_secs(5))
        // Answers are small and whole: waiting for more to send only delays them.
        .tcp_nodelay(true)
        // A client that goes away is noticed at once, not when the next thing is written to it: to clients
        // without a session that is what cancels a call.
        .h1_allow_half_closed(false)
        .shutdown_timeout(DRAIN.as_secs())
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn shut_down(state: &AppState, server: &ServerHandle) -> bool {
    log::info!("ending: calls in flight have {} s", DRAIN.as_secs());
    state.draining.store(true, Ordering::Release);
    // Streams that wait for messages would wait for the end of the drain, too.
    for route in state.routes.all().into_iter().flat_map(Route::with_connections) {
        route.sessions.end_streams();
        if let Some(upstream) = route.upstream() {
            upstream.held.end_listens();
        }
    }
    server.stop(true).await;
    let killed = state.supervisor.shutdown().await.unwrap_or(0);
    if let Err(error) = state.authenticator.flush_last_use().await {
        log::warn!("times of last use were lost: {error}");
    }
    killed == 0
}

/// What has to be done now and then.
async fn upkeep(state: Data<AppState>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    let mut count = 0_u64;
    loop {
        ticks.tick().await;
        if let Err(error) = state.authenticator.flush_last_use().await {
            log::warn!("times of last use are kept for later: {error}");
        }
        if count.is_multiple_of(360) {
            let purged = state.db.write(|conn| logins::purge_expired(conn, Timestamp::now())).await;
            if let Err(error) = purged {
                log::warn!("expired sign-ins could not be removed: {error}");
            }
            let oldest = Timestamp(Timestamp::now().0 - KEEP_USAGE_MS);
            let purged = state.db.write(move |conn| usage_hours::purge_before(conn, oldest)).await;
            if let Err(error) = purged {
                log::warn!("old hours of usage could not be removed: {error}");
            }
        }
        count += 1;
    }
}

/// The signals that end a run. Listened for from the start, so that none that comes early kills.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    again: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            again: listen(SignalKind::user_defined1())?,
        })
    }

    /// Waits for TERM or INT, which end Berth, or USR1, after which it starts again; returns whether it does.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.again.recv() => true,
        }
    }
}

/// Makes the data directory, for its owner alone.
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the data directory {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close the data directory {} to others", path.display()))
}
