//! The task of a door: hears the keeper out, and lets out what may go out.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Guard, MAX_OUTSIDE, MESSAGES_A_SECOND, Passage, Shared, adopt, relay, wire::Message};
use crate::domain::network::Endpoint;

/// Why a connection did not arrive.
const NO_DESCRIPTOR: &str = "Berth has too many open files; raise LimitNOFILE, or `ulimit -n`";

/// The task of a door.
pub(super) struct Porter {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) guard: Arc<Guard>,
    pub(super) report: mpsc::Sender<Passage>,
    pub(super) room: Arc<Semaphore>,
}

impl Porter {
    /// Until the keeper is gone or has said something that makes no sense. Connections end with it.
    pub(super) async fn run(self) {
        let mut relays = JoinSet::new();
        let mut pace = Pace::default();
        loop {
            let received = tokio::select! {
                received = self.shared.receive() => received,
                Some(_) = relays.join_next() => continue,
            };
            let Ok(message) = received else { break };
            if !self.heed(message, &mut relays) {
                self.tell(Passage::Refused("the keeper of its door made no sense; it is shut".to_owned()));
                break;
            }
            pace.keep().await;
        }
        self.shared.give_up();
    }

    fn heed(&self, message: (Message, Option<OwnedFd>), relays: &mut JoinSet<()>) -> bool {
        match message {
            (Message::Dialled { id }, Some(connection)) => self.shared.answered(id, Ok(connection)),
            (Message::Failed { id, errno }, None) => {
                let errno = i32::try_from(errno).unwrap_or(i32::MAX);
                self.shared.answered(id, Err(io::Error::from_raw_os_error(errno)));
            }
            // The kernel keeps a descriptor back when Berth has as many as it may: that is no fault of the keeper.
            (Message::Dialled { id }, None) => self.shared.answered(id, Err(io::Error::other(NO_DESCRIPTOR))),
            (Message::Knocked { .. }, None) => self.tell(Passage::Failed(NO_DESCRIPTOR.to_owned())),
            (Message::Knocked { target }, Some(connection)) => {
                let Some(endpoint) = self.endpoints.get(usize::from(target)) else { return false };
                self.admit(endpoint.clone(), connection, relays);
            }
            _ => return false,
        }
        true
    }

    fn admit(&self, endpoint: Endpoint, connection: OwnedFd, relays: &mut JoinSet<()>) {
        let Ok(inside) = adopt(connection) else { return };
        let places = Arc::clone(&self.room).try_acquire_owned().ok().zip(self.guard.admit());
        let Some(places) = places else {
            relay::reset(&inside);
            return self.tell(Passage::Refused(format!(
                "no connection to {endpoint}: {MAX_OUTSIDE} connections to the outside are open already, \
                 or too many of all instances"
            )));
        };
        let relay = relay::run(inside, endpoint, Arc::clone(&self.guard), self.report.clone());
        relays.spawn(async move {
            relay.await;
            drop(places);
        });
    }

    fn tell(&self, passage: Passage) {
        let _ = self.report.try_send(passage);
    }
}

/// Bounds what is heard from a keeper.
#[derive(Default)]
struct Pace {
    heard: u32,
    since: Option<Instant>,
}

impl Pace {
    async fn keep(&mut self) {
        const SECOND: Duration = Duration::from_secs(1);
        let since = *self.since.get_or_insert_with(Instant::now);
        self.heard += 1;
        if self.heard < MESSAGES_A_SECOND && since.elapsed() < SECOND {
            return;
        }
        if self.heard >= MESSAGES_A_SECOND {
            sleep_until(since + SECOND).await;
        }
        *self = Self::default();
    }
}
