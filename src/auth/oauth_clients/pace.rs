//! How often one address may do what anybody may: register a client, start a device's sign-in.

use std::num::NonZeroU32;

use governor::{Quota, RateLimiter, clock::DefaultClock, state::keyed::HashMapStateStore};

/// Addresses that are remembered; beyond that those that have been idle are forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// Counts per address.
pub struct Pace(RateLimiter<String, HashMapStateStore<String>, DefaultClock>);

impl Pace {
    /// Allows `burst` at once, and `per_hour` after that.
    #[must_use]
    pub fn new(burst: NonZeroU32, per_hour: NonZeroU32) -> Self {
        Self(RateLimiter::hashmap(Quota::per_hour(per_hour).allow_burst(burst)))
    }

    /// Whether this address may go on.
    #[must_use]
    pub fn allows(&self, address: &str) -> bool {
        if self.0.len() > MAX_ADDRESSES {
            self.0.retain_recent();
        }
        self.0.check_key(&address.to_owned()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_pace() {
        let two = NonZeroU32::new(2).unwrap();
        let pace = Pace::new(two, two);
        assert!(pace.allows("a") && pace.allows("a") && !pace.allows("a"));
        assert!(pace.allows("b"));
    }
}
