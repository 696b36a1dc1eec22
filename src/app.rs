//! The composition root: what is made in which order, and how it ends.
//!
//! Start: data directory and its lock, database, vault, port, catalog, supervisor; only then are
//! instances brought back, so that a second Berth or a busy port disturbs nobody, and only after that
//! are requests taken. End: `/health` says so, no new connections, calls in flight finish (10 s), processes
//! end (grace, then kill), states are written.

mod compose;
mod control;
mod granted;
mod lock;
mod rekey;
mod signals;
mod stores;
mod upkeep;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web::Data};
use anyhow::{Context, Result};

use self::{compose::compose, lock::DataLock, signals::Signals, stores::make_private, upkeep::upkeep};
pub use self::{
    control::Control,
    rekey::{Rekeyed, rotate_master_key},
    stores::{HOST_ID, Stores, VAULT_CHECK, load_catalog, migrate, open_database, open_migrated_database, open_stores},
};
use crate::{
    config::Config,
    domain::{secret::Secret, time::Timestamp},
    mcp::http::install_crypto_provider,
    process::reaper,
    routing::Route,
    web::{self, sign_in::setup, state::AppState},
};

/// How long calls in flight may take to finish at the end.
pub const DRAIN: Duration = Duration::from_secs(10);
/// How long mails that wait may take to leave at the end.
const LAST_MAILS: Duration = Duration::from_secs(10);

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
    crate::process::raise_open_files();
    reaper::become_subreaper().context("cannot become the subreaper of instances")?;
    let listener = bind(config.server.listen)?;
    let bound = listener.local_addr()?;
    let (state, news) = compose(config, stores, bound)?;
    // Every instance has its route before the first request is taken: a client that comes back after
    // a restart must wait for its instance, not be told that there is none.
    let report = state.supervisor.boot().await.context("instances could not be brought back")?;
    let server = start_server(&state, listener)?;
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    let setup = setup::link(&state).await.context("the first administrator's link could not be made")?;
    let control = announce(&state, bound, report.instances, setup.as_ref())?;
    let upkeep = actix_rt::spawn(upkeep(state.clone()));
    let keeping = actix_rt::spawn(state.outside.clone().keep());
    let telling = actix_rt::spawn(granted::run(state.clone(), news));
    let again = signals.wait().await;
    let graceful = shut_down(&state, &handle).await;
    for task in [upkeep, keeping, telling] {
        task.abort();
    }
    serving.await??;
    drop(control);
    let cgroups = Arc::clone(&state.cgroups);
    tokio::task::spawn_blocking(move || cgroups.close()).await?;
    Ok(Ended { graceful, again })
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

/// Lets the command line find this run, and says that it serves.
fn announce(state: &AppState, bound: SocketAddr, instances: usize, setup: Option<&Secret>) -> Result<Control> {
    let control = Control::publish(&state.config.storage.data_dir, bound, setup)?;
    state.authenticator.set_operator(control.token());
    log::info!("Berth {} serves {instances} instances at {}", env!("CARGO_PKG_VERSION"), state.public_url);
    if let Some(url) = setup {
        // A secret, but of use only until there is an account; whoever starts Berth is to find it.
        log::warn!("nobody has an account yet; make the first administrator at {}", url.expose());
    }
    Ok(control)
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
    state.notices.end_streams();
    server.stop(true).await;
    let killed = state.supervisor.shutdown().await.unwrap_or(0);
    if let Err(error) = state.authenticator.flush_last_use().await {
        log::warn!("times of last use were lost: {error}");
    }
    if let Err(error) = state.authenticator.ledger().flush(&state.db, Timestamp::now()).await {
        log::warn!("the last calls were not written down: {error}");
    }
    state.mailer.finish(LAST_MAILS).await;
    killed == 0
}
