//! The processes of a shared service, as the requests of its instances find them.
//!
//! Which process serves an instance follows from its id and from which processes there are (rendezvous hashing):
//! one that goes or comes moves only those instances that it had, or gets. A process that is started again is a
//! [`Worker`] anew, with an address, a secret and connections of its own.
//!
//! Owner of state: the pool's actor, the only writer of the ring. Requests read a whole snapshot and take no
//! lock; one that finds the ring empty rings the bell, and waits for a process or for the reason why there is none.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use awc::{
    ClientRequest, ClientResponse,
    error::{ConnectError, SendRequestError},
};
use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use super::{client, repeat::Repeat, target::Address, unreachable};
use crate::mcp::error::UpstreamError;

/// How long the reason of an end may take to be known after the end was noticed.
const REASON: Duration = Duration::from_millis(600);
/// Before the only process that there is is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// One process, from its first answer to its end.
pub struct Worker {
    /// Which of its service's it is, from 0.
    pub number: u16,
    address: Arc<Address>,
    /// Why it ended.
    fate: watch::Sender<Option<String>>,
}

impl Worker {
    /// The process with this number at `address`.
    #[must_use]
    pub fn new(number: u16, address: Arc<Address>) -> Arc<Self> {
        Arc::new(Self { number, address, fate: watch::Sender::new(None) })
    }

    /// Whether it is the one at `address`.
    #[must_use]
    pub fn is_at(&self, address: &Arc<Address>) -> bool {
        Arc::ptr_eq(&self.address, address)
    }

    /// Says why it is gone, to all whose calls it had.
    pub fn has_ended(&self, reason: String) {
        self.fate.send_replace(Some(reason));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        client::departed();
    }
}

/// Which processes there are.
#[derive(Default)]
pub struct Ring {
    /// Those that serve.
    pub workers: Vec<Arc<Worker>>,
    /// Why there will be none until somebody does something about it.
    pub down: Option<String>,
}

impl Ring {
    /// The number of the process that serves the instance `id`.
    #[must_use]
    pub fn number_for(&self, id: Uuid) -> Option<u16> {
        self.choose(id, None).map(|worker| worker.number)
    }

    fn choose(&self, id: Uuid, but: Option<&Arc<Worker>>) -> Option<&Arc<Worker>> {
        let others = self.workers.iter().filter(|worker| but.is_none_or(|but| !Arc::ptr_eq(but, worker)));
        others.max_by_key(|worker| weight(id, worker.number))
    }
}

/// How much the instance wants to be served by this process: the finalizer of SplitMix64, which spreads well.
fn weight(id: Uuid, number: u16) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mut mixed = high ^ low.rotate_left(32) ^ u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// See the module.
pub struct Pool {
    ring: ArcSwap<Ring>,
    changed: watch::Sender<()>,
    bell: Notify,
    patience: Duration,
}

impl Pool {
    /// Nobody serves yet. A request waits up to `patience` for somebody who does.
    #[must_use]
    pub fn new(patience: Duration) -> Arc<Self> {
        let (ring, changed) = (ArcSwap::default(), watch::Sender::new(()));
        Arc::new(Self { ring, changed, bell: Notify::new(), patience })
    }

    /// Says which processes there are. Only the pool's actor does this.
    pub fn publish(&self, ring: Ring) {
        self.ring.store(Arc::new(ring));
        self.changed.send_replace(());
    }

    /// Which processes there are.
    #[must_use]
    pub fn ring(&self) -> Arc<Ring> {
        self.ring.load_full()
    }

    /// Asks for processes, where there are none.
    pub fn call(&self) {
        self.bell.notify_one();
    }

    /// Returns when somebody asks for processes.
    pub async fn called(&self) {
        self.bell.notified().await;
    }

