//! The connections of one instance in session mode, as the data plane finds them.
//!
//! Owner of state: the instance's house, the only writer. Readers take a whole snapshot without a
//! lock; what needs a decision (another connection, waking one) is ordered of the house, which is the
//! only one to count processes.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::Route;
use crate::{
    domain::{connection::Client, time::Timestamp},
    mcp::{error::Unavailable, session::SessionId},
};

/// What is ordered of a house. A reply that is dropped: the house is gone.
pub enum Order {
    /// A connection: for the client that comes with this, or for a new session.
    Open {
        /// Who is to be recognised by it; nobody has it whose client has a session.
        client: Option<Client>,
        /// The connection, perhaps still on its way up.
        reply: oneshot::Sender<Result<Arc<Seat>, Unavailable>>,
    },
    /// A process for a connection that sleeps.
    Wake {
        /// Which.
        id: SessionId,
        /// Whether it comes.
        reply: oneshot::Sender<Result<(), Unavailable>>,
    },
    /// The end of a connection and its files, if no session is left in it.
    Leave {
        /// Which.
        id: SessionId,
    },
    /// The end of a connection and its files.
    End {
        /// Which.
        id: SessionId,
        /// Whether there was such a one; said when all of it is gone.
        reply: oneshot::Sender<bool>,
    },
}

/// One connection.
pub struct Seat {
    /// Its id: that of its session, where it has one.
    pub id: SessionId,
    /// With what its client comes, if that has no session.
    pub client: Option<Client>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The way to its process. Made anew when its instance was down.
    pub route: Arc<Route>,
    /// Whether it waits for its client.
    pub is_spare: bool,
}

#[derive(Clone, Default)]
struct Snapshot {
    by_id: HashMap<SessionId, Arc<Seat>>,
    by_client: HashMap<Client, Arc<Seat>>,
}

/// All of one instance.
pub struct Connections {
    snapshot: ArcSwap<Snapshot>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Connections {
    /// None yet, and where orders arrive.
    #[must_use]
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        (Arc::new(Self { snapshot: ArcSwap::default(), orders }), received)
    }

    /// The connection with this id, if it has a client.
    #[must_use]
    pub fn find(&self, id: SessionId) -> Option<Arc<Seat>> {
        self.snapshot.load().by_id.get(&id).filter(|seat| !seat.is_spare).cloned()
    }

    /// The connection of this client.
    #[must_use]
    pub fn of(&self, client: Client) -> Option<Arc<Seat>> {
        self.snapshot.load().by_client.get(&client).cloned()
    }

    /// All of them, spares included.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Seat>> {
        self.snapshot.load().by_id.values().cloned().collect()
    }

    /// Replaces all. Only the house calls this.
    pub fn publish(&self, seats: impl Iterator<Item = Arc<Seat>>) {
        let by_id: HashMap<SessionId, Arc<Seat>> = seats.map(|seat| (seat.id, seat)).collect();
        let known = by_id.values().filter_map(|seat| Some((seat.client?, Arc::clone(seat))));
        let by_client = known.collect();
        self.snapshot.store(Arc::new(Snapshot { by_id, by_client }));
    }

    /// A connection for this client, or for a new session.
    ///
    /// # Errors
    /// When there is none to be had: the text says why.
    pub async fn open(&self, client: Option<Client>) -> Result<Arc<Seat>, Unavailable> {
        let (reply, opened) = oneshot::channel();
        let _ = self.orders.send(Order::Open { client, reply });
        opened.await.unwrap_or_else(|_| Err(gone()))
    }

    /// A process for a connection that sleeps.
    ///
    /// # Errors
    /// When it gets none: the text says why.
    pub async fn wake(&self, id: SessionId) -> Result<(), Unavailable> {
        let (reply, woken) = oneshot::channel();
        let _ = self.orders.send(Order::Wake { id, reply });
        woken.await.unwrap_or_else(|_| Err(gone()))
    }

    /// A client may have gone for good.
    pub fn leave(&self, id: SessionId) {
        let _ = self.orders.send(Order::Leave { id });
    }

    /// Ends a connection and deletes its files; whether there was such a one.
    pub async fn end(&self, id: SessionId) -> bool {
        let (reply, ended) = oneshot::channel();
        let _ = self.orders.send(Order::End { id, reply });
        ended.await.unwrap_or(false)
    }
}

fn gone() -> Unavailable {
    Unavailable { detail: "the instance is being removed".to_owned() }
}
