//! Instances that their owners share with others, as the data plane finds them.
//!
//! Owner of state: the handlers that make and end shares, after their transaction, and the start of
//! Berth. Kept beside the routes and not in them: a route is made anew when its instance changes its mode,
//! and only a call at somebody else's instance looks here at all.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    ids::{InstanceId, ShareId, UserId},
    time::Timestamp,
    tools::ToolLimit,
};

/// What somebody may do at an instance that is not theirs.
#[derive(Debug)]
pub struct Share {
    /// Its id.
    pub id: ShareId,
    /// The instance.
    pub instance: InstanceId,
    /// Who may.
    pub guest: UserId,
    /// With which tools; with all when absent.
    pub limit: Option<ToolLimit>,
    /// Until when; until it is ended when absent.
    pub until: Option<Timestamp>,
    /// Fires when it is ended.
    pub ended: Arc<CancellationToken>,
}

impl Share {
    /// Whether it holds.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

type Snapshot = HashMap<(InstanceId, UserId), Arc<Share>>;

/// All shares.
#[derive(Default)]
pub struct Shares {
    snapshot: ArcSwap<Snapshot>,
    turn: tokio::sync::Mutex<()>,
}

impl Shares {
    /// These.
    #[must_use]
    pub fn new(shares: impl IntoIterator<Item = Share>) -> Self {
        let by_place = shares.into_iter().map(|share| ((share.instance, share.guest), Arc::new(share)));
        Self { snapshot: ArcSwap::from_pointee(by_place.collect()), ..Self::default() }
    }

    /// The turn to change what is shared, in the database and then here: never the other way round in one
    /// place and not in another. No call waits for it.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// On which terms this user may use this instance of somebody else.
    #[must_use]
    pub fn find(&self, instance: InstanceId, guest: UserId) -> Option<Arc<Share>> {
        self.snapshot.load().get(&(instance, guest)).cloned()
    }

    /// Adds one, in the place of an earlier one with the same guest, which ends.
    pub fn insert(&self, share: Share) {
        let share = Arc::new(share);
        let place = (share.instance, share.guest);
        let before = self.change(|shares| {
            shares.insert(place, Arc::clone(&share));
        });
        if let Some(replaced) = before.get(&place) {
            replaced.ended.cancel();
        }
    }

    /// Ends one: what is under way through it ends too. Comes back with it, if it was there.
    pub fn remove(&self, id: ShareId) -> Option<Arc<Share>> {
        let before = self.change(|shares| shares.retain(|_, share| share.id != id));
        let removed = before.values().find(|share| share.id == id).cloned();
        if let Some(removed) = &removed {
            removed.ended.cancel();
        }
        removed
    }

    /// Forgets those whose time is over.
    pub fn purge(&self, now: Timestamp) {
        self.change(|shares| shares.retain(|_, share| share.is_live(now)));
    }

    /// Makes a change; what was there before it.
    fn change(&self, change: impl Fn(&mut Snapshot)) -> Arc<Snapshot> {
        self.snapshot.rcu(|shares| {
            let mut next = Snapshot::clone(shares);
            change(&mut next);
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_and_go_and_end_what_is_under_way() {
        let (one, two, guest) = (InstanceId::generate(), InstanceId::generate(), UserId::generate());
        let share = |instance, until| Share {
            id: ShareId::generate(),
            instance,
            guest,
            limit: None,
            until,
            ended: Arc::default(),
        };
        let shares = Shares::new([share(one, None)]);
        let first = shares.find(one, guest).unwrap();
        assert!(shares.find(two, guest).is_none() && shares.find(one, UserId::generate()).is_none());
        shares.insert(share(one, Some(Timestamp(5))));
        assert!(first.ended.is_cancelled());
        let second = shares.find(one, guest).unwrap();
        assert!(second.is_live(Timestamp(4)) && !second.is_live(Timestamp(5)));
        assert!(shares.remove(first.id).is_none());
        assert_eq!(shares.remove(second.id).map(|share| share.id), Some(second.id));
        assert!(second.ended.is_cancelled() && shares.find(one, guest).is_none());
        shares.insert(share(two, Some(Timestamp(5))));
        shares.purge(Timestamp(5));
        assert!(shares.find(two, guest).is_none());
    }
}
