//! The headers that mirror the body: what a middlebox routes on must be what the server acts on.
//!
//! Source: streamable-http 2026-07-28, "Request Metadata" and "Server Validation"; `Mcp-Name` of
//! the tasks methods: ext-tasks, "Streamable HTTP: Routing Headers". A mismatch is answered with
//! -32020 and HTTP 400, before the child sees anything.
//!
//! Invariant: a header that is there twice, or a field of the body that is there twice, never
//! passes, since the two ends of a connection may each take another one.

use thiserror::Error;

use super::{
    jsonrpc::{Kind, Message},
    members::{members, only, string},
};

mod tool;
mod value;

pub use tool::{InvalidAnnotation, ToolHeaders};
pub use value::encode;

/// The header of the protocol version.
pub const VERSION: &str = "MCP-Protocol-Version";
/// The header of `method`.
pub const METHOD: &str = "Mcp-Method";
/// The header of what the method is about.
pub const NAME: &str = "Mcp-Name";
/// What the headers of tool arguments begin with, case aside.
pub const PARAM_PREFIX: &str = "Mcp-Param-";

/// What a request's headers say, each value that there is: doubled headers are to be seen.
///
/// Values that are no text are taken lossily; they hold characters that no header may then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// Values of `MCP-Protocol-Version`.
    pub version: Vec<String>,
    /// Values of `Mcp-Method`.
    pub method: Vec<String>,
    /// Values of `Mcp-Name`.
    pub name: Vec<String>,
    /// What comes after `Mcp-Param-` in the name, in any case, and the value.
    pub params: Vec<(String, String)>,
}

/// Headers and body do not say the same; the text is for the client.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mismatch {
    /// The header is required.
    #[error("Header mismatch: the required {0} header is missing")]
    Missing(String),
    /// The header is there more than once.
    #[error("Header mismatch: the {0} header is there more than once")]
    Twice(String),
    /// The header's value is not one that a header can have.
    #[error("Header mismatch: the {0} header holds characters that must be encoded")]
    Characters(String),
    /// The sentinel encloses something that is not base64 of UTF-8.
    #[error("Header mismatch: the {0} header is not valid base64")]
    Base64(String),
    /// The header has another value than the body.
    #[error("Header mismatch: {header} header value '{value}' does not match body value '{body}'")]
    Differs {
        /// Which header.
        header: String,
        /// Its value, decoded.
        value: String,
        /// What it should be.
        body: String,
    },
    /// The header is there, but the body has no value for it.
    #[error("Header mismatch: the {0} header is there, but the body has no such value")]
    Unexpected(String),
    /// The body has a value that no header can mirror.
    #[error("Header mismatch: the body's value for the {0} header is there twice or of a type that has no header form")]
    Body(String),
    /// No header can mirror two objects of arguments.
    #[error("Header mismatch: `arguments` are there twice")]
    Arguments,
}

impl Mirrored {
    /// Picks the headers out of all that a request has; names in any case.
    pub fn collect<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let text = || String::from_utf8_lossy(value).into_owned();
            if name.eq_ignore_ascii_case(VERSION) {
                found.version.push(text());
            } else if name.eq_ignore_ascii_case(METHOD) {
                found.method.push(text());
            } else if name.eq_ignore_ascii_case(NAME) {
                found.name.push(text());
            } else if let Some(param) = param_name(name) {
                found.params.push((param.to_owned(), text()));
            }
        }
        found
    }

    /// Whether version, method and name agree with the body.
    ///
    /// A notification need not have `Mcp-Method`: its headers are undefined, but one that is there
    /// must be right. `Mcp-Name` is looked at only where the method gives it a meaning.
    ///
    /// # Errors
    /// At the first that does not.
    pub fn check(&self, message: &Message, body_version: &str) -> Result<(), Mismatch> {
        let version = single(VERSION, &self.version)?.ok_or_else(|| Mismatch::Missing(VERSION.to_owned()))?;
        same(VERSION, version, body_version)?;
        match single(METHOD, &self.method)? {
            Some(method) => same(METHOD, method, message.method())?,
            None if message.kind() == Kind::Request => return Err(Mismatch::Missing(METHOD.to_owned())),
            None => {}
        }
        self.check_name(message)
    }

    fn check_name(&self, message: &Message) -> Result<(), Mismatch> {
        let Some(field) = name_field(message.method()) else { return Ok(()) };
        let fields = message.params().and_then(members).unwrap_or_default();
        let field = only(&fields, field).map_err(|_| Mismatch::Body(NAME.to_owned()))?;
        match (single(NAME, &self.name)?, field) {
            (None, None) => Ok(()), // an invalid request, and the server's to refuse
            (Some(_), None) => Err(Mismatch::Unexpected(NAME.to_owned())),
            (None, Some(_)) => Err(Mismatch::Missing(NAME.to_owned())),
            (Some(value), Some(field)) => {
                let body = string(field.value).ok_or_else(|| Mismatch::Body(NAME.to_owned()))?;
                same(NAME, &value::decode(NAME, value)?, &body)
            }
        }
    }
}

