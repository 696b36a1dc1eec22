//! An authorization server of an outside service: the stand-in of Google's, a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{Answer, Client, browser::Browser};

/// The client that it knows.
pub(crate) const CLIENT_ID: &str = "berth-at-google";
pub(crate) const CLIENT_SECRET: &str = "canary-outside-client-secret-5d20";

/// Ends with it.
pub(crate) struct Google {
    child: Child,
    pub(crate) url: String,
}

impl Google {
    /// Access tokens live for `seconds`; `alice` consents to everything without a page. An API that takes the tokens
    /// hears of them at `api`.
    pub(crate) fn start(seconds: u32, api: &str) -> Self {
        let seconds = seconds.to_string();
        let client = format!("{CLIENT_ID}={CLIENT_SECRET}");
        let args = ["--client", &client, "--auto", "alice", "--expires-in", &seconds, "--tell", api];
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-ins/google-oauth.mjs");
        let mut child = Command::new("node").arg(script).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: said["url"].as_str().unwrap().to_owned() }
    }

    /// What a manifest says of it.
    pub(crate) fn spec(&self) -> Value {
        json!({
            "authorize_url": format!("{}/o/oauth2/v2/auth", self.url),
            "token_url": format!("{}/token", self.url),
            "revoke_url": format!("{}/revoke", self.url),
            "parameters": { "access_type": "offline", "prompt": "consent" },
        })
    }

    /// Consents; the URL by which the browser is sent back.
    #[track_caller]
    pub(crate) fn visit(&self, answer: &Answer) -> String {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let location = answer.header("location").unwrap();
        assert!(location.starts_with(&format!("{}/o/oauth2/v2/auth?", self.url)), "{location}");
        let answer = Client::new("").get(location);
        assert_eq!(answer.status, 302, "{}", answer.text);
        answer.header("location").unwrap().to_owned()
    }

    /// There and back from `path`.
    #[track_caller]
    pub(crate) fn journey(&self, browser: &Browser, path: &str) -> Answer {
        let back = self.visit(&browser.get(path));
        browser.get(&back)
    }

    /// How often `path` was asked.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let calls = Client::new(&self.url).get("/_control/calls").json();
        calls.as_array().unwrap().iter().filter(|call| call["path"] == path).count()
    }

    /// Makes the next answers fail.
    pub(crate) fn fault(&self, fault: &Value) {
        Client::new(&self.url).post("/_control/faults", fault).expect(200);
    }

    /// Takes the consent back that `token` comes from.
    pub(crate) fn revoke(&self, token: &str) {
        let answer = Client::new(&self.url).send("POST", &format!("/revoke?token={token}"), Some(""));
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

impl Drop for Google {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
