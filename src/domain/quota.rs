//! What a person may use: their own quota, that of their groups, and what the installation gives everybody.
//!
//! Each figure is decided on its own: the user's own counts before all, then the most generous of their
//! groups, then the installation's. For every figure but `instances`, 0 means "without a limit".

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{limits::size, names::ServiceName};

/// Figures that somebody has set. What is absent is left to the next in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Instances; 0 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// Processes of instances at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// Sum of the memory limits of instances that run or are about to, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Requests to instances per day, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<u64>,
    /// Instances made within the last hour, those that are deleted again among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creations_per_hour: Option<u32>,
    /// Requests per second over everything, with a burst of as many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<u32>,
    /// The same to the instances of one service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_calls_per_second: Option<u32>,
    /// The same with one token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_calls_per_second: Option<u32>,
}

impl Quota {
    /// The figures of `self`, and where there are none, those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            instances: self.instances.or(other.instances),
            running: self.running.or(other.running),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            calls_per_day: self.calls_per_day.or(other.calls_per_day),
            creations_per_hour: self.creations_per_hour.or(other.creations_per_hour),
            calls_per_second: self.calls_per_second.or(other.calls_per_second),
            service_calls_per_second: self.service_calls_per_second.or(other.service_calls_per_second),
            token_calls_per_second: self.token_calls_per_second.or(other.token_calls_per_second),
        }
    }

    /// Of each figure the one that allows more.
    #[must_use]
    pub fn most_generous(self, other: Self) -> Self {
        Self {
            instances: self.instances.max(other.instances),
            running: larger(self.running, other.running),
            memory_bytes: larger(self.memory_bytes, other.memory_bytes),
            calls_per_day: larger(self.calls_per_day, other.calls_per_day),
            creations_per_hour: larger(self.creations_per_hour, other.creations_per_hour),
            calls_per_second: larger(self.calls_per_second, other.calls_per_second),
            service_calls_per_second: larger(self.service_calls_per_second, other.service_calls_per_second),
            token_calls_per_second: larger(self.token_calls_per_second, other.token_calls_per_second),
        }
    }

    /// These figures changed by a JSON merge patch (RFC 7396): `null` takes one away, what is absent stays.
    ///
    /// # Errors
    /// When the patch names what is no figure, or gives one a value that is no whole number.
    pub fn patched(self, patch: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(figures) = value.as_object_mut() {
            for (name, figure) in patch {
                figures.insert(name.clone(), figure.clone());
            }
        }
        serde_json::from_value(value)
    }
}

/// Of two limits the larger; 0 is without one, and larger than all.
fn larger<T: Copy + Ord + Default>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) if one == T::default() || other == T::default() => Some(T::default()),
        (one, other) => one.max(other),
    }
}

/// Which services somebody may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowList {
    /// All.
    #[default]
    All,
    /// These.
    Only(BTreeSet<ServiceName>),
}

impl AllowList {
    /// Whether this service may be used: its instances made, seen in the catalog, called.
    #[must_use]
    pub fn allows(&self, service: &ServiceName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(service),
        }
    }
}

/// What a user or a group was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Figures.
    pub quota: Quota,
    /// Services that may be used; says nothing about them when absent.
    pub services: Option<BTreeSet<ServiceName>>,
}

/// Everything that was given to one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// To them alone.
    pub own: Grant,
    /// To each of their groups.
    pub groups: Vec<Grant>,
}

impl Grants {
    /// What follows from them where the installation gives everybody `installation`.
    #[must_use]
    pub fn entitlement(&self, installation: Quota) -> Entitlement {
        let of_groups = self.groups.iter().map(|group| group.quota).fold(Quota::default(), Quota::most_generous);
        Entitlement::new(self.own.quota.or(of_groups).or(installation), self.allow_list())
    }

    /// The user's own list counts before all; else what any of their groups allows. A group that says
    /// nothing adds nothing and takes nothing away; where nobody says anything, all are allowed.
    fn allow_list(&self) -> AllowList {
        if let Some(own) = &self.own.services {
            return AllowList::Only(own.clone());
        }
        let mut lists = self.groups.iter().filter_map(|group| group.services.as_ref()).peekable();
        if lists.peek().is_none() { AllowList::All } else { AllowList::Only(lists.flatten().cloned().collect()) }
    }
}

/// What one user may use. `None` is without a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// See [`Quota::instances`].
    pub instances: u32,
    /// See [`Quota::running`].
    pub running: Option<u32>,
    /// See [`Quota::memory_bytes`].
    pub memory_bytes: Option<u64>,
    /// See [`Quota::calls_per_day`].
    pub calls_per_day: Option<u64>,
    /// See [`Quota::creations_per_hour`].
    pub creations_per_hour: Option<u32>,
    /// See [`Quota::calls_per_second`].
    pub calls_per_second: Option<u32>,
    /// See [`Quota::service_calls_per_second`].
    pub service_calls_per_second: Option<u32>,
    /// See [`Quota::token_calls_per_second`].
    pub token_calls_per_second: Option<u32>,
    /// Services that may be used.
    pub services: AllowList,
}

impl Entitlement {
    fn new(quota: Quota, services: AllowList) -> Self {
        Self {
            instances: quota.instances.unwrap_or(u32::MAX),
            running: limit(quota.running),
            memory_bytes: limit(quota.memory_bytes),
            calls_per_day: limit(quota.calls_per_day),
            creations_per_hour: limit(quota.creations_per_hour),
            calls_per_second: limit(quota.calls_per_second),
            service_calls_per_second: limit(quota.service_calls_per_second),
            token_calls_per_second: limit(quota.token_calls_per_second),
            services,
        }
    }

    /// Everything, without a limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(Quota::default(), AllowList::All)
    }

    /// Whether another process may start beside those that are there.
    ///
    /// # Errors
    /// What stands against it, in words.
    pub fn check_start(&self, there: Occupied, more: Occupied) -> Result<(), StartRefusal> {
        let after = there.plus(more);
        if let Some(allowed) = self.running.filter(|allowed| more.processes > 0 && after.processes > *allowed) {
            return Err(StartRefusal::Running { used: there.processes, allowed });
        }
        let over = self.memory_bytes.filter(|allowed| more.memory_bytes > 0 && after.memory_bytes > *allowed);
        if let Some(allowed) = over {
            return Err(StartRefusal::Memory { used: there.memory_bytes, wanted: more.memory_bytes, allowed });
        }
        Ok(())
    }
}

fn limit<T: Default + PartialEq>(figure: Option<T>) -> Option<T> {
    figure.filter(|figure| *figure != T::default())
}

/// What the processes of one user take of their quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// Processes that run or are about to.
    pub processes: u32,
    /// Sum of the memory limits of their instances, in bytes; an instance without a limit counts nothing.
    pub memory_bytes: u64,
}

impl Occupied {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            processes: self.processes.saturating_add(other.processes),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }
}

/// Why an instance may not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StartRefusal {
    /// As many processes run as may.
    #[error("the quota of running processes is used up ({used} of {allowed}); stop another instance or ask for more")]
    Running {
        /// Processes that run or are about to.
        used: u32,
        /// How many may.
        allowed: u32,
    },
    /// The memory limits of those that run leave too little.
    #[error(
        "the quota of {} of memory is used up: running instances may use {}, this one {} more; stop another \
         instance, lower a memory limit or ask for more",
        size(*allowed), size(*used), size(*wanted)
    )]
    Memory {
        /// Sum of the limits of those that run, in bytes.
        used: u64,
        /// The limit of the one that is to start, in bytes.
        wanted: u64,
        /// How much there may be, in bytes.
        allowed: u64,
    },
}
