//! The network of an instance that has one of its own: how it is reached, and what goes out of it.

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    mcp::http::{Dial, Via},
    process::{
        Door, DoorHandle, Passage,
        inspect::{self, Listener},
        logs::LogFile,
    },
    telemetry::Metrics,
};

/// One port of an instance, behind its door.
struct Inside {
    door: DoorHandle,
    port: u16,
}

impl Dial for Inside {
    fn dial(&self) -> BoxFuture<'static, io::Result<TcpStream>> {
        let (door, port) = (self.door.clone(), self.port);
        Box::pin(async move { door.dial(port).await })
    }
}

/// The way to `port` of the instance behind `door`.
pub(super) fn way_in(door: &Door, port: u16) -> Via {
    Via::new(Arc::new(Inside { door: door.handle(), port }))
}

/// One port of this host, as long as it is its program that listens there.
///
/// What is sent there is for that program alone, and when that has ended any other can take its port. So a
/// connection is believed only when the socket that it came to is still the one that was the program's.
struct OnHost {
    port: u16,
    leader: u32,
    /// The listening sockets, once they were seen to be its own.
    own: OnceLock<BTreeSet<String>>,
}

impl OnHost {
    /// Files of the kernel are read here: blocks for a moment.
    fn is_its_own(&self) -> bool {
        let listening = inspect::sockets_on(self.port);
        if let Some(own) = self.own.get() {
            return listening == *own;
        }
        let is_own = matches!(inspect::listener_on(self.port, Some(self.leader)), Listener::Own { .. });
        // Somebody else may have come in between; then this is not what is found the next time either.
        is_own && *self.own.get_or_init(|| listening.clone()) == listening
    }
}

/// [`OnHost`], for all who dial.
struct Checked(Arc<OnHost>);

impl Dial for Checked {
    fn dial(&self) -> BoxFuture<'static, io::Result<TcpStream>> {
        let it = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, it.port)).await?;
            stream.set_nodelay(true)?;
            let is_own = tokio::task::spawn_blocking(move || it.is_its_own()).await.map_err(io::Error::other)?;
            let other = || io::Error::new(io::ErrorKind::ConnectionRefused, "another process listens on its port");
            is_own.then_some(stream).ok_or_else(other)
        })
    }
}

/// The way to `port` of this host, where the program of `leader` listens; to nobody else.
pub(super) fn way_to(port: u16, leader: u32) -> Via {
    Via::new(Arc::new(Checked(Arc::new(OnHost { port, leader, own: OnceLock::new() }))))
}

/// Counts what goes out, and writes what may not into the instance's error log.
pub(super) async fn keep_account(
    mut passages: mpsc::Receiver<Passage>,
    log: Option<Arc<LogFile>>,
    metrics: Arc<Metrics>,
) {
    while let Some(passage) = passages.recv().await {
        let words = match passage {
            Passage::Opened => {
                metrics.outside_connections.fetch_add(1, Relaxed);
                continue;
            }
            Passage::Closed { sent, received } => {
                metrics.outside_sent.fetch_add(sent, Relaxed);
                metrics.outside_received.fetch_add(received, Relaxed);
                continue;
            }
            Passage::Refused(words) => {
                metrics.outside_refused.fetch_add(1, Relaxed);
                words
            }
            Passage::Failed(words) => {
                metrics.outside_failed.fetch_add(1, Relaxed);
                words
            }
        };
        if let Some(log) = log.clone() {
            let line = format!("berth: {words}\n");
            // A log that cannot be written is reported by the pump of the instance's own lines.
            let _ = tokio::task::spawn_blocking(move || log.append(line.as_bytes())).await;
        }
    }
}
