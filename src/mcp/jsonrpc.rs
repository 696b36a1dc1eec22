//! JSON-RPC messages as bytes with a map: where id, method and params lie, nothing more.
//!
//! A message is validated once by serde (well-formed JSON, no duplicate of the fields we rely on)
//! and from then on only spliced: our id in place of the client's, and back.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use memchr::memmem;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;
use thiserror::Error;

/// Why bytes are not a usable message.
#[derive(Debug, Error)]
pub enum ParseError {
    /// Not JSON, or a field that matters is there twice.
    #[error("not a JSON-RPC message")]
    NotJson(#[source] serde_json::Error),
    /// An array of messages: allowed only in 2025-03-26, and not here.
    #[error("an array of messages is not one message: only 2025-03-26 has batches")]
    Batch,
    /// JSON, but not JSON-RPC as MCP uses it.
    #[error("invalid JSON-RPC message: {0}")]
    Invalid(&'static str),
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has an id and a method: wants an answer.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has an id and a result or an error.
    Response,
}

/// One JSON-RPC message and where its parts lie.
#[derive(Clone, Debug)]
pub struct Message {
    body: Bytes,
    kind: Kind,
    id: Option<Range<usize>>,
    method: Method,
    params: Option<Range<usize>>,
    result: Option<Range<usize>>,
    error: Option<Range<usize>>,
}

#[derive(Clone, Debug)]
enum Method {
    None,
    Span(Range<usize>),
    /// Written with escapes; decoded once.
    Decoded(String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// A string that is borrowed where it has no escapes (`Option<Cow>` alone would always copy).
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Keeps `null` apart from absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Where `part`, a slice of `whole`, lies in it.
fn span(whole: &[u8], part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// When it is not JSON, is a batch, or lacks what JSON-RPC 2.0 and MCP demand (id a string or
    /// a number, `params` an object or an array).
    pub fn parse(body: Bytes) -> Result<Self, ParseError> {
        if first_byte(&body) == Some(b'[') {
            return Err(ParseError::Batch);
        }
        // serde_json does not look into the strings that it skips, so they are looked at here.
        let text = std::str::from_utf8(&body).map_err(|error| ParseError::NotJson(de::Error::custom(error)))?;
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(classify)?;
        if envelope.jsonrpc != "2.0" {
            return Err(ParseError::Invalid("`jsonrpc` must be \"2.0\""));
        }
        let kind = kind_of(&envelope)?;
        check_id(envelope.id)?;
        check_params(envelope.params)?;
        let span_of = |raw: Option<&RawValue>| raw.map(|raw| span(&body, raw.get()));
        let (id, params) = (span_of(envelope.id), span_of(envelope.params));
        let (result, error) = (span_of(envelope.result), span_of(envelope.error));
        let method = match envelope.method {
            None => Method::None,
            Some(Text(Cow::Borrowed(text))) => Method::Span(span(&body, text)),
            Some(Text(Cow::Owned(text))) => Method::Decoded(text),
        };
        Ok(Self { kind, id, method, params, result, error, body })
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The raw JSON of the id; [`super::error::NO_ID`] when there is none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.clone().and_then(|range| self.text(range)).unwrap_or(super::error::NO_ID)
    }

    /// The id as one that we minted, if it can be one.
    #[must_use]
    pub fn minted_id(&self) -> Option<u64> {
        self.id().parse().ok()
    }

    /// The method; empty for responses.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.method {
            Method::None => "",
            Method::Span(range) => self.text(range.clone()).unwrap_or_default(),
            Method::Decoded(text) => text,
        }
    }

    /// The raw JSON of the params.
    #[must_use]
    pub fn params(&self) -> Option<&str> {
        self.params.clone().and_then(|range| self.text(range))
    }

    /// The raw JSON of the result.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.result.clone().and_then(|range| self.text(range))
    }

    /// The raw JSON of the error.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.clone().and_then(|range| self.text(range))
    }

    /// Where the result lies.
    #[must_use]
    pub fn result_span(&self) -> Option<Range<usize>> {
        self.result.clone()
    }

    /// Where the params lie.
    #[must_use]
    pub fn params_span(&self) -> Option<Range<usize>> {
        self.params.clone()
    }

    /// Where `part`, a slice of one of this message's texts, lies in it.
    #[must_use]
    pub fn span_of(&self, part: &str) -> Range<usize> {
        span(&self.body, part)
    }

