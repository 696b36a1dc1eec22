//! OAuth clients through the real binary: how they are known, prove who they are, and get tokens without a
//! browser of their own.

mod device;
mod documents;
mod machine;
mod made;
mod proving;
mod registration;

use serde_json::{Value, json};

use crate::support::{
    TestApp,
    http::{Http, Reply},
    oauth::post,
};

/// Registers a client.
#[track_caller]
fn register(app: &TestApp, metadata: &Value) -> Value {
    Http::new(&app.url, None).post("/oauth/register", metadata).expect(201).json()
}

/// A member that is text.
#[track_caller]
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}")).to_owned()
}

/// A form with a header.
#[track_caller]
fn post_as(app: &TestApp, authorization: &str, path: &str, form: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization)];
    Http::new(&app.url, None).send("POST", path, &headers, Some(body.as_bytes()))
}

/// Asks for tokens with a code that nobody has: `invalid_grant` says that the client itself was believed.
#[track_caller]
fn believed(app: &TestApp, form: &[(&str, &str)]) {
    let reply = post(app, "/oauth/token", &[NO_CODE, form].concat());
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")), "{}", reply.text());
}

/// The same, where it must not be.
#[track_caller]
fn not_believed(app: &TestApp, form: &[(&str, &str)]) -> String {
    let reply = post(app, "/oauth/token", &[NO_CODE, form].concat());
    assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_client")), "{}", reply.text());
    assert_eq!(reply.header("www-authenticate"), "");
    text(&reply.json(), "error_description")
}

const NO_CODE: &[(&str, &str)] = &[
    ("grant_type", "authorization_code"),
    ("code", "nothing"),
    ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
];

/// What was written into the audit log, newest first.
fn actions(app: &TestApp) -> Vec<String> {
    let audit = app.operator().http.get("/api/v1/audit").expect(200).json();
    audit["items"].as_array().unwrap().iter().map(|row| text(row, "action")).collect()
}
