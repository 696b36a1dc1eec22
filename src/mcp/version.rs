//! Protocol versions of the session era, as the specification names them.

/// The versions that use `initialize` and sessions, oldest first.
pub const SESSION_ERA: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What is offered to children, and answered to clients that ask for something unknown.
pub const LATEST_SESSION_ERA: &str = "2025-11-25";

/// The version that a client gets which asked for `requested` (lifecycle, "Version Negotiation":
/// the same if it is supported, else the newest that is).
#[must_use]
pub fn negotiate(requested: &str) -> &'static str {
    SESSION_ERA.into_iter().find(|version| *version == requested).unwrap_or(LATEST_SESSION_ERA)
}

/// The version of that name, if it is one of the session era.
#[must_use]
pub fn known(name: &str) -> Option<&'static str> {
    SESSION_ERA.into_iter().find(|version| *version == name)
}

/// Whether an `MCP-Protocol-Version` header names a version that is served.
#[must_use]
pub fn is_supported(version: &str) -> bool {
    SESSION_ERA.contains(&version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_versions_are_kept_and_others_get_the_newest() {
        for version in SESSION_ERA {
            assert_eq!(negotiate(version), version);
        }
        assert_eq!(negotiate("1999-01-01"), LATEST_SESSION_ERA);
        assert!(!is_supported("1999-01-01"));
    }
}
