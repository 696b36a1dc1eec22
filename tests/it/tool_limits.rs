//! Proofs of identity that are limited: to tools, to reading, to instances; and how they are taken back.

mod endings;
mod fronts;
mod tokens;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{TestApp, User, http::Reply};

/// The same person with a token on these terms; and its id.
#[track_caller]
pub(crate) fn limited(user: &User, terms: &Value) -> (User, String) {
    let made = user.http.post("/api/v1/tokens", terms).expect(201).json();
    let limited = user.with_token(made["token"].as_str().unwrap());
    (limited, made["id"].as_str().unwrap().to_owned())
}

/// The names in a list of tools.
#[track_caller]
pub(crate) fn names(list: &Value) -> BTreeSet<String> {
    let tools = list["tools"].as_array().unwrap_or_else(|| panic!("no tools in {list}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The refusal of a request with this id for a tool; its words.
#[track_caller]
pub(crate) fn refusal(reply: &Reply, id: &Value) -> String {
    assert_eq!((reply.status, reply.header("content-type")), (403, "application/json"), "{}", reply.text());
    assert_eq!(reply.header("www-authenticate"), "", "an API token can ask for no more");
    let body = reply.json();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), id), "{body}");
    assert!(body["result"].is_null(), "{body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

/// What the child keeps under this key: shows whether a call has reached it.
#[track_caller]
pub(crate) fn kept(user: &User, app: &TestApp, service: &str, id: &str, key: &str) -> Value {
    let url = format!("{}/{service}/{id}/mcp/call", app.url);
    let reply = user.http.post(&url, &json!({ "name": "get", "arguments": { "key": key } })).expect(200).json();
    serde_json::from_str(reply["content"][0]["text"].as_str().unwrap()).unwrap()
}
