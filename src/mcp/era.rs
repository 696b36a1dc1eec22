//! Which era a POST belongs to: sessions (to 2025-11-25) or requests that carry all they need.
//!
//! Both eras share one URL. The stateless one announces itself twice, in the
//! `MCP-Protocol-Version` header and in `params._meta` (streamable-http 2026-07-28, "Protocol
//! Version Header"; index, "Per-request protocol fields"). One of the two is enough to be taken at
//! one's word: that they agree is checked afterwards, with the errors of that era.

use memchr::memmem;

use super::{
    jsonrpc::Message,
    members::members,
    meta::{META, PROTOCOL_VERSION},
    version,
};

/// The two ways of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, then everything within a session.
    Session,
    /// From 2026-07-28 on: every request by itself.
    Stateless,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Session, Self::Stateless];

    /// As it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Stateless => "stateless",
        }
    }
}

/// The era of a POST with this `MCP-Protocol-Version` header and this body.
#[must_use]
pub fn classify(version_header: Option<&str>, message: Option<&Message>) -> Era {
    let announced = version_header.is_some_and(version::is_stateless) || message.is_some_and(carries_version);
    if announced { Era::Stateless } else { Era::Session }
}

/// Whether `params._meta` has the key of the version, whatever its value. Doubled members count as
/// there: it is for the reader of the metadata to refuse them.
fn carries_version(message: &Message) -> bool {
    let Some(params) = message.params() else { return false };
    if !may_name_version(params.as_bytes()) {
        return false;
    }
    let metas = members(params).unwrap_or_default().into_iter().filter(|member| member.is(META));
    metas.flat_map(|meta| members(meta.value).unwrap_or_default()).any(|member| member.is(PROTOCOL_VERSION))
}

/// Calls of the session era never get beyond this. The slash has a short escape (`\/`), all else in
/// the key can only be escaped with a backslash-u.
fn may_name_version(params: &[u8]) -> bool {
    memmem::find(params, b"/protocolVersion").is_some() || memmem::find(params, b"\\u").is_some()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn message(method: &str, params: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Message::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn the_header_alone_decides_where_it_names_the_stateless_era() {
        let initialize = message("initialize", r#"{"protocolVersion":"2025-11-25"}"#);
        let cases = [
            (Some("2026-07-28"), Era::Stateless),
            (Some("2027-02-01"), Era::Stateless),
            (Some("2025-11-25"), Era::Session),
            (Some("tomorrow"), Era::Session),
            (Some(""), Era::Session),
            (None, Era::Session),
        ];
        for (header, expected) in cases {
            assert_eq!(classify(header, Some(&initialize)), expected, "{header:?}");
            assert_eq!(classify(header, None), expected, "{header:?}");
        }
    }

    #[test]
    fn the_key_counts_only_where_it_belongs() {
        let cases = [
            (r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, Era::Stateless),
            (r#"{"_meta":{"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}"#, Era::Stateless),
            (r#"{"_meta":{"io.modelcontextprotocol\u002fprotocolVersion":1}}"#, Era::Stateless),
            (r#"{"_meta":{"\u0069o.modelcontextprotocol/protocol\u0056ersion":null}}"#, Era::Stateless),
            (r#"{"\u005fmeta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, Era::Stateless),
            (r#"{"_meta":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}"#, Era::Stateless),
            (r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"},"_meta":1}"#, Era::Stateless),
            (r#"{"\ud800":1,"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}"#, Era::Stateless),
            (r#"{"arguments":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#, Era::Session),
            (r#"{"arguments":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, Era::Session),
            (r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#, Era::Session),
            (r#"{"_meta":{"a":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#, Era::Session),
            (r#"{"_meta":"io.modelcontextprotocol/protocolVersion"}"#, Era::Session),
            (r#"{"_meta":["io.modelcontextprotocol/protocolVersion"]}"#, Era::Session),
            (r#"{"_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}}"#, Era::Session),
            (r#"[{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}]"#, Era::Session),
            (r#"{"protocolVersion":"2026-07-28"}"#, Era::Session),
            ("{}", Era::Session),
        ];
        for (params, expected) in cases {
            for method in ["tools/call", "initialize"] {
                let message = message(method, params);
                assert_eq!(classify(None, Some(&message)), expected, "{params}");
                assert_eq!(classify(Some("2025-06-18"), Some(&message)), expected, "{params}");
            }
        }
    }

    #[test]
    fn messages_without_params_say_nothing() {
        for text in [r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
            let message = Message::parse(Bytes::from_static(text.as_bytes())).unwrap();
            assert_eq!(classify(None, Some(&message)), Era::Session);
        }
    }

    proptest! {
        #[test]
        fn any_spelling_of_the_key_is_found(escaped in prop::collection::vec(any::<bool>(), PROTOCOL_VERSION.len())) {
            let spell = |(letter, escape): (char, bool)| {
                if escape { format!("\\u{:04x}", letter as u32) } else { letter.to_string() }
            };
            let key: String = PROTOCOL_VERSION.chars().zip(escaped).map(spell).collect();
            let message = message("tools/list", &format!(r#"{{"_meta":{{"{key}":"2026-07-28"}}}}"#));
            prop_assert_eq!(classify(None, Some(&message)), Era::Stateless);
        }
    }
}
