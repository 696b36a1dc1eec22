//! One HTTP client per thread: `awc::Client` is not `Send`, and its connections belong to the
//! thread's event loop.

use std::time::Duration;

thread_local! {
    static CLIENT: awc::Client = build();
}

fn build() -> awc::Client {
    // No limit: the permits of each instance bound what is in flight.
    let connector =
        awc::Connector::new().limit(0).conn_keep_alive(Duration::from_secs(30)).timeout(Duration::from_secs(5));
    awc::Client::builder().connector(connector).no_default_headers().disable_redirects().disable_timeout().finish()
}

/// This thread's client.
pub(super) fn local() -> awc::Client {
    CLIENT.with(Clone::clone)
}

/// Chooses ring as the process's TLS provider. Must run before the first client is built: awc
/// panics when none is chosen. Repeating it does nothing.
pub fn install_crypto_provider() {
    // Err means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
