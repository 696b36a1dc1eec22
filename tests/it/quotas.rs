//! What people may use, and what they are told when they have: one file per kind of limit.

mod calls;
mod creating;
mod groups;
mod rates;
mod services;
mod starting;
mod system;
mod usage;

use serde_json::{Value, json};

use crate::support::{Client, text};

/// The path of somebody's account, for administrators.
fn account(client: &Client) -> String {
    format!("/api/v1/users/{}", text(&client.get("/api/v1/me").expect(200), "id"))
}

/// An instance of `fake` that runs.
#[track_caller]
fn running(client: &Client) -> Value {
    let view = client.create(&json!({ "service": "fake" }));
    client.wait_for(&text(&view, "id"), "running")
}

/// The path of an instance.
fn path(view: &Value) -> String {
    format!("/api/v1/mcps/{}", text(view, "id"))
}

fn echo(client: &Client, view: &Value) -> crate::support::Answer {
    client.call(view, "echo", &json!({ "text": "hi" }))
}
