//! The metadata that a request of the stateless era carries, and its way between the eras.
//!
//! Source: index 2026-07-28, "`_meta`", "Per-request protocol fields": version and capabilities are
//! required of every request, client info and log level are not; the names are reserved for the
//! protocol. What is wrong with them is answered with -32602 and HTTP 400.
//!
//! [`without_protocol_keys`] takes a request to a child of the session era, [`with_protocol_keys`]
//! one of that era to a child without sessions. Both return edits for [`super::jsonrpc::splice`];
//! members that they do not concern (`traceparent`, foreign keys) keep their bytes.

use std::ops::Range;

use thiserror::Error;

use super::{
    capabilities::{ClientCapabilities, LogLevel},
    jsonrpc::Message,
    members::{Member, Twice, members, only, span, string},
};

/// The field of `params` that carries it all.
pub const META: &str = "_meta";
/// The version of the protocol that the request speaks.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do for this request.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Name and version of the client.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The least severe log message that the client wants for this request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The key under which a request asks for progress, in both eras.
pub const PROGRESS_TOKEN: &str = "progressToken";

const PROTOCOL_KEYS: [&str; 4] = [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL];

/// A range of a message and what takes its place.
pub type Edit = (Range<usize>, Vec<u8>);

/// The edits as [`super::jsonrpc::splice`] and [`Message::to_line`] take them.
#[must_use]
pub fn borrowed(edits: &[Edit]) -> Vec<(Range<usize>, &[u8])> {
    edits.iter().map(|(range, new)| (range.clone(), new.as_slice())).collect()
}

/// What is wrong with the metadata; the text is for the client.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MetaError {
    /// A required key is not there.
    #[error("`params._meta` must have the key `{0}`")]
    Missing(&'static str),
    /// A key is of the wrong type, or has a value that is not one of its own.
    #[error("`{key}` must be {expected}")]
    Invalid {
        /// Which.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A key is there twice: the server could read the other one.
    #[error("`{0}` must not be there twice")]
    Twice(&'static str),
}

/// The metadata of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMeta {
    /// The version that it speaks, served or not.
    pub version: String,
    /// What the client can do for it.
    pub capabilities: ClientCapabilities,
    /// Where the capabilities lie in the message, all of them.
    pub raw_capabilities: Range<usize>,
    /// The least severe log message it wants; without it, it wants none.
    pub log_level: Option<LogLevel>,
    /// Where the progress token lies in the message.
    pub progress_token: Option<Range<usize>>,
}

impl RequestMeta {
    /// Reads it: `params` once, and `_meta` once more.
    ///
    /// # Errors
    /// When a required key is missing, or one of the keys that we read is there twice or not what
    /// it must be. Keys that are not ours to read may be anything.
    pub fn read(message: &Message) -> Result<Self, MetaError> {
        let meta = match meta_of(&params_of(message)?.unwrap_or_default())? {
            Some((_, meta)) => meta,
            None => return Err(MetaError::Missing(PROTOCOL_VERSION)),
        };
        let version = required(&meta, PROTOCOL_VERSION)?.value;
        let version = string(version).ok_or(invalid(PROTOCOL_VERSION, "a string"))?.into_owned();
        let raw_capabilities = required(&meta, CLIENT_CAPABILITIES)?.value;
        let capabilities = ClientCapabilities::read(raw_capabilities)
            .ok_or(invalid(CLIENT_CAPABILITIES, "an object with no capability twice"))?;
        single(&meta, CLIENT_INFO)?;
        Ok(Self {
            version,
            capabilities,
            raw_capabilities: span(message, raw_capabilities),
            log_level: single(&meta, LOG_LEVEL)?.map(log_level).transpose()?,
            progress_token: progress_token(&meta)?.map(|token| span(message, token)),
        })
    }
}

/// The edits that take the keys of the stateless era out of `params._meta`, and put `token`, raw
/// JSON, in place of the progress token.
///
/// # Errors
/// When `params` or `_meta` is no object or `_meta` or the progress token is there twice.
pub fn without_protocol_keys(message: &Message, token: Option<&str>) -> Result<Vec<Edit>, MetaError> {
    rewrite(message, "", &[], token)
}

/// The edits that put `keys`, raw JSON members such as `"a":1,"b":{}`, into `params._meta`, and
/// `token`, raw JSON, in place of the progress token. `params` and `_meta` are created where they
/// are missing. What the sender had put under these names, or under a name of the stateless era, is
/// dropped: it is not for a client of the other era to say.
///
/// # Errors
/// When `params` or `_meta` is no object or `_meta` or the progress token is there twice.
pub fn with_protocol_keys(message: &Message, keys: &str, token: Option<&str>) -> Result<Vec<Edit>, MetaError> {
    let object = format!("{{{keys}}}");
    let added = members(&object).ok_or(invalid("keys", "members of a JSON object"))?;
    rewrite(message, keys, &added, token)
}

fn rewrite(message: &Message, keys: &str, added: &[Member<'_>], token: Option<&str>) -> Result<Vec<Edit>, MetaError> {
    let params = params_of(message)?;
    let (place, meta) = match meta_of(params.as_deref().unwrap_or_default())? {
        Some((raw, meta)) => (Place::Meta(span(message, raw)), meta),
        None => (Place::missing(message, params.as_deref()), Vec::new()),
    };
    // Refused even where it is replaced: one of two would stay.
    single(&meta, PROGRESS_TOKEN)?;
    let is_ours = |member: &Member<'_>| {
        PROTOCOL_KEYS.into_iter().any(|name| member.is(name)) || added.iter().any(|new| new.name() == member.name())
    };
    let kept: Vec<_> = meta.iter().filter(|member| !is_ours(member)).collect();
    if kept.len() == meta.len() && added.is_empty() && token.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![place.put(&object_of(&kept, keys, token))])
}

