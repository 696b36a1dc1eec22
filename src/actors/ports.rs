//! Port leases: a lease is freed when it is dropped, whatever the reason.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::domain::ports::PortRange;

/// Ports of HTTP children: of dedicated ones, or of shared services.
pub struct PortRegistry {
    range: PortRange,
    leased: Mutex<HashSet<u16>>,
}

/// One port, until dropped.
pub struct PortLease {
    port: u16,
    registry: Arc<PortRegistry>,
}

impl PortRegistry {
    /// All of `range` is free.
    #[must_use]
    pub fn new(range: PortRange) -> Arc<Self> {
        Arc::new(Self { range, leased: Mutex::default() })
    }

    /// Leases a port by the rule of [`PortRange::choose`]; one that a foreign program holds is
    /// skipped. `None` when the whole range is taken.
    #[must_use]
    pub fn lease(self: &Arc<Self>, previous: Option<u16>, user_number: u32, number: u32) -> Option<PortLease> {
        let mut leased = self.leased.lock();
        let port =
            self.range.choose(previous, user_number, number, |port| !leased.contains(&port) && is_unused(port))?;
        leased.insert(port);
        Some(PortLease { port, registry: Arc::clone(self) })
    }

    /// Leases the first of `ports` that is in the range and free.
    #[must_use]
    pub fn lease_one_of(self: &Arc<Self>, ports: impl IntoIterator<Item = u16>) -> Option<PortLease> {
        let mut leased = self.leased.lock();
        let is_free = |port: &u16| self.range.contains(*port) && !leased.contains(port) && is_unused(*port);
        let port = ports.into_iter().find(is_free)?;
        leased.insert(port);
        Some(PortLease { port, registry: Arc::clone(self) })
    }

    /// How many are leased.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.leased.lock().len()
    }

    /// The range.
    #[must_use]
    pub const fn range(&self) -> PortRange {
        self.range
    }
}

impl PortLease {
    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        self.registry.leased.lock().remove(&self.port);
    }
}

/// Whether nobody listens on it. A child that binds other addresses too is still found by this:
/// the kernel refuses loopback when the wildcard is taken.
fn is_unused(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lease_is_free_again_and_a_foreign_port_is_skipped() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = held.local_addr().unwrap().port();
        let Some(last) = first.checked_add(20) else { return };
        let registry = PortRegistry::new(format!("{first}-{last}").parse().unwrap());
        let one = registry.lease(None, 0, 0).unwrap();
        assert_ne!(one.port(), first, "a foreign program holds it");
        let two = registry.lease(Some(one.port()), 0, 0).unwrap();
        assert_ne!(one.port(), two.port());
        let port = one.port();
        drop(one);
        assert_eq!(registry.lease(Some(port), 0, 0).map(|lease| lease.port()), Some(port));
        assert_eq!(registry.leased(), 1);
        let named = registry.lease_one_of([first, last.saturating_add(1), port, port + 1]);
        assert_eq!(named.map(|lease| lease.port()), Some(port), "the first is held, the second not in the range");
    }
}