/// The field of `params` that `Mcp-Name` mirrors for this method.
#[must_use]
pub fn name_field(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// The raw `arguments` of a call, for [`ToolHeaders::check_params`].
///
/// # Errors
/// When they are there twice: the server could act on the other ones.
pub fn arguments(message: &Message) -> Result<Option<&str>, Mismatch> {
    let fields = message.params().and_then(members).unwrap_or_default();
    let arguments = only(&fields, "arguments").map_err(|_| Mismatch::Arguments)?;
    Ok(arguments.map(|member| member.value))
}

/// The value of `Mcp-Name` for a request that has none yet, encoded; `None` where none is due.
#[must_use]
pub fn name_header(message: &Message) -> Option<String> {
    let fields = members(message.params()?)?;
    let field = only(&fields, name_field(message.method())?).ok()??;
    Some(encode(&string(field.value)?).into_owned())
}

fn param_name(header: &str) -> Option<&str> {
    let (prefix, name) = header.split_at_checked(PARAM_PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PARAM_PREFIX).then_some(name)
}

/// The one value of a header, without the white space around it (RFC 9110, section 5.5).
fn single<'a>(header: &str, values: impl IntoIterator<Item = &'a String>) -> Result<Option<&'a str>, Mismatch> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Mismatch::Twice(header.to_owned()));
    }
    if value.bytes().any(|byte| !matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(Mismatch::Characters(header.to_owned()));
    }
    Ok(Some(value.trim_matches([' ', '\t'])))
}

fn same(header: &str, value: &str, body: &str) -> Result<(), Mismatch> {
    if value == body { Ok(()) } else { Err(differs(header, value, body)) }
}

fn differs(header: &str, value: &str, body: &str) -> Mismatch {
    Mismatch::Differs { header: header.to_owned(), value: excerpt(value), body: excerpt(body) }
}

