//! The way to remote servers that users have named: through the guard, which dials no private address.

use std::{io, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

use crate::{mcp::http::DialOutside, outbound::Guard};

/// The guard, as who dials what users have named.
pub struct Guarded(pub Arc<Guard>);

impl DialOutside for Guarded {
    fn dial(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<TcpStream>> {
        let (guard, host) = (Arc::clone(&self.0), host.to_owned());
        Box::pin(async move { guard.connect_named(&host, port).await.map_err(io::Error::other) })
    }
}
