//! One HTTP client per thread: `awc::Client` is not `Send`, and its connections belong to the
//! thread's event loop.

use std::{
    cell::RefCell,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::door;

thread_local! {
    /// One for our own children, one for what users have named.
    static CLIENTS: RefCell<[Option<(u64, awc::Client)>; 2]> = const { RefCell::new([None, None]) };
}

/// Grows whenever an HTTP child is gone.
static DEPARTURES: AtomicU64 = AtomicU64::new(0);

/// How long an idle thread may keep connections to a child that is gone.
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection is kept without use: less than the five seconds after which servers of Node and Python
/// close theirs. A request must not go out on one that is just being closed.
const KEEP: Duration = Duration::from_secs(4);

fn build(is_outside: bool) -> awc::Client {
    // No limit: the permits of each instance bound what is in flight.
    let connector = awc::Connector::new();
    let plain = actix_tls::connect::Connector::new(actix_tls::connect::Resolver::default()).service();
    let connector = connector
        .connector(door::Connector { plain, is_outside })
        .limit(0)
        .conn_keep_alive(KEEP)
        .timeout(Duration::from_secs(5));
    awc::Client::builder().connector(connector).no_default_headers().disable_redirects().disable_timeout().finish()
}

/// This thread's client; with `is_outside` the one whose connections are made by [`door::DialOutside`].
///
/// Its pool closes a dead connection only when the same address is asked for again. So a client that
/// has seen a child depart is replaced, and what it held is closed with it; calls in flight keep theirs.
pub(super) fn local(is_outside: bool) -> awc::Client {
    CLIENTS.with_borrow_mut(|[own, outside]| {
        let slot = if is_outside { outside } else { own };
        let departures = DEPARTURES.load(Ordering::Relaxed);
        match slot {
            Some((seen, client)) if *seen == departures => client.clone(),
            _ => {
                let client = build(is_outside);
                *slot = Some((departures, client.clone()));
                actix_rt::spawn(close_when_departed(departures));
                client
            }
        }
    })
}

/// Lets go of a client that has seen a child depart, also when its thread is not asked again.
async fn close_when_departed(seen: u64) {
    while DEPARTURES.load(Ordering::Relaxed) == seen {
        tokio::time::sleep(LINGER).await;
    }
    CLIENTS.with_borrow_mut(|slots| {
        for slot in slots.iter_mut().filter(|slot| slot.as_ref().is_some_and(|(held, _)| *held == seen)) {
            *slot = None;
        }
    });
}

/// Says that an HTTP child is gone.
pub(super) fn departed() {
    DEPARTURES.fetch_add(1, Ordering::Relaxed);
}

/// Chooses ring as the process's TLS provider. Must run before the first client is built: awc
/// panics when none is chosen. Repeating it does nothing.
pub fn install_crypto_provider() {
    // Err means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