/// Enough of a value to recognise it.
fn excerpt(value: &str) -> String {
    const ENOUGH: usize = 80;
    match value.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOW: &str = "2026-07-28";

    fn message(method: &str, params: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn headers(version: &[&str], method: &[&str], name: &[&str]) -> Mirrored {
        let own = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        Mirrored { version: own(version), method: own(method), name: own(name), params: Vec::new() }
    }

    #[test]
    fn headers_are_picked_in_any_case_and_number() {
        let all: [(&str, &[u8]); 7] = [
            ("mcp-protocol-version", b"2026-07-28"),
            ("MCP-METHOD", b"tools/call"),
            ("Mcp-Name", b"a"),
            ("mcp-name", b"\xff"),
            ("mcp-param-Region", b"us"),
            ("Mcp-Params", b"no"),
            ("accept", b"*/*"),
        ];
        let found = Mirrored::collect(all);
        assert_eq!(found.version, [NOW]);
        assert_eq!(found.method, ["tools/call"]);
        assert_eq!(found.name, ["a", "\u{fffd}"]);
        assert_eq!(found.params, [("Region".to_owned(), "us".to_owned())]);
    }

    #[test]
    fn version_and_method_must_be_there_once_and_right() {
        let list = message("tools/list", "{}");
        let cases = [
            (headers(&[NOW], &["tools/list"], &[]), "Ok"),
            (headers(&[" 2026-07-28\t"], &["  tools/list  "], &[]), "Ok"),
            (headers(&[NOW], &["tools/list"], &["whatever"]), "Ok"),
            (headers(&[], &["tools/list"], &[]), "Missing(\"MCP-Protocol-Version"),
            (headers(&["2025-11-25"], &["tools/list"], &[]), "Differs"),
            (headers(&[NOW, NOW], &["tools/list"], &[]), "Twice(\"MCP-Protocol-Version"),
            (headers(&[NOW], &[], &[]), "Missing(\"Mcp-Method"),
            (headers(&[NOW], &["TOOLS/LIST"], &[]), "Differs"),
            (headers(&[NOW], &["tools/list", "tools/list"], &[]), "Twice(\"Mcp-Method"),
            (headers(&[NOW], &["=?base64?dG9vbHMvbGlzdA==?="], &[]), "Differs"),
            (headers(&[NOW], &["tools/lis\u{fffd}"], &[]), "Characters"),
            (headers(&["2026\n"], &["tools/list"], &[]), "Characters"),
        ];
        for (mirrored, expected) in cases {
            let outcome = format!("{:?}", mirrored.check(&list, NOW)).replace("Err(", "");
            assert!(outcome.starts_with(expected), "{mirrored:?}: {outcome}");
        }
    }

    #[test]
    fn the_name_must_be_that_of_the_body() {
        let cases = [
            ("tools/call", r#"{"name":"foo"}"#, vec!["foo"], "Ok"),
            ("tools/call", r#"{"n\u0061me":"f\u006fo"}"#, vec!["  foo "], "Ok"),
            ("prompts/get", r#"{"name":"foo"}"#, vec!["foo"], "Ok"),
            ("resources/read", r#"{"uri":"file:///ä","name":"x"}"#, vec!["=?base64?ZmlsZTovLy/DpA==?="], "Ok"),
            ("tasks/get", r#"{"taskId":"t"}"#, vec!["t"], "Ok"),
            ("tasks/update", r#"{"taskId":"t"}"#, vec!["u"], "Differs"),
            ("tasks/cancel", r#"{"taskId":"t"}"#, vec![], "Missing"),
            ("tasks/list", r#"{"taskId":"t"}"#, vec![], "Ok"),
            ("tools/call", r#"{"name":"foo"}"#, vec![], "Missing"),
            ("tools/call", r#"{"name":"foo"}"#, vec!["Foo"], "Differs"),
            ("tools/call", r#"{"name":"foo"}"#, vec!["foo", "foo"], "Twice"),
            ("tools/call", r#"{"name":"foo"}"#, vec!["fo\u{fffd}"], "Characters"),
            ("tools/call", r#"{"name":"é"}"#, vec!["é"], "Characters"),
            ("tools/call", r#"{"name":"foo"}"#, vec!["=?base64?Zm9v?="], "Ok"),
            ("tools/call", r#"{"name":"fo"}"#, vec!["=?base64?Zm8?="], "Base64"),
            ("tools/call", r#"{"name":"foo","name":"bar"}"#, vec!["foo"], "Body"),
            ("tools/call", r#"{"name":7}"#, vec!["7"], "Body"),
            ("tools/call", r#"{"name":7}"#, vec![], "Missing"),
            ("tools/call", "{}", vec!["foo"], "Unexpected"),
            ("tools/call", "{}", vec![], "Ok"),
            ("tools/call", "[]", vec!["foo"], "Unexpected"),
        ];
        for (method, params, names, expected) in cases {
            let outcome = headers(&[NOW], &[method], &names).check(&message(method, params), NOW);
            let outcome = format!("{outcome:?}").replace("Err(", "");
            assert!(outcome.starts_with(expected), "{method} {params} {names:?}: {outcome}");
        }
    }

    #[test]
    fn arguments_are_those_of_the_call() {
        assert_eq!(arguments(&message("tools/call", r#"{"arguments":{"a": 1},"name":"n"}"#)), Ok(Some(r#"{"a": 1}"#)));
        assert_eq!(arguments(&message("tools/call", r#"{"a":{"arguments":1}}"#)), Ok(None));
        let twice = message("tools/call", r#"{"arguments":{},"argument\u0073":{}}"#);
        assert_eq!(arguments(&twice), Err(Mismatch::Arguments));
    }

    #[test]
    fn a_notification_may_do_without() {
        let text = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        let notification = Message::parse(Bytes::from_static(text.as_bytes())).unwrap();
        assert!(headers(&[NOW], &[], &[]).check(&notification, NOW).is_ok());
        assert!(headers(&[NOW], &["notifications/x"], &[]).check(&notification, NOW).is_ok());
        assert!(headers(&[NOW], &["tools/call"], &[]).check(&notification, NOW).is_err());
    }

    #[test]
    fn the_text_is_that_of_the_specification() {
        let outcome =
            headers(&[NOW], &["tools/call"], &["foo"]).check(&message("tools/call", r#"{"name":"bar"}"#), NOW);
        let text = "Header mismatch: Mcp-Name header value 'foo' does not match body value 'bar'";
        assert_eq!(outcome.unwrap_err().to_string(), text);
        assert!(differs(NAME, &"ä".repeat(500), "").to_string().chars().count() < 200);
    }

    #[test]
    fn the_name_header_of_a_request_is_the_one_that_is_checked() {
        let cases = [
            ("tools/call", r#"{"name":"foo"}"#, Some("foo")),
            ("tools/call", r#"{"name":"é"}"#, Some("=?base64?w6k=?=")),
            ("tools/call", "{}", None),
            ("tools/list", r#"{"name":"foo"}"#, None),
        ];
        for (method, params, expected) in cases {
            let message = message(method, params);
            let name = name_header(&message);
            assert_eq!(name.as_deref(), expected, "{method} {params}");
            let names: Vec<&str> = name.as_deref().into_iter().collect();
            assert_eq!(headers(&[NOW], &[method], &names).check(&message, NOW), Ok(()));
        }
    }
}
