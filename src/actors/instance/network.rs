//! The network of an instance that has one of its own: how it is reached, and what goes out of it.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use futures_util::future::BoxFuture;
use tokio::{net::TcpStream, sync::mpsc};

use crate::{
    mcp::http::{Dial, Via},
    process::{Door, DoorHandle, Passage, logs::LogFile},
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
