//! How the processes of one service serve the instances of many users.

use std::{ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a service is shared among instances. That it is there says that the service's processes obey the contract of
/// shared services, in whichever mode they run: they serve `/{instance}/mcp` to their gateway alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedSpec {
    /// The port of its first process, inside the shared range; the others have those that follow. Each is unique
    /// in the catalog.
    pub port: u16,
    /// Processes of it. Default 1.
    #[serde(default = "one")]
    pub workers: u16,
    /// When they are started. The setting's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<SharedStart>,
}

impl SharedSpec {
    /// The most processes of one service.
    pub const MAX_WORKERS: u16 = 64;

    /// The ports of its processes; the last one is cut off at the end of all ports.
    #[must_use]
    pub const fn ports(&self) -> RangeInclusive<u16> {
        self.port..=self.port.saturating_add(self.workers.saturating_sub(1))
    }
}

/// When the processes of a shared service are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedStart {
    /// With Berth; they are never ended for want of use.
    Boot,
    /// With the first instance that needs them, and ended when none has for the service's idle time.
    #[default]
    FirstUse,
}

impl FromStr for SharedStart {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "boot" => Ok(Self::Boot),
            "first_use" => Ok(Self::FirstUse),
            _ => Err("must be `boot` or `first_use`"),
        }
    }
}

const fn one() -> u16 {
    1
}