    /// Sends a request to the process that serves `id`, and to another as long as `repeat` allows it.
    pub(super) async fn send(
        &self,
        id: Uuid,
        make: impl Fn(&Address) -> ClientRequest,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<ClientResponse, UpstreamError> {
        let mut failed = None;
        let mut deadline = None;
        loop {
            let chosen = self.ring.load().choose(id, failed.as_ref()).cloned();
            let worker = match chosen {
                Some(worker) => worker,
                None => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                    self.wait(id, failed.take(), deadline).await?
                }
            };
            let error = match make(&worker.address).send_body(body.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let may_repeat =
                is_unsent(&error) || repeat == Repeat::Always && !matches!(error, SendRequestError::Timeout);
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
            if !may_repeat || Instant::now() >= deadline {
                return Err(worker.lost(&error).await);
            }
            failed = Some(worker);
        }
    }

    /// A process for `id`, as soon as there is one; `failed` only when there is no other after a moment.
    async fn wait(
        &self,
        id: Uuid,
        failed: Option<Arc<Worker>>,
        deadline: Instant,
    ) -> Result<Arc<Worker>, UpstreamError> {
        let mut changed = self.changed.subscribe();
        let again = Instant::now() + PAUSE;
        loop {
            changed.mark_unchanged();
            let ring = self.ring.load_full();
            let worker = ring.choose(id, failed.as_ref());
            if let Some(worker) = worker.or_else(|| ring.choose(id, None).filter(|_| Instant::now() >= again)) {
                return Ok(Arc::clone(worker));
            }
            if ring.workers.is_empty() {
                self.call();
            }
            if let Some(reason) = &ring.down {
                return Err(UpstreamError::Unreachable { detail: reason.clone() });
            }
            let until = if ring.workers.is_empty() { deadline } else { again.min(deadline) };
            if timeout_at(until, changed.changed()).await.is_err() && Instant::now() >= deadline {
                let detail =
                    format!("no process of the shared service has come up within {} s", self.patience.as_secs());
                return Err(UpstreamError::Unreachable { detail });
            }
        }
    }
}

impl Worker {
    /// What became of a call whose connection has failed.
    async fn lost(&self, error: &SendRequestError) -> UpstreamError {
        let mut fate = self.fate.subscribe();
        let told = timeout(REASON, fate.wait_for(Option::is_some)).await;
        match told.ok().and_then(Result::ok).and_then(|fate| fate.clone()) {
            Some(reason) => UpstreamError::Closed { reason },
            None => unreachable(error),
        }
    }
}

/// Whether nothing of the request can have arrived.
const fn is_unsent(error: &SendRequestError) -> bool {
    // `Disconnected` is said of a connection that ended before its answer.
    matches!(error, SendRequestError::Connect(reason) if !matches!(reason, ConnectError::Disconnected))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn ring(numbers: &[u16]) -> Ring {
        let worker = |number: &u16| Worker::new(*number, Arc::new(Address::at(String::new())));
        Ring { workers: numbers.iter().map(worker).collect(), down: None }
    }

    #[test]
    fn a_process_that_goes_moves_only_its_own_instances() {
        let (all, fewer) = (ring(&[0, 1, 2, 3]), ring(&[0, 1, 3]));
        let mut counts: HashMap<u16, u32> = HashMap::new();
        for id in (0..4000).map(|_| Uuid::now_v7()) {
            let before = all.number_for(id).unwrap();
            *counts.entry(before).or_default() += 1;
            if before != 2 {
                assert_eq!(fewer.number_for(id), Some(before));
            }
        }
        assert!(counts.len() == 4 && counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(ring(&[]).number_for(Uuid::now_v7()), None);
    }

    #[tokio::test]
    async fn who_waits_is_told_when_there_is_none_and_gets_one_that_comes() {
        let pool = Pool::new(Duration::from_secs(30));
        pool.publish(Ring { workers: Vec::new(), down: Some("it crashed".to_owned()) });
        let deadline = Instant::now() + Duration::from_secs(30);
        let refused = pool.wait(Uuid::now_v7(), None, deadline).await.err();
        assert_eq!(refused, Some(UpstreamError::Unreachable { detail: "it crashed".to_owned() }));
        pool.called().await;
        pool.publish(Ring::default());
        let (waited, ()) = tokio::join!(pool.wait(Uuid::now_v7(), None, deadline), async {
            pool.called().await;
            pool.publish(ring(&[7]));
        });
        assert_eq!(waited.unwrap().number, 7);
        let late = Pool::new(Duration::ZERO).wait(Uuid::now_v7(), None, Instant::now()).await.err();
        assert!(matches!(late, Some(UpstreamError::Unreachable { .. })));
    }
}