/// Where the `_meta` object goes.
enum Place {
    /// In place of the one there.
    Meta(Range<usize>),
    /// At the beginning of `params`, whose first member follows if it has one.
    Params { at: usize, empty: bool },
    /// At the end of the message, which has no `params`.
    Message { at: usize },
}

impl Place {
    fn missing(message: &Message, params: Option<&[Member<'_>]>) -> Self {
        match (params, message.params()) {
            (Some(members), Some(raw)) => Self::Params { at: span(message, raw).start + 1, empty: members.is_empty() },
            // The message is an object, so its last brace is its end; it has members, `jsonrpc` at least.
            _ => Self::Message { at: message.body().iter().rposition(|byte| *byte == b'}').unwrap_or_default() },
        }
    }

    fn put(self, meta: &str) -> Edit {
        match self {
            Self::Meta(range) => (range, meta.into()),
            Self::Params { at, empty } => {
                let comma = if empty { "" } else { "," };
                (at..at, format!(r#""_meta":{meta}{comma}"#).into_bytes())
            }
            Self::Message { at } => (at..at, format!(r#","params":{{"_meta":{meta}}}"#).into_bytes()),
        }
    }
}

/// The object of the `kept` members and the raw ones of `keys`, with `token` as progress token.
fn object_of(kept: &[&Member<'_>], keys: &str, token: Option<&str>) -> String {
    let mut parts: Vec<String> = Vec::with_capacity(kept.len() + 2);
    for member in kept {
        let replaced = token.filter(|_| member.is(PROGRESS_TOKEN));
        parts.push(format!("{}:{}", member.key, replaced.unwrap_or(member.value)));
    }
    if let Some(token) = token.filter(|_| !kept.iter().any(|member| member.is(PROGRESS_TOKEN))) {
        parts.push(format!(r#""{PROGRESS_TOKEN}":{token}"#));
    }
    if !keys.trim().is_empty() {
        parts.push(keys.to_owned());
    }
    format!("{{{}}}", parts.join(","))
}

fn params_of(message: &Message) -> Result<Option<Vec<Member<'_>>>, MetaError> {
    let read = |params| members(params).ok_or(invalid("params", "an object"));
    message.params().map(read).transpose()
}

/// The raw `_meta` of these params, and its members.
fn meta_of<'a>(params: &[Member<'a>]) -> Result<Option<(&'a str, Vec<Member<'a>>)>, MetaError> {
    let read = |meta: Member<'a>| Ok((meta.value, members(meta.value).ok_or(invalid(META, "an object"))?));
    single(params, META)?.map(read).transpose()
}

fn single<'a>(members: &[Member<'a>], key: &'static str) -> Result<Option<Member<'a>>, MetaError> {
    only(members, key).map_err(|Twice| MetaError::Twice(key))
}

fn required<'a>(members: &[Member<'a>], key: &'static str) -> Result<Member<'a>, MetaError> {
    single(members, key)?.ok_or(MetaError::Missing(key))
}

fn log_level(member: Member<'_>) -> Result<LogLevel, MetaError> {
    let level = string(member.value).and_then(|name| LogLevel::read(&name));
    level.ok_or(invalid(LOG_LEVEL, "one of debug, info, notice, warning, error, critical, alert, emergency"))
}

fn progress_token<'a>(meta: &[Member<'a>]) -> Result<Option<&'a str>, MetaError> {
    let Some(member) = single(meta, PROGRESS_TOKEN)? else { return Ok(None) };
    match member.value.as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9') => Ok(Some(member.value)),
        _ => Err(invalid(PROGRESS_TOKEN, "a string or a number")),
    }
}