    /// The whole message as it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The whole message as it came, and nothing of where its parts lie.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Where the request's `params._meta.progressToken` lies, if it has one.
    ///
    /// # Errors
    /// When `_meta` or the token is there twice or of the wrong type: the child could read the
    /// other one, which might be an id that belongs to somebody else.
    pub fn progress_token(&self) -> Result<Option<Range<usize>>, ParseError> {
        let Some(params) = self.params() else { return Ok(None) };
        // An escaped spelling of the key needs a backslash-u; without either there is no token.
        let bytes = params.as_bytes();
        if memmem::find(bytes, b"progressToken").is_none() && memmem::find(bytes, b"\\u").is_none() {
            return Ok(None);
        }
        let meta: MetaOnly<'_> = serde_json::from_str(params).map_err(classify)?;
        let token = meta.meta.and_then(|meta| meta.progress_token);
        Ok(token.map(|token| span(&self.body, token.get())))
    }

    /// The value of the field `name` of params, decoded, if it is a string; raw JSON otherwise.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let params: std::collections::HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(self.params()?).ok()?;
        let raw = params.get(name)?.get();
        Some(serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned()))
    }

    /// The raw JSON of the field `name` of params and where it lies in the message.
    #[must_use]
    pub fn raw_param(&self, name: &str) -> Option<(Range<usize>, &str)> {
        let params: std::collections::HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(self.params()?).ok()?;
        let raw = params.get(name)?.get();
        Some((span(&self.body, raw), raw))
    }

    /// The message with `edits` made inside its id or params; `edits` must be in order.
    #[must_use]
    pub fn spliced(&self, edits: &[(Range<usize>, &[u8])]) -> Self {
        let grown = |at: usize, edits: &mut dyn Iterator<Item = &(Range<usize>, &[u8])>| {
            edits.fold(at, |at, (range, new)| at + new.len() - range.len())
        };
        // What is put in at the very edge of a span is outside of it.
        let shift = |span: &Option<Range<usize>>| {
            let span = span.as_ref()?;
            let start = grown(span.start, &mut edits.iter().filter(|(range, _)| range.end <= span.start));
            let inside = |range: &Range<usize>| range.end <= span.end && range.start < span.end;
            Some(start..grown(span.end, &mut edits.iter().filter(|(range, _)| inside(range))))
        };
        let method = match &self.method {
            Method::Span(span) => shift(&Some(span.clone())).map_or(Method::None, Method::Span),
            other => other.clone(),
        };
        Self {
            kind: self.kind,
            id: shift(&self.id),
            method,
            params: shift(&self.params),
            result: shift(&self.result),
            error: shift(&self.error),
            body: Bytes::from(splice(&self.body, edits)),
        }
    }

    /// The message with `edits` made anywhere, read anew: for edits that add what was not there.
    #[must_use]
    pub fn spliced_anew(&self, edits: &[(Range<usize>, &[u8])]) -> Self {
        Self::parse(Bytes::from(splice(&self.body, edits))).unwrap_or_else(|_| self.clone())
    }

    /// The message with another id.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Self {
        match &self.id {
            Some(range) if self.id() != id => self.spliced(&[(range.clone(), id.as_bytes())]),
            _ => self.clone(),
        }
    }

    /// A request of ours, under an id that no other request of ours has; `params` is raw JSON.
    #[must_use]
    pub fn own(method: &str, params: &str) -> Self {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = format!(r#"{{"jsonrpc":"2.0","id":"berth-{number}","method":"{method}","params":{params}}}"#);
        // A message of ours is one; what is not would be refused by the child.
        Self::parse(Bytes::from(text)).unwrap_or_else(|_| Self::success("0", "{}"))
    }

    /// A notification of ours; `params` is raw JSON.
    #[must_use]
    pub fn note(method: &str, params: &str) -> Self {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        Self::parse(Bytes::from(text)).unwrap_or_else(|_| Self::success("0", "{}"))
    }

    /// An answer of ours; `id` and `result` are raw JSON.
    #[must_use]
    pub fn success(id: &str, result: &str) -> Self {
        Self::response(id, "result", result)
    }

    /// An error of ours; `id` is raw JSON.
    #[must_use]
    pub fn failure(id: &str, code: super::error::Code, text: &str) -> Self {
        Self::response(id, "error", &super::error::error_object(code, text, None))
    }

    /// A response whose `member` is the raw JSON `value`.
    #[must_use]
    pub fn response(id: &str, member: &str, value: &str) -> Self {
        const HEAD: &str = r#"{"jsonrpc":"2.0","id":"#;
        let body = format!("{HEAD}{id},\"{member}\":{value}}}");
        let id_span = HEAD.len()..HEAD.len() + id.len();
        let value_span = id_span.end + member.len() + 4..body.len() - 1;
        let is_error = member == "error";
        Self {
            kind: Kind::Response,
            id: Some(id_span),
            method: Method::None,
            params: None,
            result: (!is_error).then(|| value_span.clone()),
            error: is_error.then_some(value_span),
            body: Bytes::from(body),
        }
    }

    /// The message as one line for a stdio child, with `edits` made; ends in a newline.
    #[must_use]
    pub fn to_line(&self, edits: &mut [(Range<usize>, &[u8])]) -> Bytes {
        edits.sort_by_key(|(range, _)| range.start);
        let mut line = splice(&self.body, edits);
        // Newlines can only be whitespace between tokens: inside strings JSON forbids them.
        if memchr::memchr2(b'\n', b'\r', &line).is_some() {
            for byte in &mut line {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        line.push(b'\n');
        Bytes::from(line)
    }

    /// Whether it is the response to the request with this id, raw JSON, however that is written.
    #[must_use]
    pub fn answers(&self, id: &str) -> bool {
        let value = |raw: &str| serde_json::from_str::<serde_json::Value>(raw).ok();
        self.kind == Kind::Response && (self.id() == id || value(self.id()) == value(id))
    }

    /// Where the id lies.
    #[must_use]
    pub fn id_span(&self) -> Option<Range<usize>> {
        self.id.clone()
    }

    fn text(&self, range: Range<usize>) -> Option<&str> {
        // Valid UTF-8 by construction: `parse` has looked at all of it.
        self.body.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

#[derive(Deserialize)]
struct MetaOnly<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

/// `body` with each range replaced; `edits` must be in order and not overlap.
#[must_use]
pub fn splice(body: &[u8], edits: &[(Range<usize>, &[u8])]) -> Vec<u8> {
    let grown: usize = edits.iter().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(body.len() + grown + 1);
    let mut at = 0;
    for (range, new) in edits {
        out.extend_from_slice(body.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(new);
        at = range.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

fn first_byte(body: &[u8]) -> Option<u8> {
    body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn classify(error: serde_json::Error) -> ParseError {
    if error.is_data() {
        ParseError::Invalid("a field is missing, doubled or of the wrong type")
    } else {
        ParseError::NotJson(error)
    }
}

fn kind_of(envelope: &Envelope<'_>) -> Result<Kind, ParseError> {
    let answers = usize::from(envelope.result.is_some()) + usize::from(envelope.error.is_some());
    match (envelope.method.is_some(), envelope.id.is_some(), answers) {
        (true, true, 0) => Ok(Kind::Request),
        (true, false, 0) => Ok(Kind::Notification),
        (false, true, 1) => Ok(Kind::Response),
        _ => Err(ParseError::Invalid("need `method`, or `id` with exactly one of `result` and `error`")),
    }
}

fn check_id(id: Option<&RawValue>) -> Result<(), ParseError> {
    let Some(id) = id else { return Ok(()) };
    match id.get().as_bytes().first() {
        Some(b'"' | b'-' | b'0'..=b'9') if id.get().len() <= 1024 => Ok(()),
        _ => Err(ParseError::Invalid("`id` must be a string or a number, at most 1024 bytes")),
    }
}

fn check_params(params: Option<&RawValue>) -> Result<(), ParseError> {
    match params.and_then(|params| params.get().as_bytes().first()) {
        None | Some(b'{' | b'[') => Ok(()),
        Some(_) => Err(ParseError::Invalid("`params` must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Message, ParseError> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn finds_the_parts() {
        let message =
            parse(r#" {"id" : "a\"b" ,"jsonrpc":"2.0","params":{"x":[1]},"method":"tools/call","extra":1}"#).unwrap();
        assert_eq!(message.kind(), Kind::Request);
        assert_eq!(message.id(), r#""a\"b""#);
        assert_eq!(message.method(), "tools/call");
        assert_eq!(message.params(), Some(r#"{"x":[1]}"#));
        let escaped = parse(r#"{"jsonrpc":"2.0","id":1,"method":"tools\/c\u0061ll"}"#).unwrap();
        assert_eq!(escaped.method(), "tools/call");
    }

    #[test]
    fn a_spliced_message_knows_where_its_parts_went() {
        let message = parse(r#"{"id":1,"method":"a","params":{"x":[1],"_meta":{}},"z":0}"#.replacen('{', r#"{"jsonrpc":"2.0","#, 1).as_str()).unwrap();
        let id = message.id_span().unwrap();
        let meta = message.raw_param("_meta").unwrap().0;
        let spliced =
            message.spliced(&[(id.clone(), b"12345"), (id.end..id.end, br#","more":true"#), (meta, b"{\"a\":1}")]);
        let parsed = Message::parse(spliced.body().clone()).unwrap();
        assert_eq!((spliced.id(), spliced.method()), ("12345", "a"));
        assert_eq!(spliced.params(), Some(r#"{"x":[1],"_meta":{"a":1}}"#));
        assert_eq!((parsed.id(), parsed.method(), parsed.params()), (spliced.id(), spliced.method(), spliced.params()));
    }

    #[test]
    fn what_we_write_is_what_a_parser_reads() {
        let failure = Message::failure("\"x\"", crate::mcp::error::Code::Internal, "a \"b\"");
        for made in [Message::success("7", r#"{"a":1}"#), failure] {
            let read = Message::parse(made.body().clone()).unwrap();
            assert_eq!((made.kind(), made.id()), (read.kind(), read.id()));
            assert_eq!((made.result(), made.error()), (read.result(), read.error()));
        }
    }

    #[test]
    fn refuses_what_is_not_a_message() {
        let cases = [
            ("", "NotJson"),
            ("garbage", "NotJson"),
            ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\nb\"}", "NotJson"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "Batch"),
            (r#"{"id":1,"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1,"\u0069d":2,"method":"ping"}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":3}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "Invalid"),
            (r#"{"jsonrpc":"2.0","method":"a"} x"#, "NotJson"),
        ];
        for (text, expected) in cases {
            let error = parse(text).err().map(|error| format!("{error:?}")).unwrap_or_default();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_no_message_wherever_it_is() {
        for text in [
            &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"x\":\"\xff\"}"[..],
            b"{\"jsonrpc\":\"2.0\",\"id\":\"\xc3\",\"method\":\"m\"}",
        ] {
            let error = Message::parse(Bytes::from_static(text)).unwrap_err();
            assert!(matches!(error, ParseError::NotJson(_)), "{error:?}");
        }
    }

    #[test]
    fn finds_the_progress_token_however_it_is_spelled() {
        let cases = [
            (r#"{"_meta":{"progressToken":"t"}}"#, Some(r#""t""#)),
            (r#"{"_meta":{"progress\u0054oken":57}}"#, Some("57")),
            (r#"{"\u005fmeta":{"progressToken":57}}"#, Some("57")),
            (r#"{"arguments":{"progressToken":57}}"#, None),
            (r#"{}"#, None),
        ];
        for (params, expected) in cases {
            let message = parse(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#)).unwrap();
            let token = message.progress_token().unwrap().and_then(|range| message.text(range));
            assert_eq!(token, expected, "{params}");
        }
        let twice =
            parse(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#)
                .unwrap();
        assert!(twice.progress_token().is_err());
    }

    #[test]
    fn a_pretty_printed_body_becomes_one_line() {
        let message = parse("{\r\n \"jsonrpc\": \"2.0\",\n \"id\": 1,\n \"method\": \"ping\"\n}\n").unwrap();
        let id = message.id_span().unwrap();
        let line = message.to_line(&mut [(id, b"42")]);
        assert_eq!(memchr::memchr_iter(b'\n', &line).count(), 1);
        let back = Message::parse(line).unwrap();
        assert_eq!((back.id(), back.method()), ("42", "ping"));
    }

    proptest! {
        #[test]
        fn ids_survive_the_round_trip(id in "[ -~]{0,20}", text in ".{0,50}", minted in any::<u64>()) {
            let request = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"t": text}});
            let message = parse(&request.to_string()).unwrap();
            let out = message.to_line(&mut [(message.id_span().unwrap(), minted.to_string().as_bytes())]);
            let sent = Message::parse(out).unwrap();
            prop_assert_eq!(sent.minted_id(), Some(minted));
            prop_assert_eq!(sent.params(), message.params());
            let back: serde_json::Value = serde_json::from_slice(sent.with_id(message.id()).body()).unwrap();
            prop_assert_eq!(back, request);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::parse(Bytes::from(bytes));
        }
    }
}
