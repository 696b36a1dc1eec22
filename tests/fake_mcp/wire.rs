//! JSON-RPC as this server reads and writes it: one parse of the envelope, raw ids and payloads.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Any message from the client.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    /// Empty in an answer.
    #[serde(borrow, default)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// The parameters of `tools/call`.
#[derive(Deserialize)]
pub(crate) struct CallParams<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<Meta<'a>>,
}

/// The part of `_meta` that matters here.
#[derive(Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    pub(crate) progress_token: Option<&'a RawValue>,
}

/// Error codes of JSON-RPC.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// See [`METHOD_NOT_FOUND`].
pub(crate) const INVALID_PARAMS: i32 = -32602;

/// Appends `{"jsonrpc":"2.0","id":ID,"result":RESULT}`.
pub(crate) fn result(out: &mut Vec<u8>, id: &str, result: &str) {
    open(out, id, "result");
    out.extend_from_slice(result.as_bytes());
    out.push(b'}');
}

/// Appends a tool's result whose only content is a text, given as the JSON string it already is.
pub(crate) fn raw_text(out: &mut Vec<u8>, id: &str, json_string: &str) {
    open(out, id, "result");
    out.extend_from_slice(br#"{"content":[{"type":"text","text":"#);
    out.extend_from_slice(json_string.as_bytes());
    out.extend_from_slice(b"}]}}");
}

/// Appends a tool's result whose only content is a text.
pub(crate) fn text(out: &mut Vec<u8>, id: &str, text: &str) {
    raw_text(out, id, &json(text));
}

/// Appends an error answer.
pub(crate) fn error(out: &mut Vec<u8>, id: &str, code: i32, message: &str) {
    open(out, id, "error");
    out.extend_from_slice(format!(r#"{{"code":{code},"message":{}}}}}"#, json(message)).as_bytes());
}

fn open(out: &mut Vec<u8>, id: &str, member: &str) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"");
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A notification, without its line end.
pub(crate) fn notification(method: &str, params: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#).into_bytes()
}

/// A value as JSON text.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("plain values serialise")
}

/// Reads a message or its parameters; absent parameters are an empty object.
pub(crate) fn parse<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<T, serde_json::Error> {
    serde_json::from_str(raw.map_or("{}", RawValue::get))
}
