//! Calls that wait for their client's input: the child is still at work on each of them.

use std::collections::HashMap;

use futures_util::{StreamExt, stream::LocalBoxStream};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{held::Counted, state::ParkId};
use crate::mcp::{ask::Ask, upstream::Event};

/// Events of a parked call that may wait; a child that says more meanwhile waits itself.
const CAPACITY: usize = 64;

/// Where the events of a call come from.
pub(super) enum Source {
    /// The child's own stream, on the thread of the request that began the call.
    Fresh(LocalBoxStream<'static, Event>),
    /// That stream again, from whatever thread.
    Moved(mpsc::Receiver<Event>),
}

impl Source {
    pub(super) async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Fresh(events) => events.next().await,
            Self::Moved(events) => events.recv().await,
        }
    }

    /// Makes it live on between requests: a task on this thread goes on reading, until nobody wants
    /// the events any more. Then the stream is dropped, and that cancels the call.
    pub(super) fn moved(self) -> mpsc::Receiver<Event> {
        match self {
            Self::Moved(events) => events,
            Self::Fresh(mut events) => {
                let (sender, receiver) = mpsc::channel(CAPACITY);
                actix_rt::spawn(async move {
                    loop {
                        let event = tokio::select! {
                            () = sender.closed() => return,
                            event = events.next() => event,
                        };
                        let Some(event) = event else { return };
                        if sender.send(event).await.is_err() {
                            return;
                        }
                    }
                });
                receiver
            }
        }
    }
}

/// One call that waits. Dropping it refuses what was asked and cancels the call.
pub(super) struct Parked {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) asks: Vec<(String, Ask)>,
    pub(super) refused: Vec<&'static str>,
    pub(super) _counted: Counted,
}

/// The parked calls of one child, by the name in their sealed state.
#[derive(Default)]
pub(super) struct Parking {
    calls: Mutex<HashMap<ParkId, Parked>>,
}

impl Parking {
    pub(super) fn insert(&self, id: ParkId, call: Parked) {
        self.calls.lock().insert(id, call);
    }

    /// Takes a call out: its state has been used.
    pub(super) fn take(&self, id: ParkId) -> Option<Parked> {
        self.calls.lock().remove(&id)
    }
}
