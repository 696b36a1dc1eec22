//! What clients have open, counted for those who watch Berth.

use super::Route;

/// What clients have open, of one instance or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sessions.
    pub sessions: usize,
    /// Calls that wait for their client's input.
    pub parked: usize,
    /// Listen streams of clients without a session.
    pub listens: usize,
    /// Calls that the child has not answered; the parked ones among them.
    pub in_flight: usize,
}

impl Traffic {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}

impl std::iter::Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            sessions: sum.sessions + one.sessions,
            parked: sum.parked + one.parked,
            listens: sum.listens + one.listens,
            in_flight: sum.in_flight + one.in_flight,
        })
    }
}

impl Route {
    /// What its clients have open now.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        if let Some(connections) = self.connections() {
            return connections.all().iter().map(|seat| seat.route.traffic()).sum();
        }
        let sessions = self.sessions.len();
        let Some(upstream) = self.upstream() else { return Traffic { sessions, ..Traffic::default() } };
        Traffic {
            sessions,
            parked: upstream.held.parked(),
            listens: upstream.held.listens(),
            in_flight: upstream.pulse.in_flight(),
        }
    }
}
