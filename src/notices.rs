//! Telling people what concerns them: in the app, by mail, at their webhooks.
//!
//! Who has something to tell calls [`Notices::tell`], which never waits. One task notes it in the database
//! with a delivery for each way that its user wants; another, the postman, makes the deliveries. What is in
//! the queue outlives a run of Berth; a notice that was not noted yet when Berth is killed is lost.
//!
//! Invariants: nobody is told the same twice within its kind's window; webhooks are reached by the guarded
//! client alone; of each way at most one delivery is under way, so who is slow delays nobody else; nothing of
//! a delivery's failure is told to anybody but its user.
//!
//! Owner of state: the two tasks; the subscribers of streams.

mod happenings;
mod post;
mod telling;
pub mod webhook;

use std::sync::Arc;

use tokio::sync::{Notify, broadcast, mpsc};

use crate::{
    config::NoticesConfig,
    db::{Db, notifications::Notification},
    domain::{
        ids::UserId,
        notice::{Happening, Notice},
    },
    mail::Mailer,
    outbound::Fetcher,
    vault::Vault,
};

/// Notices that wait to be noted. Beyond it they are lost, and the log says so.
const MAX_WAITING: usize = 4096;
/// Notifications that a stream may be behind.
const MAX_BEHIND: usize = 1024;

/// What the tasks work with.
pub struct Means {
    /// Where things are noted.
    pub db: Db,
    /// Opens the secrets of webhooks.
    pub vault: Arc<Vault>,
    /// The way to webhooks.
    pub fetcher: Fetcher,
    /// Sends mail.
    pub mailer: Mailer,
    /// Settings.
    pub config: NoticesConfig,
}

/// Something for those who listen to streams.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Somebody was told something.
    Told(Arc<Notification>),
    /// Berth is ending.
    End,
}

/// Tells people what concerns them. Clones share everything.
#[derive(Clone)]
pub struct Notices {
    waiting: mpsc::Sender<(UserId, Notice)>,
    streams: broadcast::Sender<Signal>,
    means: Arc<Means>,
}

impl Notices {
    /// Starts the tasks on the current runtime. `happenings` is what happens to instances.
    #[must_use]
    pub fn start(means: Means, happenings: mpsc::Receiver<Happening>) -> Self {
        let (waiting, told) = mpsc::channel(MAX_WAITING);
        let (streams, _) = broadcast::channel(MAX_BEHIND);
        let means = Arc::new(means);
        let due = Arc::new(Notify::new());
        let this = Self { waiting, streams, means };
        actix_rt::spawn(telling::run(this.clone(), told, Arc::clone(&due)));
        actix_rt::spawn(happenings::run(this.clone(), happenings));
        actix_rt::spawn(post::run(this.clone(), due));
        this
    }

    /// Tells `user` something, in the ways that they want. Returns at once.
    pub fn tell(&self, user: UserId, notice: Notice) {
        if let Err(error) = self.waiting.try_send((user, notice)) {
            log::warn!("a notice is lost: {error}");
        }
    }

    /// What everybody is told from now on, for streams.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.streams.subscribe()
    }

    /// Ends all streams.
    pub fn end_streams(&self) {
        // Nobody listens: nothing to end.
        let _ = self.streams.send(Signal::End);
    }
}
