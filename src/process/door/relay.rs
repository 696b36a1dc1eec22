//! One connection from behind the walls to the outside, from its dialling to its end.

use std::{
    net::TcpStream as StdTcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::net::sockopt::{set_socket_keepalive, set_socket_linger, set_tcp_nodelay};
use tokio::{io::copy_bidirectional, net::TcpStream, sync::mpsc};
use tokio_util::io::InspectReader;

use super::Passage;
use crate::{
    domain::network::Endpoint,
    outbound::{Guard, Refusal},
};

/// Makes closing `inside` an error for its other side, not an end that looks like success.
pub(super) fn reset(inside: &StdTcpStream) {
    let _ = set_socket_linger(inside, Some(Duration::ZERO));
}

/// Dials `endpoint` and carries bytes both ways until either side has ended; reports what becomes of it.
pub(super) async fn run(inside: StdTcpStream, endpoint: Endpoint, guard: Arc<Guard>, report: mpsc::Sender<Passage>) {
    let outside = match guard.connect(&endpoint).await {
        Ok(outside) => outside,
        Err(refusal) => {
            reset(&inside);
            let text = format!("no connection to {endpoint}: {refusal}");
            let passage = match refusal {
                Refusal::Private { .. } => Passage::Refused(text),
                _ => Passage::Failed(text),
            };
            let _ = report.try_send(passage);
            return;
        }
    };
    let _ = report.try_send(Passage::Opened);
    let traffic = Traffic { sent: Arc::default(), received: Arc::default(), report };
    let _ = carry(inside, outside, &traffic).await;
}

async fn carry(inside: StdTcpStream, outside: TcpStream, traffic: &Traffic) -> std::io::Result<()> {
    // Bytes go on as they come; a side that vanished without a word is noticed.
    set_tcp_nodelay(&inside, true)?;
    set_tcp_nodelay(&outside, true)?;
    set_socket_keepalive(&outside, true)?;
    let (sent, received) = (Arc::clone(&traffic.sent), Arc::clone(&traffic.received));
    let count = |counter: Arc<AtomicU64>| {
        move |bytes: &[u8]| {
            counter.fetch_add(bytes.len() as u64, Relaxed);
        }
    };
    let mut inside = InspectReader::new(TcpStream::from_std(inside)?, count(sent));
    let mut outside = InspectReader::new(outside, count(received));
    copy_bidirectional(&mut inside, &mut outside).await?;
    Ok(())
}

/// What a connection has carried; reported at its end, whatever ends it.
struct Traffic {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
    report: mpsc::Sender<Passage>,
}

impl Drop for Traffic {
    fn drop(&mut self) {
        let (sent, received) = (self.sent.load(Relaxed), self.received.load(Relaxed));
        let _ = self.report.try_send(Passage::Closed { sent, received });
    }
}
