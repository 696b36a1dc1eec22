//! The running Berth of this data directory, spoken to over REST with its control token.

use std::time::Duration;

use actix_web::http::Method;
use anyhow::{Context as _, Result, anyhow, bail};
use awc::Client;
use futures_util::StreamExt;
use serde_json::Value;

use super::context::Context;
use crate::{app::Control, mcp::http::install_crypto_provider};

/// Stopping an instance alone may take its whole grace period.
const PATIENCE: Duration = Duration::from_secs(120);
/// Installing a package and starting it, twice.
const LONG_PATIENCE: Duration = Duration::from_secs(1500);
const MAX_ANSWER: usize = 64 << 20;

/// A Berth that has proved to be the one of this data directory.
pub(super) struct Remote {
    control: Control,
    runtime: actix_rt::Runtime,
    client: Client,
}

impl Remote {
    /// The running Berth, or none when the control file is not there or its Berth is gone.
    pub(super) fn find(context: &Context) -> Result<Option<Self>> {
        let Some(control) = Control::find(&context.config.storage.data_dir) else { return Ok(None) };
        let runtime = actix_rt::Runtime::new().context("cannot start a runtime")?;
        install_crypto_provider();
        let client = Client::builder().timeout(PATIENCE).disable_redirects().finish();
        let remote = Self { control, runtime, client };
        Ok(remote.is_ours()?.then_some(remote))
    }

    /// The running Berth.
    pub(super) fn require(context: &Context) -> Result<Self> {
        Self::find(context)?.ok_or_else(|| anyhow!("Berth is not running; start it with `berth serve`"))
    }

    /// Its process.
    pub(super) const fn pid(&self) -> u32 {
        self.control.pid()
    }

    /// Whether whoever listens there accepts our control token: after a crash it may be a stranger.
    fn is_ours(&self) -> Result<bool> {
        let request = self.request(&Method::GET, "/api/v1/me").timeout(Duration::from_secs(10));
        // Inside the runtime: the client arms its timer at once.
        match self.runtime.block_on(async { request.send().await }) {
            Ok(response) => Ok(response.status().is_success()),
            Err(awc::error::SendRequestError::Connect(_)) => Ok(false),
            Err(error) => Err(self.silent(&error)),
        }
    }

    fn silent(&self, error: &awc::error::SendRequestError) -> anyhow::Error {
        anyhow!("Berth (pid {}) does not answer at {}: {error}", self.pid(), self.control.url())
    }

    fn request(&self, method: &Method, path: &str) -> awc::ClientRequest {
        let url = format!("{}{path}", self.control.url());
        self.client.request(method.clone(), url).bearer_auth(self.control.token().expose())
    }

    /// The answer to `GET path`.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.call(&Method::GET, path, None)
    }

    /// The answer to `POST path`.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(&Method::POST, path, Some(body))
    }

    /// The answer to `PUT path`.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(&Method::PUT, path, Some(body))
    }

    /// The answer to `POST path` with a body that is no JSON.
    pub(super) fn post_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<Value> {
        self.runtime.block_on(async {
            let request = self.request(&Method::POST, path).content_type("application/octet-stream");
            let response = request.send_body(bytes).await.map_err(|error| self.silent(&error))?;
            answered(response).await
        })
    }

    /// The answer to `POST path`, for which something is installed first.
    pub(super) fn post_and_wait(&self, path: &str, body: &Value) -> Result<Value> {
        self.call_within(LONG_PATIENCE, &Method::POST, path, Some(body))
    }

    /// The answer to `PATCH path`.
    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(&Method::PATCH, path, Some(body))
    }

    /// Deletes what is at `path`.
    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.call(&Method::DELETE, path, None).map(drop)
    }

    fn call(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call_within(PATIENCE, method, path, body)
    }

    fn call_within(&self, patience: Duration, method: &Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.runtime.block_on(async {
            let request = self.request(method, path).timeout(patience);
            let sent = match body {
                Some(body) => request.send_json(body).await,
                None => request.send().await,
            };
            answered(sent.map_err(|error| self.silent(&error))?).await
        })
    }

    /// Hands the lines of an event stream to `each`, until either ends it.
    pub(super) fn follow(&self, path: &str, mut each: impl FnMut(&str) -> Result<()>) -> Result<()> {
        self.runtime.block_on(async {
            let request = self.request(&Method::GET, path).timeout(Duration::from_secs(86_400 * 365));
            let mut response = request.send().await.map_err(|error| self.silent(&error))?;
            if !response.status().is_success() {
                bail!("{}", response.status());
            }
            let mut pending = Vec::new();
            while let Some(chunk) = response.next().await {
                pending.extend_from_slice(&chunk.context("the stream broke off")?);
                while let Some(end) = memchr::memchr(b'\n', &pending) {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    let line = String::from_utf8_lossy(&line);
                    if let Some(data) = line.trim_end().strip_prefix("data:") {
                        each(data.strip_prefix(' ').unwrap_or(data))?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// What was answered, when it is a success; else the reason.
async fn answered<S>(mut response: awc::ClientResponse<S>) -> Result<Value>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>> + Unpin,
{
    let bytes = response.body().limit(MAX_ANSWER).await.context("the answer broke off")?;
    let answer = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    if response.status().is_success() {
        return Ok(answer);
    }
    let detail = answer.get("detail").and_then(Value::as_str);
    bail!("{}", detail.map_or_else(|| response.status().to_string(), str::to_owned))
}

/// Has a running Berth find out anew what everybody was given: it remembers that.
pub(super) fn tell_of_grants(context: &Context) -> Result<()> {
    match Remote::find(context)? {
        Some(remote) => remote.post("/api/v1/admin/refresh", &serde_json::json!({})).map(drop),
        None => Ok(()),
    }
}

/// The items of a list's answer.
pub(super) fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A member as text; a dash when it is absent.
pub(super) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
