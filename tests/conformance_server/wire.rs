//! JSON-RPC as both eras read and write it.

use serde_json::{Map, Value, json};

/// The members of an object.
pub(crate) type Members = Map<String, Value>;
/// How a request ends.
pub(crate) type Answer = Result<Value, Failure>;

/// Error codes: JSON-RPC's own, then those of MCP 2026-07-28.
pub(crate) mod code {
    pub(crate) const PARSE: i64 = -32700;
    pub(crate) const INVALID_REQUEST: i64 = -32600;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    pub(crate) const INTERNAL: i64 = -32603;
    /// The session era's answer to an unknown resource.
    pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    pub(crate) const MISSING_CAPABILITY: i64 = -32021;
    pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
}

/// An error answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl Failure {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    pub(crate) fn unknown_method(method: &str) -> Self {
        Self::new(code::METHOD_NOT_FOUND, format!("method {method} is not known here"))
    }

    pub(crate) fn value(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        error
    }
}

/// A message of the client.
pub(crate) enum Incoming {
    Request {
        id: Value,
        method: String,
        params: Members,
    },
    Notification {
        method: String,
        params: Members,
    },
    /// An answer to a request of ours.
    Response {
        id: Value,
        answer: Result<Value, Value>,
    },
}

/// Reads one message; the error is the answer to send.
pub(crate) fn parse(text: &[u8]) -> Result<Incoming, (Value, Failure)> {
    let broken = |error| (Value::Null, Failure::new(code::PARSE, format!("not JSON: {error}")));
    let invalid = |id: Value, why: &str| (id, Failure::new(code::INVALID_REQUEST, why));
    let Value::Object(mut message) = serde_json::from_slice(text).map_err(broken)? else {
        return Err(invalid(Value::Null, "one message is one object"));
    };
    let id = message.remove("id");
    if id.as_ref().is_some_and(|id| !(id.is_string() || id.is_i64() || id.is_u64())) {
        return Err(invalid(Value::Null, "an id is a string or a whole number"));
    }
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid(id.unwrap_or_default(), "jsonrpc is not 2.0"));
    }
    let params = match message.remove("params") {
        None => Members::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err((id.unwrap_or_default(), Failure::invalid("params are an object"))),
    };
    match (message.remove("method"), id) {
        (Some(Value::String(method)), Some(id)) => Ok(Incoming::Request { id, method, params }),
        (Some(Value::String(method)), None) => Ok(Incoming::Notification { method, params }),
        (None, Some(id)) => match (message.remove("result"), message.remove("error")) {
            (Some(result), None) => Ok(Incoming::Response { id, answer: Ok(result) }),
            (None, Some(error)) => Ok(Incoming::Response { id, answer: Err(error) }),
            _ => Err(invalid(id, "neither request nor response")),
        },
        (_, id) => Err(invalid(id.unwrap_or_default(), "a method is a string")),
    }
}

pub(crate) fn response(id: &Value, answer: &Answer) -> Value {
    match answer {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(failure) => json!({ "jsonrpc": "2.0", "id": id, "error": failure.value() }),
    }
}

pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

pub(crate) fn request(id: &Value, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A required text among the parameters.
pub(crate) fn text<'a>(params: &'a Members, name: &str) -> Result<&'a str, Failure> {
    params.get(name).and_then(Value::as_str).ok_or_else(|| Failure::invalid(format!("{name} must be a string")))
}

/// `params._meta`, empty when absent.
pub(crate) fn meta(params: &Members) -> Members {
    params.get("_meta").and_then(Value::as_object).cloned().unwrap_or_default()
}