const fn invalid(key: &'static str, expected: &'static str) -> MetaError {
    MetaError::Invalid { key, expected }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::mcp::jsonrpc::splice;

    const NEEDED: &str =
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

    fn parse(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    fn request(params: &str) -> Message {
        parse(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#))
    }

    fn with_meta(members: &str) -> Message {
        request(&format!(r#"{{"name":"n","_meta":{{{members}}}}}"#))
    }

    fn text(message: &Message, range: Range<usize>) -> &str {
        std::str::from_utf8(&message.body()[range]).unwrap()
    }

    fn edited(message: &Message, edits: &[Edit]) -> String {
        String::from_utf8(splice(message.body(), &borrowed(edits))).unwrap()
    }

    #[test]
    fn reads_all_of_it() {
        let message = request(
            r#"{"_meta" : {"traceparent":"00-1","traceparent":2, "progressToken" : "t\n",
                "io.modelcontextprotocol\/protocolVersion":"2026-07-2\u0038",
                "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},
                "io.modelcontextprotocol/clientCapabilities": {"sampling":{}},
                "io.modelcontextprotocol/logLevel":"notice"}, "name":"n"}"#,
        );
        let meta = RequestMeta::read(&message).unwrap();
        assert_eq!(meta.version, "2026-07-28");
        assert_eq!(meta.capabilities, ClientCapabilities { sampling: true, ..ClientCapabilities::default() });
        assert_eq!(text(&message, meta.raw_capabilities), r#"{"sampling":{}}"#);
        assert_eq!(meta.log_level, Some(LogLevel::Notice));
        assert_eq!(text(&message, meta.progress_token.unwrap()), r#""t\n""#);
    }

    #[test]
    fn the_least_is_enough() {
        let meta = RequestMeta::read(&with_meta(NEEDED)).unwrap();
        assert_eq!((meta.version.as_str(), meta.log_level, meta.progress_token), ("2026-07-28", None, None));
        assert_eq!(meta.capabilities, ClientCapabilities::default());
    }

    #[test]
    fn says_which_key_is_wrong() {
        let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        let cases = [
            (capabilities.to_owned(), PROTOCOL_VERSION),
            (version.to_owned(), CLIENT_CAPABILITIES),
            (format!(r#"{capabilities},"io.modelcontextprotocol/protocolVersion":20260728"#), PROTOCOL_VERSION),
            (format!(r#"{capabilities},"io.modelcontextprotocol/protocolVersion":null"#), PROTOCOL_VERSION),
            (format!(r#"{capabilities},"io.modelcontextprotocol/protocolVersion":"\ud800""#), PROTOCOL_VERSION),
            (format!(r#"{version},"io.modelcontextprotocol/clientCapabilities":[]"#), CLIENT_CAPABILITIES),
            (format!(r#"{version},"io.modelcontextprotocol/clientCapabilities":null"#), CLIENT_CAPABILITIES),
            (
                format!(r#"{version},"io.modelcontextprotocol/clientCapabilities":{{"roots":{{}},"roots":1}}"#),
                CLIENT_CAPABILITIES,
            ),
            (format!("{NEEDED},{version}"), PROTOCOL_VERSION),
            (format!("{NEEDED},{capabilities}"), CLIENT_CAPABILITIES),
            (
                format!(r#"{NEEDED},"io.modelcontextprotocol/clientInfo":1,"io.modelcontextprotocol\/clientInfo":2"#),
                CLIENT_INFO,
            ),
            (format!(r#"{NEEDED},"io.modelcontextprotocol/logLevel":"loud""#), LOG_LEVEL),
            (format!(r#"{NEEDED},"io.modelcontextprotocol/logLevel":null"#), LOG_LEVEL),
            (format!(r#"{NEEDED},"progressToken":null"#), PROGRESS_TOKEN),
            (format!(r#"{NEEDED},"progressToken":{{}}"#), PROGRESS_TOKEN),
            (format!(r#"{NEEDED},"progressToken":1,"progress\u0054oken":2"#), PROGRESS_TOKEN),
        ];
        for (members, key) in cases {
            let error = RequestMeta::read(&with_meta(&members)).unwrap_err().to_string();
            assert!(error.contains(key), "{members}: {error}");
        }
    }

    #[test]
    fn says_what_is_wrong_around_it() {
        let meta = format!(r#"{{{NEEDED}}}"#);
        let cases = [
            (request("{}"), PROTOCOL_VERSION),
            (request(r#"{"_meta":{}}"#), PROTOCOL_VERSION),
            (request(r#"{"_meta":null}"#), META),
            (request(r#"{"_meta":[1]}"#), META),
            (request(&format!(r#"{{"_meta":{meta},"_meta":{meta}}}"#)), META),
            (request(&format!(r#"{{"_meta":{meta},"\u005fmeta":null}}"#)), META),
            (request(&format!("[{meta}]")), "params"),
            (parse(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), PROTOCOL_VERSION),
        ];
        for (message, key) in cases {
            let error = RequestMeta::read(&message).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
        }
    }

    #[test]
    fn protocol_keys_go_and_all_else_stays_as_it_was() {
        let cases = [
            (r#"{"x":1}"#, None, r#"{"x":1}"#),
            (r#"{ "_meta" : { "a" : 1.0 } }"#, None, r#"{ "_meta" : { "a" : 1.0 } }"#),
            (
                r#"{ "_meta" : {"io.modelcontextprotocol\/logLevel":"x", "\u0061" : 1.0,"progressToken":"t"} ,"x":2}"#,
                Some("7"),
                r#"{ "_meta" : {"\u0061":1.0,"progressToken":7} ,"x":2}"#,
            ),
            (r#"{"_meta":{"io.modelcontextprotocol/clientInfo":{}}}"#, None, r#"{"_meta":{}}"#),
            (
                r#"{"_meta":{"traceparent":"00-1","io.modelcontextprotocol/related-task":{}}}"#,
                Some("7"),
                r#"{"_meta":{"traceparent":"00-1","io.modelcontextprotocol/related-task":{},"progressToken":7}}"#,
            ),
        ];
        for (params, token, expected) in cases {
            let message = request(params);
            let edits = without_protocol_keys(&message, token).unwrap();
            assert_eq!(parse(&edited(&message, &edits)).params(), Some(expected), "{params}");
        }
        assert!(without_protocol_keys(&request(r#"{"x":1}"#), None).unwrap().is_empty());
    }

    #[test]
    fn protocol_keys_come_wherever_there_is_no_place_for_them() {
        let cases = [
            (Some("{ }"), None, r#"{"_meta":{"k":1} }"#),
            (Some(r#"{"x":1}"#), None, r#"{"_meta":{"k":1},"x":1}"#),
            (Some(r#"{"_meta":{}}"#), None, r#"{"_meta":{"k":1}}"#),
            (
                Some(r#"{"_meta":{"a":1,"progressToken":"t"}}"#),
                Some("7"),
                r#"{"_meta":{"a":1,"progressToken":7,"k":1}}"#,
            ),
            (
                Some(r#"{"_meta":{"k":"mine","io.modelcontextprotocol/protocolVersion":"1","a":2,"\u006b":3}}"#),
                None,
                r#"{"_meta":{"a":2,"k":1}}"#,
            ),
            (None, None, r#"{"_meta":{"k":1}}"#),
            (None, Some("7"), r#"{"_meta":{"progressToken":7,"k":1}}"#),
        ];
        for (params, token, expected) in cases {
            let message = match params {
                Some(params) => request(params),
                None => parse("{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\",\"id\":1 }\n"),
            };
            let edits = with_protocol_keys(&message, r#""k":1"#, token).unwrap();
            assert_eq!(parse(&edited(&message, &edits)).params(), Some(expected), "{params:?}");
        }
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        for params in [
            "[1]",
            r#"{"_meta":1}"#,
            r#"{"_meta":{},"_meta":{}}"#,
            r#"{"_meta":{"progressToken":1,"progressToken":2}}"#,
        ] {
            assert!(without_protocol_keys(&request(params), Some("7")).is_err(), "{params}");
            assert!(with_protocol_keys(&request(params), r#""k":1"#, None).is_err(), "{params}");
        }
        for keys in ["k", r#""k":1,"#, r#""k":1},"x":{"#, "1"] {
            assert!(with_protocol_keys(&request("{}"), keys, None).is_err(), "{keys}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_again(foreign in prop::collection::btree_map("[a-z\"\\\\é]{1,6}", ".{0,8}", 0..4), token in any::<Option<u32>>()) {
            let mut params = json!({"name": "n", "_meta": foreign});
            if let Some(token) = token {
                params["_meta"]["progressToken"] = json!(token);
            }
            let message = request(&params.to_string());
            let there = with_protocol_keys(&message, NEEDED, token.map(|_| "\"minted\"")).unwrap();
            let sent = parse(&edited(&message, &there));
            let meta = RequestMeta::read(&sent).unwrap();
            prop_assert_eq!(meta.progress_token.map(|range| text(&sent, range)), token.map(|_| "\"minted\""));
            let original = token.map(|token| token.to_string());
            let back = edited(&sent, &without_protocol_keys(&sent, original.as_deref()).unwrap());
            let back: Value = serde_json::from_str(parse(&back).params().unwrap()).unwrap();
            prop_assert_eq!(back, params);
        }
    }
}
