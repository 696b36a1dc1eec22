//! The state machine of an instance: `(state, event) → state`, pure and complete.
//!
//! The actor that owns an instance asks [`State::on`] before it acts; an event that a state does not
//! know is refused (`None`) and changes nothing, so a late or repeated event cannot revive a
//! stopped instance.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded, not yet started (its package may be installing).
    Pending,
    /// Its process runs, but has not answered yet.
    Starting,
    /// It answers.
    Running,
    /// It runs but its health check fails.
    Unhealthy,
    /// It ended and is started again after a delay.
    Restarting,
    /// It ended too often; a person must act.
    Failed,
    /// Toggled off by its owner.
    Stopped,
    /// Put to sleep; wakes on the next request.
    Idle,
    /// Past its `expires_at`; renew or restore brings it back.
    Expired,
    /// Known, but its process was lost and is not being started.
    Disconnected,
    /// Gone.
    Deleted,
}

/// What can happen to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody wants it up: creation, toggle, restore, restart of Berth, wake.
    StartRequested,
    /// Its process was started.
    Spawned,
    /// It answered.
    Ready,
    /// Its health check failed often enough.
    HealthLost,
    /// Its health check succeeds again.
    HealthRegained,
    /// It ended and the policy allows another start.
    EndedWillRestart,
    /// It ended and the policy says stop trying.
    EndedForGood,
    /// Another process is to take its place: what it was started with has changed.
    RefreshRequested,
    /// Its owner turned it off.
    StopRequested,
    /// Nobody used it for a while.
    SleepRequested,
    /// `expires_at` has come.
    ExpiryReached,
    /// Its process vanished while nobody was watching.
    ConnectionLost,
    /// Its owner deleted it.
    DeleteRequested,
}

impl State {
    /// All states, for tables and metrics.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Starting,
        Self::Running,
        Self::Unhealthy,
        Self::Restarting,
        Self::Failed,
        Self::Stopped,
        Self::Idle,
        Self::Expired,
        Self::Disconnected,
        Self::Deleted,
    ];

    /// The state after `event`, or `None` where the event has no meaning in this state.
    #[must_use]
    pub const fn on(self, event: Event) -> Option<Self> {
        use Event as E;
        use State as S;
        match (self, event) {
            (S::Deleted, _) => None,
            (_, E::DeleteRequested) => Some(S::Deleted),
            (S::Expired, E::StartRequested) => Some(S::Pending),
            (S::Expired, _) => None,
            (_, E::ExpiryReached) => Some(S::Expired),
            (S::Stopped, E::StopRequested) => None,
            (_, E::StopRequested) => Some(S::Stopped),
            (S::Stopped | S::Failed | S::Idle | S::Disconnected | S::Restarting, E::StartRequested) => Some(S::Pending),
            (S::Pending | S::Restarting, E::Spawned) => Some(S::Starting),
            (S::Starting, E::Ready) | (S::Unhealthy, E::HealthRegained) => Some(S::Running),
            (S::Running, E::HealthLost) => Some(S::Unhealthy),
            // Also while restarting: a start may fail before there is a process.
            (S::Pending | S::Starting | S::Running | S::Unhealthy | S::Restarting, E::EndedWillRestart) => {
                Some(S::Restarting)
            }
            (S::Pending | S::Starting | S::Running | S::Unhealthy | S::Restarting, E::EndedForGood) => Some(S::Failed),
            (S::Pending | S::Starting | S::Running | S::Unhealthy | S::Restarting, E::RefreshRequested) => {
                Some(S::Pending)
            }
            // Before it has a process: what woke it could not be given one.
            (S::Pending | S::Running | S::Unhealthy, E::SleepRequested) => Some(S::Idle),
            (S::Pending | S::Starting | S::Running | S::Unhealthy | S::Restarting, E::ConnectionLost) => {
                Some(S::Disconnected)
            }
            _ => None,
        }
    }

    /// Whether a request to the instance may wait for it to become ready.
    #[must_use]
    pub const fn will_run(self) -> bool {
        matches!(self, Self::Pending | Self::Starting | Self::Restarting | Self::Idle)
    }

    /// Whether calls are handed to its process.
    #[must_use]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Running | Self::Unhealthy)
    }

    /// The name that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Disconnected => "disconnected",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("unknown instance state {text:?}"))
    }
}

/// The outcome of the last health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answered its check.
    Healthy,
    /// It did not.
    Unhealthy,
    /// Not checked since its last start.
    #[default]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 13] = [
        Event::StartRequested,
        Event::Spawned,
        Event::Ready,
        Event::HealthLost,
        Event::HealthRegained,
        Event::EndedWillRestart,
        Event::EndedForGood,
        Event::StopRequested,
        Event::SleepRequested,
        Event::ExpiryReached,
        Event::ConnectionLost,
        Event::DeleteRequested,
        Event::RefreshRequested,
    ];

    /// The whole table: one letter per event of `EVENTS`, naming the next state, `.` for refused.
    const TABLE: [(State, &str); 11] = [
        (State::Pending, ".s...rfSieDxp"),
        (State::Starting, "..R..rfS.eDxp"),
        (State::Running, "...U.rfSieDxp"),
        (State::Unhealthy, "....RrfSieDxp"),
        (State::Restarting, "ps...rfS.eDxp"),
        (State::Failed, "p......S.e.x."),
        (State::Stopped, "p........e.x."),
        (State::Idle, "p......S.e.x."),
        (State::Expired, "p..........x."),
        (State::Disconnected, "p......S.e.x."),
        (State::Deleted, "............."),
    ];

    fn letter(state: Option<State>) -> char {
        match state {
            None => '.',
            Some(State::Pending) => 'p',
            Some(State::Starting) => 's',
            Some(State::Running) => 'R',
            Some(State::Unhealthy) => 'U',
            Some(State::Restarting) => 'r',
            Some(State::Failed) => 'f',
            Some(State::Stopped) => 'S',
            Some(State::Idle) => 'i',
            Some(State::Expired) => 'e',
            Some(State::Disconnected) => 'D',
            Some(State::Deleted) => 'x',
        }
    }

    #[test]
    fn the_whole_table() {
        for (state, row) in TABLE {
            let got: String = EVENTS.iter().map(|event| letter(state.on(*event))).collect();
            assert_eq!(got, row, "{state}");
        }
    }

    #[test]
    fn names_round_trip() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("bogus".parse::<State>().is_err());
    }
}
