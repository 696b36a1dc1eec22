//! What ends when a proof of identity is taken back: streams and calls that are under way with it.
//!
//! Owner of state: the authenticator. There is one ending per proof, shared by all principals of it, as
//! long as one of them is held: by the cache, by a stream, by a call.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Via;
use crate::domain::ids::UserId;

/// Below this many, nobody looks for those that are held no more.
const FEW: usize = 1024;

/// The endings of all proofs that are in use.
#[derive(Default)]
pub(super) struct Endings {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_proof: HashMap<Via, (UserId, Weak<CancellationToken>)>,
    /// Entries at which to look again for what is held no more.
    crowded: usize,
}

impl Endings {
    /// The ending of this proof.
    pub(super) fn of(&self, user: UserId, via: &Via) -> Arc<CancellationToken> {
        let mut known = self.known.lock();
        if let Some(ending) = known.by_proof.get(via).and_then(|(_, ending)| ending.upgrade()) {
            return ending;
        }
        if known.by_proof.len() >= known.crowded.max(FEW) {
            known.by_proof.retain(|_, (_, ending)| ending.strong_count() > 0);
            known.crowded = known.by_proof.len().saturating_mul(2);
        }
        let ending = Arc::new(CancellationToken::new());
        known.by_proof.insert(via.clone(), (user, Arc::downgrade(&ending)));
        ending
    }

    /// Fires those of the proofs that fit. Whoever proves the same later gets another.
    pub(super) fn fire(&self, fits: impl Fn(UserId, &Via) -> bool) {
        let mut fired = Vec::new();
        self.known.lock().by_proof.retain(|via, (user, ending)| {
            let fires = fits(*user, via);
            if fires {
                fired.extend(ending.upgrade());
            }
            !fires
        });
        // Outside the lock: this wakes whoever waits.
        for ending in fired {
            ending.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TokenId;

    #[test]
    fn what_fits_is_fired_and_what_is_forgotten_leaves_nothing() {
        let endings = Endings::default();
        let (ann, bob) = (UserId::generate(), UserId::generate());
        let token = || Via::Token { id: TokenId::generate() };
        let (one, two, other) = (token(), token(), token());
        let ended = [endings.of(ann, &one), endings.of(ann, &two), endings.of(bob, &other)];
        assert!(Arc::ptr_eq(&ended[0], &endings.of(ann, &one)), "one for all principals of a proof");
        let fired = || ended.each_ref().map(|ending| ending.is_cancelled());
        endings.fire(|_, via| *via == one);
        assert_eq!(fired(), [true, false, false]);
        assert!(!endings.of(ann, &one).is_cancelled(), "who proves it again begins anew");
        endings.fire(|user, _| user == ann);
        assert_eq!(fired(), [true, true, false]);
        for _ in 0..10 * FEW {
            drop(endings.of(ann, &token()));
        }
        assert!(endings.known.lock().by_proof.len() <= 2 * FEW);
        assert!(Arc::ptr_eq(&ended[2], &endings.of(bob, &other)), "what is held stays");
    }
}
