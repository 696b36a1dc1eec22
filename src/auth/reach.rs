//! How far a proof of identity reaches: never further than the account, often less far.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use crate::domain::{ids::InstanceId, tools::ToolLimit};

/// What the holder of a proof may touch of what its account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// These instances; all when absent.
    pub instances: Option<HashSet<InstanceId>>,
    /// Tools by these names; all when absent.
    pub tools: Option<Arc<BTreeSet<String>>>,
    /// Whether it may only list and read, and call no tool.
    pub read_only: bool,
}

impl Reach {
    /// The whole account.
    pub const WHOLE: Self = Self { instances: None, tools: None, read_only: false };

    /// Whether it is as far as the account.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// Whether the instance is within it.
    #[must_use]
    pub fn covers(&self, instance: InstanceId) -> bool {
        self.instances.as_ref().is_none_or(|instances| instances.contains(&instance))
    }

    /// What it says of tools; `None` when it does not limit them.
    #[must_use]
    pub fn tool_limit(&self) -> Option<ToolLimit> {
        ToolLimit::of(self.tools.as_ref(), self.read_only)
    }

    /// Whether a tool of this name may be called.
    #[must_use]
    pub fn may_call(&self, tool: &str) -> bool {
        !self.read_only && self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }
}
