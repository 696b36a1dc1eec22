//! What a service adds to a start while its instance is being debugged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Launch;

/// What is added to a start while an instance is being debugged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DebugSpec {
    /// Environment on top of the usual one; templates are filled. Default: [`DebugSpec::USUAL`] and, for Node,
    /// [`DebugSpec::USUAL_OF_NODE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Arguments after the usual ones; templates are filled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
}

impl DebugSpec {
    /// What most servers heed; what they then say goes to standard error.
    pub const USUAL: &[(&str, &str)] = &[("LOG_LEVEL", "debug"), ("DEBUG", "mcp:*")];
    /// What Node itself heeds; it writes to standard error.
    pub const USUAL_OF_NODE: &[(&str, &str)] = &[("NODE_DEBUG", "http,net,stream")];

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The environment to add, for a service that is launched so.
    #[must_use]
    pub fn environment(&self, launch: &Launch) -> BTreeMap<String, String> {
        if let Some(env) = &self.env {
            return env.clone();
        }
        let of_node = if launch.is_node() { Self::USUAL_OF_NODE } else { &[] };
        Self::USUAL.iter().chain(of_node).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn environment_is_the_manifests_or_the_usual() {
        let node = json!({"kind": "npm", "package": "a", "version": "1.0.0"});
        let other = json!({"kind": "command", "command": "x"});
        let usual = json!({"LOG_LEVEL": "debug", "DEBUG": "mcp:*"});
        let of_node = json!({"LOG_LEVEL": "debug", "DEBUG": "mcp:*", "NODE_DEBUG": "http,net,stream"});
        let cases = [
            (json!({}), &node, of_node),
            (json!({"args": ["-v"]}), &other, usual),
            (json!({"env": {"A": "b"}}), &node, json!({"A": "b"})),
            (json!({"env": {}}), &other, json!({})),
        ];
        for (spec, launch, expected) in cases {
            let spec: DebugSpec = serde_json::from_value(spec).unwrap();
            let launch: Launch = serde_json::from_value(launch.clone()).unwrap();
            assert_eq!(json!(spec.environment(&launch)), expected, "{spec:?}");
        }
    }
}
