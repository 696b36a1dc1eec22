//! Places for processes: how many each user's instances take, and whether another may start.
//!
//! Owner of state: what is held. Invariant: a place is taken before the process is started and given back
//! when it is gone, so that two starts at once cannot both have the last one.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::domain::{
    ids::{InstanceId, UserId},
    quota::{Entitlement, Occupied, StartRefusal},
};

/// Who asks for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose quota it is.
    pub user: UserId,
    /// The instance.
    pub instance: InstanceId,
    /// Its actor's own mark: each connection of an instance has a process, and one mark.
    pub mark: InstanceId,
    /// The memory limit of the instance; 0 where it has none. Counts once, however many processes it has.
    pub memory_bytes: u64,
}

/// What is held.
#[derive(Default)]
pub struct Places {
    held: Mutex<HashMap<UserId, Vec<Claim>>>,
}

/// A place that is held; given back on drop.
pub(super) struct Place {
    places: Arc<Places>,
    claim: Claim,
}

impl Places {
    /// Takes a place, if `limits` have one left.
    pub(super) fn take(self: &Arc<Self>, limits: &Entitlement, claim: Claim) -> Result<Place, StartRefusal> {
        let mut held = self.held.lock();
        let of_user = held.entry(claim.user).or_default();
        check(limits, of_user, &claim)?;
        of_user.push(claim);
        Ok(Place { places: Arc::clone(self), claim })
    }

    /// Whether a place would be given now.
    ///
    /// # Errors
    /// What stands against it.
    pub(super) fn check(&self, limits: &Entitlement, claim: &Claim) -> Result<(), StartRefusal> {
        let held = self.held.lock();
        let of_user = held.get(&claim.user).map(Vec::as_slice).unwrap_or_default();
        // One that has a process gives that up first.
        if of_user.iter().any(|known| known.instance == claim.instance) {
            return Ok(());
        }
        check(limits, of_user, claim)
    }

    /// What a user's processes take.
    pub(super) fn occupied(&self, user: UserId) -> Occupied {
        self.held.lock().get(&user).map_or_else(Occupied::default, sum)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held.lock();
        let Some(of_user) = held.get_mut(&self.claim.user) else { return };
        if let Some(at) = of_user.iter().position(|claim| *claim == self.claim) {
            of_user.swap_remove(at);
        }
        if of_user.is_empty() {
            held.remove(&self.claim.user);
        }
    }
}

fn check(limits: &Entitlement, held: &[Claim], claim: &Claim) -> Result<(), StartRefusal> {
    let there = sum(held);
    let with = sum(held.iter().chain([claim]));
    let more = Occupied {
        processes: with.processes.saturating_sub(there.processes),
        memory_bytes: with.memory_bytes.saturating_sub(there.memory_bytes),
    };
    limits.check_start(there, more)
}

/// Each mark counts as one process, each instance with its largest limit.
fn sum<'a>(held: impl IntoIterator<Item = &'a Claim>) -> Occupied {
    let (mut marks, mut memory) = (std::collections::HashSet::new(), HashMap::new());
    for claim in held {
        marks.insert(claim.mark);
        let limit: &mut u64 = memory.entry(claim.instance).or_default();
        *limit = claim.memory_bytes.max(*limit);
    }
    Occupied {
        processes: u32::try_from(marks.len()).unwrap_or(u32::MAX),
        memory_bytes: memory.into_values().fold(0, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(user: UserId, memory_bytes: u64) -> Claim {
        let id = InstanceId::generate();
        Claim { user, instance: id, mark: id, memory_bytes }
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let places = Arc::new(Places::default());
        let limits = Entitlement { running: Some(2), memory_bytes: Some(100), ..Entitlement::unlimited() };
        let user = UserId::generate();
        let one = places.take(&limits, claim(user, 60)).ok().unwrap();
        assert!(matches!(places.take(&limits, claim(user, 50)), Err(StartRefusal::Memory { used: 60, .. })));
        let other_user = places.take(&limits, claim(UserId::generate(), 100));
        assert!(other_user.is_ok(), "each has their own");
        // A second process of the same instance is a process more, but its memory counts once.
        let second = Claim { mark: InstanceId::generate(), ..one.claim };
        let two = places.take(&limits, second).ok().unwrap();
        assert_eq!(places.occupied(user), Occupied { processes: 2, memory_bytes: 60 });
        assert!(matches!(places.take(&limits, claim(user, 0)), Err(StartRefusal::Running { used: 2, allowed: 2 })));
        // The successor of a process that is just ending.
        let again = places.take(&limits, second).ok().unwrap();
        drop(two);
        assert_eq!(places.occupied(user).processes, 2);
        drop((one, again));
        assert_eq!(places.occupied(user), Occupied::default());
        assert!(places.check(&limits, &claim(user, 100)).is_ok());
    }

    #[test]
    fn the_last_place_is_given_once() {
        let limits = Entitlement { running: Some(3), ..Entitlement::unlimited() };
        for _ in 0..100 {
            let (places, user) = (Arc::new(Places::default()), UserId::generate());
            let take = || places.take(&limits, claim(user, 1)).ok();
            let taken: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
                threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!((taken.len(), places.occupied(user).processes), (3, 3));
        }
    }
}
