//! Protocol versions of both eras, as the specification names them.

/// The versions that use `initialize` and sessions, oldest first.
pub const SESSION_ERA: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What is offered to children, and answered to clients that ask for something unknown.
pub const LATEST_SESSION_ERA: &str = "2025-11-25";

/// The first version without sessions: each request carries what it needs (changelog 2026-07-28).
pub const STATELESS: &str = "2026-07-28";

/// Every version that is served, newest first: what `supported` lists in an
/// `UnsupportedProtocolVersionError` and `supportedVersions` in the answer to `server/discover`.
pub const SUPPORTED: [&str; 5] = [STATELESS, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Whether `version` is of the stateless era: a date from [`STATELESS`] on, served or not. Versions
/// are dates (YYYY-MM-DD, learn/versioning), and those compare as text; anything else is of
/// no era.
#[must_use]
pub fn is_stateless(version: &str) -> bool {
    is_date(version) && version >= STATELESS
}

fn is_date(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == STATELESS.len() && text.bytes().enumerate().all(fits)
}

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

/// Whether an `MCP-Protocol-Version` header names a version that is served with sessions.
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
    #[test]
    fn all_that_is_served_is_listed_newest_first() {
        assert_eq!(SUPPORTED[0], STATELESS);
        assert!(SUPPORTED[1..].iter().eq(SESSION_ERA.iter().rev()));
        assert!(SUPPORTED.is_sorted_by(|one, next| one > next));
    }

    #[test]
    fn the_era_of_a_version_is_its_date() {
        let cases = [
            ("2026-07-28", true),
            ("2026-07-29", true),
            ("2027-01-01", true),
            ("9999-99-99", true),
            ("2026-07-27", false),
            ("2025-11-25", false),
            ("", false),
            ("draft", false),
            ("DRAFT-2026-v1", false),
            ("2026-07-28 ", false),
            ("2026-7-28", false),
            ("2026/07/28", false),
            ("zzzz-zz-zz", false),
            ("２０26-07", false),
        ];
        for (version, expected) in cases {
            assert_eq!(is_stateless(version), expected, "{version}");
        }
    }
}
